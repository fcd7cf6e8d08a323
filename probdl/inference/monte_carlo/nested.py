"""Nested sampling."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.ns import nss
from blackjax.ns.adaptive import init
from blackjax.ns.base import NSInfo, StateWithLogLikelihood
from blackjax.ns.utils import log_weights
from jaxtyping import Array

from probdl.inference.interruption import interruptible
from probdl.inference.memory import check_size
from probdl.inference.meter import meter
from probdl.inference.method import Method, Options, at_least
from probdl.inference.monte_carlo import obstacles
from probdl.inference.monte_carlo.completion import completed
from probdl.inference.monte_carlo.outcome import Run, warn
from probdl.inference.monte_carlo.tempering import Tempering, check_start
from probdl.inference.monte_carlo.weights import (
    NUM_WEIGHTED,
    WEIGHTED_SIZE,
    Evidence,
    effective_size,
    log_sum_exp,
)
from probdl.inference.result import Result
from probdl.program.bound import Arrays
from probdl.program.datatree import LOG_WEIGHT
from probdl.program.model import Model
from probdl.program.precision import Precision

COPIES = 4  # of all points: their moves
SHRINKAGES = 256
CHUNK = 8
MOST_CHUNKS = 10_000
START, VOLUMES = 2**32 - 1, 2**32 - 3

Points = StateWithLogLikelihood


@dataclass(frozen=True, kw_only=True)
class Nested(Method):
    """Climb from the prior to the peaks of the likelihood, and weigh the points left behind by their volume.

    Of a set of live points those of the lowest likelihood are replaced by others above it, drawn by slice
    sampling within what is left of the prior. How fast that shrinks is known, whatever the likelihood: so it
    copes with many modes and phase transitions. Draws are weighted, in one chain.

    Args:
        num_live: Number of live points.
        num_delete: How many are replaced at once.
        num_moves: Slice steps of each replacement; None for three a coordinate, at least ten.
        tolerance: It ends when the live points may hold no more than this part of the evidence.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl.inference.infer import infer
        >>> def coin():
        ...     bias = numpyro.sample("bias", dist.Beta(1.0, 1.0))
        ...     numpyro.sample("heads", dist.Binomial(10, bias), obs=7)
        >>> result = infer(Model(coin), Nested(), key=0)
        >>> abs(result.log_evidence + 2.398) < 4 * result.log_evidence_error  # -log 11
        True

    Source:
        Skilling (2006), doi:10.1214/06-BA127; Yallup, Kroupa & Handley (2026), arXiv:2601.23252: that of
        BlackJAX.
    """

    num_live: int = 500
    num_delete: int = 25
    num_moves: int | None = None
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        """Check the numbers."""
        at_least("num_live", self.num_live, 10)
        at_least("num_delete", self.num_delete, 1)
        if self.num_moves is not None:
            at_least("num_moves", self.num_moves, 1)
        if self.num_delete > self.num_live // 2:
            raise ValueError(
                f"Expected num_delete to be at most half of num_live; got {self.num_delete} of "
                f"{self.num_live}. Pass for instance num_delete={max(self.num_live // 20, 1)}."
            )
        if not 0 < self.tolerance < 1:
            raise ValueError(
                f"Expected tolerance between 0 and 1; got {self.tolerance!r}. Pass for instance "
                f"tolerance=0.01."
            )

    @property
    def instead(self) -> str:
        """What to do with a model whose points cannot move."""
        return (
            "Sum a discrete site out with Marginalized(NUTS()), observe it, or call ImportanceSampling(); "
            "give every site a proper prior."
        )

    def applicable(self, model: Model) -> str | None:
        """Return why points cannot be drawn from the prior, or not be moved, if so."""
        return obstacles.no_positions(model) or obstacles.no_prior_draws(model)

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Return weighted draws from the posterior of a model."""
        run = Run(key, self, model, options)
        with Precision.DOUBLE.active():
            arrays, tempering = model.arrays(Precision.DOUBLE), Tempering(model.bound[0], model.density)
            points = self._points(key, tempering, arrays, options)
            raw = log_weights(jax.random.fold_in(key, VOLUMES), NSInfo(points, None), SHRINKAGES)  # pyright: ignore[reportArgumentType]
            weights = np.asarray(raw)
            values = completed(model.density, arrays, key[None], np.asarray(points.position)[None])
        totals = log_sum_exp(weights, axis=0)
        mean = log_sum_exp(weights - totals, axis=1) - np.log(SHRINKAGES)
        mean = (mean - log_sum_exp(mean))[None]
        stats = {"lp": np.asarray(points.logdensity + points.loglikelihood)[None], LOG_WEIGHT: mean}
        recorded = {WEIGHTED_SIZE: effective_size(mean), NUM_WEIGHTED: mean.size}
        estimate = Evidence(float(totals.mean()), float(totals.std(ddof=1)))
        return warn(run.result(values, stats, evidence=estimate, attributes=recorded))

    def _points(self, key: Array, tempering: Tempering, arrays: Arrays, options: Options) -> Points:
        """Return all points, those that died first."""
        dim = tempering.density.layout.dim
        moves = max(10, 3 * dim) if self.num_moves is None else self.num_moves
        check_size(
            COPIES * self.num_live * dim,
            kind="live points",
            given=f"{self.num_live} of them",
            instead="Pass fewer num_live.",
        )
        state = _begin(tempering, self.num_live, arrays, key)
        check_start(
            tempering, np.asarray(state.particles.position), np.asarray(state.particles.loglikelihood)
        )
        dead: list[Points] = []
        left = 0.0
        with interruptible() as interruption, meter("nested sampling", wanted=options.progress) as report:
            for chunk in range(MOST_CHUNKS):
                left = float(state.integrator.logZ_live - np.logaddexp(*state.integrator[1:]))
                if left < np.log(self.tolerance):
                    break
                if interruption.requested:
                    raise KeyboardInterrupt(
                        f"Stopped with {100 * np.exp(left):.3g} per cent of the evidence in the live "
                        f"points: the draws do not represent the posterior yet."
                    )
                own = jax.random.fold_in(key, chunk)
                state, points = _climb(tempering, moves, self.num_delete, arrays, own, state)
                dead.append(jax.tree.map(np.asarray, points))
                report(1 - np.exp(left), f"log evidence {float(state.integrator.logZ):.4g}")
            else:
                raise ValueError(
                    f"Expected the live points to close in; got {np.exp(left):.3g} of the evidence still in "
                    f"them after {MOST_CHUNKS * CHUNK * self.num_delete} points. The likelihood may be "
                    f"unbounded: give scales a prior away from zero, or call NUTS()."
                )
        return jax.tree.map(lambda *parts: np.concatenate(parts), *dead, state.particles)


def _state(
    tempering: Tempering, arrays: Arrays, position: Array, loglikelihood_birth: Any = jnp.nan
) -> Points:
    start, ratio = tempering.parts(arrays, position)
    ratio = jnp.where(jnp.isnan(ratio) | ~jnp.isfinite(start), -jnp.inf, ratio)
    return Points(position, start, ratio, loglikelihood_birth * jnp.ones_like(ratio))


@functools.partial(jax.jit, static_argnames=("tempering", "num_live"))
def _begin(tempering: Tempering, num_live: int, arrays: Arrays, key: Array) -> Any:
    keys = jax.random.split(jax.random.fold_in(key, START), num_live)
    positions = jax.vmap(functools.partial(tempering.start, arrays))(keys)
    make = jax.vmap(functools.partial(_state, tempering, arrays))
    return init(positions, make, update_inner_kernel_params_fn=nss.live_covariance_factor, rng_key=key)


@functools.partial(jax.jit, static_argnames=("tempering", "moves", "num_delete"))
def _climb(
    tempering: Tempering, moves: int, num_delete: int, arrays: Arrays, key: Array, state: Any
) -> tuple[Any, Points]:
    """Replace points some times; return the state, and the points that died."""
    kernel = nss.build_kernel(functools.partial(_state, tempering, arrays), moves, num_delete)

    def once(state: Any, own: Array) -> tuple[Any, Points]:
        state, info = kernel(own, state)
        return state, info.particles

    state, points = jax.lax.scan(once, state, jax.random.split(key, CHUNK))
    return state, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), points)
