"""Particle filters for programs whose latents are in a scan."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float

from probdl.errors import NotApplicable
from probdl.inference.memory import check_size
from probdl.inference.method import Method, Options, at_least
from probdl.inference.monte_carlo.outcome import Run, check_some_possible, warn
from probdl.inference.monte_carlo.scans import Filterable, filterable
from probdl.inference.monte_carlo.weights import pooled
from probdl.inference.result import Result
from probdl.inference.start import chain_keys
from probdl.program.bound import Arrays, BoundProgram
from probdl.program.datatree import site_dims, tree
from probdl.program.filtering import run_filter
from probdl.program.handlers import Fix
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.smoothing import smooth
from probdl.program.states import finite_range
from probdl.program.target import latent_values, log_probs, total

if TYPE_CHECKING:
    import xarray as xr

TRACING, REST = 2**32 - 2, 2**32 - 3
MEAN, SD, PROBABILITY, STEPS = "filtered_mean", "filtered_sd", "filtered_probability", "filter_stats"


@dataclass(frozen=True, kw_only=True)
class ParticleFilter(Method):
    """Take particles through the steps of a scan, weighed by what is observed at each.

    A bootstrap filter: particles move as the program says, and are resampled where weights have become
    unequal. Its estimate of the evidence has no bias. The draws are trajectories: backwards from the last
    step, each state is drawn from all particles given the one after it. Where the scan carries more than the
    latents of the last step, ancestors are traced instead: of early steps few different ones may be left,
    which the effective sample sizes say.
    `data` has the groups `filtered_mean` and `filtered_sd`, of discrete sites `filtered_probability` (given
    the observations up to each step), and `filter_stats`: log-probability of the observations of each step
    given those before it in nats, and the effective number of particles.

    Args:
        num_samples: Trajectories drawn from each filter; the cost is their number times that of particles.
        num_particles: Particles of each filter.
        num_chains: Number of independent filters; their spread tells the error.
        least_ess: Particles are resampled when the part that is effective falls below it, in (0, 1].

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from numpyro.contrib.control_flow import scan
        >>> from probdl.inference.infer import infer
        >>> def walk(y):
        ...     def step(x, y_t):
        ...         x = numpyro.sample("x", dist.Normal(x, 1.0))
        ...         numpyro.sample("y", dist.Normal(x, 1.0), obs=y_t)
        ...         return x, None
        ...     scan(step, 0.0, y)
        >>> result = infer(Model(walk, np.array([1.0, 0.5, 1.5])), ParticleFilter(), key=0)
        >>> print(f"{result.log_evidence:.1f}")  # -4.48 by a Kalman filter
        -4.5

    Source:
        Gordon, Salmond & Smith (1993); Godsill, Doucet & West (2004); Chopin & Papaspiliopoulos (2020),
        chapters 10 and 12.
    """

    num_samples: int = 250
    num_particles: int = 2000
    num_chains: int = 4
    least_ess: float = 0.5

    def __post_init__(self) -> None:
        """Check the numbers."""
        at_least("num_samples", self.num_samples, 1)
        at_least("num_particles", self.num_particles, 2)
        at_least("num_chains", self.num_chains, 1)
        if not 0 < self.least_ess <= 1:
            raise ValueError(
                f"Expected least_ess between 0 and 1; got {self.least_ess!r}. Pass for instance "
                f"least_ess=0.5."
            )

    @property
    def instead(self) -> str:
        """What to do with a model that is no state-space model with known parameters."""
        return "Call infer(model, key=0), which integrates chains where it can, SMC() or NUTS()."

    def applicable(self, model: Model) -> str | None:
        """Return what of a model a filter cannot treat, if something."""
        found = filterable(model)
        return found if isinstance(found, str) else None

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Draw trajectories from the posterior of a model."""
        run = Run(key, self, model, options)
        found = filterable(model)
        if isinstance(found, str):
            raise NotApplicable(type(self).__name__, found, self.instead)
        check_size(
            self.num_chains
            * self.num_particles
            * sum(math.prod(model.sites[n].shape) for n in model.latents),
            kind="particles",
            given=f"{self.num_chains} filters of {self.num_particles}",
            instead="Pass fewer num_particles or num_chains.",
        )
        with Precision.DOUBLE.active():
            arrays, chains = model.arrays(Precision.DOUBLE), chain_keys(key, self.num_chains)
            static = FilterProgram(
                model.bound[0],
                found.before,
                found.scanned,
                model.declarations.scan_of(model.latents),
                self.num_samples,
                self.num_particles,
                self.least_ess,
                found.is_markov,
                _states(model, found),
            )
            filtered = jax.tree.map(np.asarray, _filter(static, arrays, chains))
        _check(found, filtered)
        parts = filtered.log_means[:, -1]
        errors = np.sqrt(np.sum(filtered.spreads, 1) / self.num_particles)
        return warn(
            run.result(
                filtered.values,
                {"lp": filtered.lp},
                evidence=pooled(parts, errors),
                groups=_groups(model, found.scan, filtered),
                attributes={"smoothing": "backward" if found.is_markov else "ancestors"},
            )
        )


class Filters(NamedTuple):
    """What filters give; chains first.

    Attributes:
        values: Trajectories, with all other sites: (chain, draw, ...).
        lp: Log joint density of each, in nats.
        log_means: Log-probability of the observations up to each step: (chain, step).
        sizes: Effective number of particles at each step.
        spreads: By how much each step adds to the variance of the log evidence, times the particles.
        mean: Means of the scanned latents given the observations up to each step; of the probabilities of
            their states, where they are discrete.
        sd: Standard deviations of the continuous ones.
    """

    values: dict[str, Array]
    lp: Float[Array, "chain draw"]
    log_means: Float[Array, "chain step"]
    sizes: Float[Array, "chain step"]
    spreads: Float[Array, "chain step"]
    mean: dict[str, Array]
    sd: dict[str, Array]


@dataclass(frozen=True)
class FilterProgram:
    """What a filter is compiled for.

    Attributes:
        bound: The program.
        before: The latents that the scan starts from.
        scanned: The latents in it.
        scan_of: The scan of each latent that is in one.
        num_samples: How many trajectories are drawn.
        num_particles: How many particles there are.
        least_ess: The part of them below which they are resampled.
        backward: Whether states are drawn anew backwards.
        states: The lowest state, and how many there are, of those in the scan with finitely many.
    """

    bound: BoundProgram
    before: tuple[str, ...]
    scanned: tuple[str, ...]
    scan_of: tuple[tuple[str, str], ...]
    num_samples: int
    num_particles: int
    least_ess: float
    backward: bool
    states: tuple[tuple[str, int, int], ...]


@functools.partial(jax.jit, static_argnums=0)
def _filter(static: FilterProgram, arrays: Arrays, chains: Array) -> Filters:
    return jax.vmap(functools.partial(_one, static, arrays))(chains)


def _one(static: FilterProgram, arrays: Arrays, chain: Array) -> Filters:
    count = static.num_particles
    least = static.least_ess * count
    filtered = run_filter(static.bound, static.before, static.scanned, count, least, arrays, chain)
    tracing = jax.random.fold_in(chain, TRACING)
    found = smooth(static.bound, filtered, static.num_samples, arrays, tracing, backward=static.backward)
    held = {**found.before, **found.scanned}

    def complete(own: dict[str, Array], key: Array) -> tuple[dict[str, Array], Array]:
        trace = static.bound.trace(arrays, Fix(None, own, dict(static.scan_of)), key)
        return latent_values(trace), total(log_probs(trace, trusted=True), jnp.result_type(float))

    keys = jax.random.split(jax.random.fold_in(chain, REST), static.num_samples)
    values, lp = jax.vmap(complete)(held, keys)
    log_weights = filtered.log_weights[:, 1:]
    weights = jax.nn.softmax(log_weights, axis=0)
    log_means = logsumexp(log_weights, axis=0) - jnp.log(count)
    log_means = log_means.at[-1].set(found.log_evidence)
    sizes = 1 / jnp.sum(weights**2, axis=0)
    resampled = jnp.concatenate([sizes[:-1] < least, jnp.ones(1, bool)])
    spreads = jnp.where(resampled, count / sizes - 1, 0.0)

    def mean_of(value: Array) -> Array:
        return jnp.einsum("ps,ps...->s...", weights, value.astype(float))

    mean, sd = {}, {}
    states = {name: low + jnp.arange(number) for name, low, number in static.states}
    for name, value in filtered.scanned.items():
        mean[name] = mean_of(value[..., None] == states[name] if name in states else value)
        if name not in states:
            sd[name] = jnp.sqrt(mean_of((value - mean[name]) ** 2))
    return Filters(values, lp, log_means, sizes, spreads, mean, sd)


def _check(found: Filterable, filtered: Filters) -> None:
    """Check that the data were possible at each step for some particle.

    Raises:
        ValueError: If not; the message names the step.
    """
    bad = ~np.isfinite(filtered.log_means).any(0)
    if bad.any():
        step = int(np.argmax(bad))
        raise ValueError(
            f"Expected particles for which the observations are possible at each step of '{found.scan}'; got "
            f"none at step {step}. Correct the data there, or raise num_particles."
        )
    check_some_possible(np.asarray(filtered.log_means[:, -1]))


def _states(model: Model, found: Filterable) -> tuple[tuple[str, int, int], ...]:
    ranges = {name: finite_range(model.sites[name]) for name in found.scanned}
    return tuple((name, values.start, len(values)) for name, values in ranges.items() if values is not None)


def _groups(model: Model, scan: str, filtered: Filters) -> xr.DataTree:
    """Return the groups of what is known at each step."""
    import xarray as xr

    steps = {"log_prob": np.diff(filtered.log_means, axis=1, prepend=0.0), "ess": filtered.sizes}
    probable = {name: value for name, value in filtered.mean.items() if name not in filtered.sd}
    means = {name: value for name, value in filtered.mean.items() if name in filtered.sd}
    dims = {}
    for name in probable:
        own, _ = site_dims(model.sites[name], model.sites)
        dims[name] = [*own, f"{name}_state"]
    parts = [
        tree({MEAN: means, SD: filtered.sd} if means else {}, model.sites, ("chain",)),
        tree({PROBABILITY: probable} if probable else {}, {}, ("chain",), dims),
        tree({STEPS: steps}, {}, ("chain",), dict.fromkeys(steps, [scan])),
    ]
    return xr.DataTree.from_dict(
        {node.path: node.to_dataset(inherit=False) for part in parts for node in part.subtree}
    )
