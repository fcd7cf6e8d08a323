"""The one loop that drives Markov chains."""

from __future__ import annotations

import json
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Array

from probdl.inference.assemble import provenance
from probdl.inference.chunks import Chunk, chunks, complete
from probdl.inference.destination import destination
from probdl.inference.diagnostics import IMPROPER_SITES, by_severity, diagnose, improper
from probdl.inference.draws import Draws
from probdl.inference.improper import improper_sites
from probdl.inference.interruption import interruptible
from probdl.inference.method import Method, Options
from probdl.inference.progress import progress_bar
from probdl.inference.result import Result
from probdl.inference.start import no_gradient, no_start, start
from probdl.inference.status import InferenceWarning, Status, verdict
from probdl.program.bound import Arrays
from probdl.program.model import Model
from probdl.program.target import Sampled

if TYPE_CHECKING:
    from probdl.inference.mcmc.markov_chain import MarkovChain


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
        options: Where draws go, and how they are labelled.
        density: What is sampled of the model: by default all latents.
        asked: The method that the user asked for, if it is not this one.

    Returns:
        The result.

    Raises:
        FileExistsError: If there is something where the draws should go.
        ValueError: If the log-density is finite nowhere.
        KeyboardInterrupt: If the user stops the run before the first draw.

    Warns:
        InferenceWarning: If the draws should not be trusted as they are.
    """
    began = time.perf_counter()
    density = model.density if density is None else density
    attributes = {**provenance(key, asked or method), "num_samples": method.num_samples}
    draws = destination(model, options, attributes)
    arrays = model.arrays(method.precision)
    last = _sample(key, method, model, density, arrays, options, draws)
    elapsed = time.perf_counter() - began
    data = draws.finish()
    findings = diagnose(data)
    ending: dict[str, Any] = {"wall_time_seconds": elapsed}
    if any(finding.status is Status.HIGH_RHAT for finding in findings):
        sites = improper_sites(density, arrays, last.positions[last.warming_up : last.steps])
        ending[IMPROPER_SITES] = json.dumps(sites)
        findings = by_severity([*findings, *improper(sites)])
    draws.describe(ending)
    data.attrs.update(ending)
    result = Result(data, findings, model=model)
    if result.findings:
        warnings.warn(verdict(result.findings), InferenceWarning, stacklevel=4)
    return result


def _sample(
    key: Array,
    method: MarkovChain,
    model: Model,
    density: Sampled,
    arrays: Arrays,
    options: Options,
    draws: Draws,
) -> Chunk:
    """Hand all draws over; return the last chunk."""
    total = method.num_warmup + method.num_samples
    done, chunk = 0, None
    with (
        interruptible() as interruption,
        progress_bar(total, method.num_chains, wanted=options.progress) as progress,
    ):
        try:
            keys, states, good = start(method.kernel, density, method.num_chains, arrays, key)
        except (TypeError, ValueError) as error:
            raise no_gradient(method, density, arrays) or error from None
        if not good.all():
            raise no_start(model, density, arrays, states.position[int(np.argmin(good))])
        for chunk in chunks(method, model, density, arrays, keys, states):
            if chunk.warming_up < chunk.steps:
                values = complete(density, arrays, keys, done, chunk.positions)
                draws.append(chunk.sampled(values), chunk.sampled_stats)
            progress.advance(chunk.stats, chunk.warming_up)
            done += chunk.steps
            if interruption.requested:
                break
    if chunk is None or done <= method.num_warmup:
        raise KeyboardInterrupt(
            f"Stopped after {done} of {method.num_warmup} steps of the warm-up: nothing has been drawn yet."
        )
    return chunk
