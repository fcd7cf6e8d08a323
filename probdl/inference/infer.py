"""The one verb of inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Array

from probdl.errors import NotApplicable
from probdl.inference import compilation_cache
from probdl.inference.method import Method, Options
from probdl.inference.result import Result
from probdl.program.datatree import check_labels
from probdl.program.keys import as_key, check_key
from probdl.program.model import Model

if TYPE_CHECKING:
    from probdl.inference.plan import Plan


def infer(
    model: Model,
    method: Method | None = None,
    *,
    key: int | Array,
    store: str | PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Any] | None = None,
) -> Result:
    """Infer the latent sites of a model from its data.

    Data and program are checked before anything is compiled. Ctrl-C returns what has been drawn. The user's
    `jax_enable_x64` is not touched: precision is a field of the method, and holds in this call only. Compiled
    code is kept between processes, see `compilation_cache`.

    Args:
        model: The model.
        method: How to infer; by default as `plan(model)` says.
        key: A seed or a JAX key: the same key gives the same draws.
        store: A folder for the draws, written as they come (zarr), so that they need no memory and survive a
            kill; `Result.load` reads it at any time.
        overwrite: Whether an existing store may be replaced.
        progress: Whether to show a progress bar; by default if stderr is a terminal.
        dims: Names of the dimensions of sites, such as {"theta": ["school"]}.
        coords: Coordinates of dimensions, such as {"school": ["A", "B"]}.

    Returns:
        The result.

    Raises:
        TypeError: If the model, the method or the key is none.
        NotApplicable: If the method cannot treat the model; the message names the site.
        SiteNotFound: If a name in `dims` is no site.
        ValueError: If data, dims or coords do not fit the program, or its log-density is finite nowhere.
        FileExistsError: If there is something at `store`.
        KeyboardInterrupt: If the user stops the run before the first draw.

    Warns:
        InferenceWarning: If the draws should not be trusted as they are, with the remedy.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def coin():
        ...     bias = numpyro.sample("bias", dist.Beta(1, 1))
        ...     numpyro.sample("heads", dist.Binomial(10, bias), obs=7)
        >>> result = infer(Model(coin), key=0)
        >>> print(result.status)
        OK
        >>> round(float(result["bias"].mean()), 1)  # 8/12
        0.7
    """
    check_key(key)
    _check_types(model, method)
    chosen, followed = _chosen(model, method)
    model.check()
    check_labels(model.sites, dims or {}, coords or {})
    if reason := chosen.applicable(model):
        raise NotApplicable(type(chosen).__name__, reason, chosen.instead)
    compilation_cache.enable()
    options = Options(None if store is None else Path(store), overwrite, progress, dims or {}, coords or {})
    result = chosen.run(as_key(key), model, options)
    return result if followed is None else replace(result, plan=followed)


def _check_types(model: Model, method: Method | None) -> None:
    for name, value, kind in (("model", model, Model), ("method", method, Method | None)):
        if not isinstance(value, kind):
            raise TypeError(
                f"Expected {name} to be a {name.capitalize()}; got {value!r}. "
                f"Call infer(Model(program, ...), NUTS(), key=0)."
            )


def _chosen(model: Model, method: Method | None) -> tuple[Method, Plan | None]:
    """Return the method; if none is given, that of the plan, and the plan."""
    if method is not None:
        return method, None
    from probdl.inference.plan import plan  # imports BlackJAX, which not all methods need

    model.check()
    followed = plan(model)
    return followed.chosen, followed
