"""The one loop that drives Markov chains."""

from __future__ import annotations

import json
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Array

from probdl.inference.assemble import provenance
from probdl.inference.chains import Chains
from probdl.inference.destination import destination
from probdl.inference.devices import Devices
from probdl.inference.diagnostics import IMPROPER_SITES, by_severity, diagnose, improper
from probdl.inference.draws import Draws
from probdl.inference.improper import improper_sites
from probdl.inference.interruption import interruptible
from probdl.inference.keeping import Keeper
from probdl.inference.memory import check_memory
from probdl.inference.method import Method, Options
from probdl.inference.progress import progress_bar
from probdl.inference.result import Result
from probdl.inference.resuming import Saved, facts, identity, saved
from probdl.inference.status import ENDED, Ended, InferenceWarning, Status, verdict
from probdl.inference.store import RUN
from probdl.inference.underway import Chunk, Underway
from probdl.inference.warmup import Clock
from probdl.inference.watch import Watch, agreed
from probdl.program.model import Model
from probdl.program.target import Sampled

if TYPE_CHECKING:
    from probdl.inference.mcmc.markov_chain import MarkovChain

SECONDS = 0.5


def drive(
    key: Array,
    method: MarkovChain,
    model: Model,
    options: Options,
    density: Sampled | None = None,
    asked: Method | None = None,
) -> Result:
    """Run Markov chains.

    Args:
        key: The key of the run.
        method: The method.
        model: The model.
        options: Where draws go, on which devices, and when to stop.
        density: What is sampled of the model: by default all latents.
        asked: The method that the user asked for, if it is not this one.

    Returns:
        The result.

    Raises:
        FileExistsError: If there is something where the draws should go.
        CannotResume: If what is there is another run.
        BlockingIOError: If another process writes there.
        OSError: If there is no room for the draws.
        ValueError: If the log-density is finite nowhere.
        MemoryError: If chains or draws do not fit into memory.
        KeyboardInterrupt: If the user stops the run before the first draw.
        RuntimeError: If a callback does, or another process of the run has died.

    Warns:
        InferenceWarning: If the draws should not be trusted as they are.
    """
    began = time.perf_counter()
    density = model.density if density is None else density
    devices = Devices(options.mesh)
    check_memory(method, model, density, stored=options.store is not None)
    attributes = {**provenance(key, asked or method), "num_samples": method.num_samples}
    with devices.processes.watched():
        chains = Chains.of(key, method, model, density, devices)
        with devices.processes.together():
            folder = _folder(key, asked or method, model, options, attributes)
            draws = destination(model, options, attributes, devices.processes)
        keeper = Keeper(chains, draws, folder, began)
        underway, last, ended = _sample(chains, draws, folder, options, keeper)
        ending: dict[str, Any] = {
            "wall_time_seconds": keeper.seconds,
            "warmup_steps": underway.clock.warmup_steps,
            "warmup_gradients": underway.clock.warmup_gradients,
            "relocated_chains": underway.clock.relocated,
            ENDED: ended.value,
            **chains.ending(underway),
        }
        data = draws.finish()
        if last is not None or ENDED not in data.attrs:
            data.attrs.update(ending)
        findings = diagnose(data)
        if last is not None and any(finding.status is Status.HIGH_RHAT for finding in findings):
            drawn = devices.fetch(last.positions)[: last.steps]
            sites = improper_sites(density, chains.here[0], drawn, curved=method.has_gradient)
            ending[IMPROPER_SITES] = json.dumps(sites)
            data.attrs.update(ending)
            findings = by_severity([*findings, *improper(sites)])
        draws.describe(ending)
    result = Result(data, findings, model=model)
    if result.findings:
        warnings.warn(verdict(result.findings), InferenceWarning, stacklevel=4)
    return result


def _folder(
    key: Array, method: Method, model: Model, options: Options, attributes: dict[str, Any]
) -> Saved | None:
    """Return the folder of the checkpoint, if there shall be one, and have the draws know their run."""
    if options.checkpoint is None:
        return None
    known = facts(key, method, model, options)
    attributes[RUN] = identity(known)
    return saved(options, known)


def _sample(
    chains: Chains, draws: Draws, folder: Saved | None, options: Options, keeper: Keeper
) -> tuple[Underway, Chunk | None, Ended]:
    """Hand all draws over; return the chains, the last chunk of draws, and why there are no more."""
    method, processes = chains.method, chains.devices.processes
    wanted = options.progress if processes.is_first else False
    with (
        interruptible() as interruption,
        progress_bar(method, wanted=wanted) as progress,
        keeper.rescuing(),
    ):
        underway = _begun(chains, draws, folder, options, keeper)
        watch = Watch(chains, options, underway.clock, keeper.began, progress)
        watch.recall(draws)
        ended = agreed(processes, watch.enough(underway.clock), interruption)
        count, last = 1, None
        while ended is None and draws.count < method.num_samples:
            begun = time.perf_counter()
            underway, chunk = chains.advance(underway, min(count, watch.room(underway.clock)))
            pace = SECONDS / (time.perf_counter() - begun)
            if not chunk.warming_up:
                last, values = chunk, chains.values(chunk)
                draws.append(values, chunk.stats)
                watch.add(values, chunk.stats)
            keeper.keep(underway)
            with processes.together():
                ended = watch.ended(underway, chunk)
            ended = agreed(processes, ended, interruption)
            count = int(np.clip(chunk.steps * np.clip(pace, 0.25, 4), 1, chains.length))
            count = int(processes.shared(np.array(count)))
        keeper.keep(underway, at_once=True)
    if not draws.count:
        raise _too_early(underway.clock, method.num_warmup, folder, ended)
    complete = draws.count >= method.num_samples and ended is not Ended.UNTIL
    return underway, last, Ended.COMPLETE if complete or ended is None else ended


def _begun(chains: Chains, draws: Draws, folder: Saved | None, options: Options, keeper: Keeper) -> Underway:
    """Return the chains at their start, or where a run that was kept has come to."""
    processes = chains.devices.processes
    kept = folder.read(chains.template()) if folder is not None and options.resume else None
    if kept is None:
        underway = chains.begun()
        with processes.together():
            if processes.is_first:
                draws.begin()
                if folder is not None:
                    folder.begin()
        return underway
    underway = chains.placed(kept)
    with processes.together():
        draws.go_on(underway.clock.drawn)
    keeper.go_on(underway)
    return underway


def _too_early(clock: Clock, num_warmup: int, folder: Saved | None, ended: Ended | None) -> BaseException:
    kept = "" if folder is None else " It goes on from there with resume=True."
    done = f"{clock.steps} of {num_warmup} steps of the warm-up"
    if ended is Ended.CALLBACK:
        return RuntimeError(
            f"Expected a callback that lets the run draw; got True after {done}: nothing has been drawn yet."
            f"{kept or ' Have it return True only if snapshot.drawn is above 0.'}"
        )
    return KeyboardInterrupt(f"Stopped after {done}: nothing has been drawn yet.{kept}")
