"""How a program is called: checked before it runs, and the names of what it is given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax


def check_call(program: Callable, args: tuple, kwargs: Mapping[str, Any]) -> None:
    """Check that a program can be called with some arguments.

    Args:
        program: The program.
        args: Its positional arguments.
        kwargs: Its keyword arguments.

    Raises:
        TypeError: If it is no callable, or if an argument is missing or unknown.
    """
    if not callable(program):
        raise TypeError(f"Expected a NumPyro program, a callable; got {type(program).__name__}.")
    try:
        inspect.signature(program).bind(*args, **kwargs)
    except TypeError as error:
        name = getattr(program, "__name__", type(program).__name__)
        raise TypeError(
            f"Expected the arguments of program {name}{inspect.signature(program)}; got a call with "
            f"{str(error).removeprefix('got ')}. Pass its inputs to Model({name}, ...)."
        ) from None


def leaf_names(program: Callable, args: tuple, kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the name of each leaf of the arguments: that of the parameter, with a path into containers.

    Args:
        program: The program.
        args: Its positional arguments.
        kwargs: Its keyword arguments.

    Returns:
        One name a leaf, in the order of `jax.tree.leaves((args, kwargs))`.

    Example:
        >>> leaf_names(lambda x, y: None, (1, {"a": 2}), {})
        ('x', 'y.a')
    """
    parameters = inspect.signature(program).bind(*args, **kwargs)
    positional = list(parameters.signature.parameters.values())
    names = []
    for path, _ in jax.tree_util.tree_leaves_with_path((args, dict(kwargs))):
        in_args, *inner = path[0].idx == 0, *path[1:]
        first, rest = inner[0], inner[1:]
        name = _positional(positional, first.idx) if in_args else str(first.key)
        names.append(".".join([name, *(jax.tree_util.keystr((part,), simple=True) for part in rest)]))
    return tuple(names)


def _positional(parameters: list[inspect.Parameter], index: int) -> str:
    variadic = [i for i, p in enumerate(parameters) if p.kind is inspect.Parameter.VAR_POSITIONAL]
    if variadic and index >= variadic[0]:
        return f"{parameters[variadic[0]].name}.{index - variadic[0]}"
    return parameters[index].name
