"""The one verb of inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Array

from probdl.errors import CannotResume, NotApplicable
from probdl.inference import compilation_cache
from probdl.inference.live import Until
from probdl.inference.method import Method, Options
from probdl.inference.result import Result
from probdl.inference.resuming import kept_apart
from probdl.program.datatree import check_labels
from probdl.program.keys import as_key, check_key
from probdl.program.model import Model

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from probdl.inference.live import Snapshot
    from probdl.inference.plan import Plan


def infer(
    model: Model,
    method: Method | None = None,
    *,
    key: int | Array,
    store: str | PathLike[str] | None = None,
    checkpoint: bool | str | PathLike[str] = True,
    resume: bool = False,
    overwrite: bool = False,
    until: Until | None = None,
    callback: Callable[[Snapshot], object] | None = None,
    mesh: Mesh | None = None,
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
        checkpoint: Whether the run can be gone on with after a kill: after each chunk of steps (half a
            second), but for at most a twentieth of the time, its state goes to a folder beside the store,
            `run.zarr.checkpoint`, or to the one that is named here.
        resume: Whether to go on with the run at `store`, bit for bit as if it had not been stopped, or to
            extend a finished one to more `num_samples`; it begins where there is none. It may go on on
            other devices.
        overwrite: Whether an existing store may be replaced.
        until: When to stop before all draws have been made.
        callback: Called after each chunk of steps; the run stops if it returns True.
        mesh: Devices, with an axis "chain" over which chains are spread, or "data" for the rows of the data,
            or both: `jax.make_mesh((jax.device_count(),), ("chain",))`. They may be those of many processes,
            which `jax.distributed.initialize` has joined: each of them calls `infer` with the same arguments,
            the first one writes and calls back, and all return the result. If one of them dies, the others
            end with an error, at the latest after `heartbeat_timeout_seconds` of that function.
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
        CannotResume: If the run at `store` is of another program, data, method or key: it says which.
        BlockingIOError: If another process writes to `store`.
        OSError: If the disk is full; what was stored stays readable.
        MemoryError: If chains or draws do not fit into memory.
        KeyboardInterrupt: If the user stops the run before the first draw.
        RuntimeError: If a callback does, or another process of the run has died.

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
    _check_options(until, callback, resume=resume, overwrite=overwrite)
    chosen, followed = _chosen(model, method)
    model.check()
    check_labels(model.sites, dims or {}, coords or {})
    if reason := chosen.applicable(model):
        raise NotApplicable(type(chosen).__name__, reason, chosen.instead)
    compilation_cache.enable()
    options = Options(
        store=None if store is None else Path(store),
        checkpoint=_folder(store, checkpoint, resume=resume) if chosen.goes_on else None,
        resume=resume,
        overwrite=overwrite,
        until=until,
        callback=callback,
        mesh=mesh,
        progress=progress,
        dims=dims or {},
        coords=coords or {},
    )
    if resume and not chosen.goes_on and options.store is not None and options.store.exists():
        raise CannotResume(f"{chosen} draws all at once, and has no checkpoint")
    with kept_apart(options):
        result = chosen.run(as_key(key), model, options)
    return result if followed is None else replace(result, plan=followed)


def _check_options(until: Any, callback: Any, *, resume: bool, overwrite: bool) -> None:
    if until is not None and not isinstance(until, Until):
        raise TypeError(f"Expected until to be an Until; got {until!r}. Pass Until(min_ess=400), say.")
    if callback is not None and not callable(callback):
        raise TypeError(f"Expected a callback that can be called with a Snapshot; got {callback!r}.")
    if resume and overwrite:
        raise ValueError(
            "Expected either resume=True, to go on with the run in the store, or overwrite=True, to begin "
            "anew; got both. Leave one of them out."
        )


def _folder(store: Any, checkpoint: Any, *, resume: bool) -> Path | None:
    """Return where the checkpoint goes."""
    if store is None:
        if resume or not isinstance(checkpoint, bool):
            raise ValueError(
                "Expected a store for a run that can be gone on with; got none. Pass store='run.zarr'."
            )
        return None
    path = Path(store)
    if checkpoint is False and resume:
        raise ValueError(
            "Expected a checkpoint for a run that is gone on with; got checkpoint=False. Leave it out, or "
            "resume=True."
        )
    if isinstance(checkpoint, bool):
        return path.with_name(f"{path.name}.checkpoint") if checkpoint else None
    folder = Path(checkpoint)
    if folder.is_file() or path.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise ValueError(
            f"Expected a folder for the checkpoint, outside of the store; got '{folder}'. Leave it out, or "
            f"choose another one."
        )
    return folder


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
