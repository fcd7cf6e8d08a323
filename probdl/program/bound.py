"""A program bound to its inputs: the part that is compiled for, and the arrays that flow through."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers, validation_enabled

from probdl.program.allowances import Allowance, allow
from probdl.program.handlers import Everywhere, Intervene, Observe

CONCRETENESS_ERRORS = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)


@dataclass(frozen=True)
class Constant:
    """An array that a program needs as a constant: compared and hashed by its content."""

    array: np.ndarray = field(compare=False)
    digest: str

    @classmethod
    def of(cls, array: Any) -> Constant:
        """Wrap an array."""
        value = np.asarray(array)
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return cls(value, f"{value.dtype.str}{value.shape}{content}")


@dataclass(frozen=True)
class Plain:
    """An argument that is no array: equal only to one of the same type, so that 1 is not True."""

    kind: type
    value: Any


@dataclass(frozen=True)
class Opaque:
    """An argument that has no hash: compared by identity."""

    value: Any = field(compare=False)
    identity: int


@dataclass(frozen=True)
class BoundProgram:
    """The static half of a model: hashable, so that one compilation serves every model that shares it.

    Calling it with the dynamic half, the arrays, runs the program under its conditions.

    Attributes:
        program: The NumPyro program.
        structure: Tree structure of its arguments.
        static: The leaves of the arguments that are no arrays, None where an array goes.
        scan_of: The scan that each conditioned or intervened site is in.
        allowances: What it needs beyond a plain trace.
        fingerprint: Digest of the traced program, with all that it takes from elsewhere than its arguments:
            a global that changes makes another program.
    """

    program: Plain | Opaque
    structure: Any
    static: tuple[Any, ...]
    scan_of: tuple[tuple[str, str], ...] = ()
    allowances: tuple[Allowance, ...] = ()
    fingerprint: str = ""

    def callable(self, arrays: Arrays) -> Callable[[], Any]:
        """Return the program with its inputs, conditions and interventions in place."""
        leaves = [
            arrays.leaves[str(i)] if leaf is None else _unwrap(leaf) for i, leaf in enumerate(self.static)
        ]
        observed, held = arrays.observed, arrays.held
        if Allowance.JAX_INPUTS in self.allowances:
            leaves = [jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
            observed, held = jax.tree.map(jnp.asarray, (dict(observed), dict(held)))
        args, kwargs = jax.tree.unflatten(self.structure, leaves)
        program: Callable = functools.partial(self.program.value, *args, **kwargs)
        scan_of = dict(self.scan_of)
        if observed:
            program = Observe(program, observed, scan_of)
        if held:
            program = Intervene(program, held, scan_of)
        return program

    def trace(
        self, arrays: Arrays, handler: Everywhere, key: Any = 0, *, validate: bool = False
    ) -> dict[str, dict[str, Any]]:
        """Run the program under one handler and return NumPyro's trace of it.

        Args:
            arrays: The dynamic half.
            handler: The handler to run it under; its own program is ignored.
            key: Seed or key of what is left to be drawn.
            validate: Whether NumPyro checks the parameters of the distributions where they are known.

        Returns:
            The messages of all sites, by name.
        """
        program = self.callable(arrays)
        with contextlib.ExitStack() as stack:
            stack.enter_context(allow(self.allowances))
            stack.enter_context(validation_enabled(validate))
            trace = stack.enter_context(handlers.trace())
            stack.enter_context(handlers.seed(rng_seed=key))
            stack.enter_context(handler)
            program()
        return trace


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Arrays:
    """The dynamic half of a model: what flows through whatever is compiled.

    Attributes:
        leaves: The arrays among the arguments, by their position.
        observed: Values that sites are conditioned on.
        held: Values that sites are set to by an intervention.
        centring: Degrees of centring of sites that are sampled in other coordinates, under `CENTRING` and
            their names.
    """

    leaves: Mapping[str, Any]
    observed: Mapping[str, Any]
    held: Mapping[str, Any]
    centring: Mapping[str, Any] = field(default_factory=dict)


def split(args: tuple, kwargs: Mapping[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """Split arguments into their tree, the leaves that stay fixed, and the arrays by position."""
    leaves, structure = jax.tree.flatten((args, dict(kwargs)))
    arrays = {str(i): as_array(leaf) for i, leaf in enumerate(leaves) if _is_array(leaf)}
    static = tuple(None if str(i) in arrays else hashable(leaf) for i, leaf in enumerate(leaves))
    return structure, static, arrays


def as_array(value: Any) -> Any:
    """Return JAX arrays as they are, anything else as a NumPy array of its own that nobody can change."""
    if isinstance(value, jax.Array):
        return value
    array = np.array(value)
    array.setflags(write=False)
    return array


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def hashable(leaf: Any) -> Plain | Opaque:
    """Return something that stands for a value, can be compared and hashed, and gives it back."""
    try:
        hash(leaf)
    except TypeError:
        return Opaque(leaf, id(leaf))
    return Plain(type(leaf), leaf)


def _unwrap(leaf: Any) -> Any:
    return leaf.array if isinstance(leaf, Constant) else leaf.value
