"""Bridge sampling: the evidence from draws of a posterior."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.errors import NotApplicable
from probdl.exact.programs.marginal_density import MarginalDensity
from probdl.inference.infer import infer
from probdl.inference.marginalized import Marginalized
from probdl.inference.mcmc.nuts import NUTS
from probdl.inference.method import Method
from probdl.inference.monte_carlo import obstacles
from probdl.inference.monte_carlo.positions import positions
from probdl.inference.monte_carlo.student import Student
from probdl.inference.monte_carlo.weights import Evidence, log_sum_exp
from probdl.inference.result import Result
from probdl.program.bound import Arrays
from probdl.program.datatree import check_equally_weighted, posterior_draws
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.target import Sampled

MOST_ROUNDS = 1000
TINY = 1e-10
BLOCK = 256
FEWEST_DRAWS = 10
PROPOSALS = 2**32 - 4


@dataclass(frozen=True)
class BridgeSampling:
    """Estimate the evidence from draws of the posterior, over a bridge to a normal distribution.

    The normal distribution is fitted to the first half of the draws, in unconstrained space; the second half,
    and as many draws of it, give the ratio of both normalising constants by the optimal bridge. Discrete
    sites, and others that `Marginalized` integrates, are integrated.

    Args:
        source: A result, or the method that draws one.

    Raises:
        TypeError: If it is neither.

    Example:
        >>> print(BridgeSampling(NUTS(num_samples=500)))
        BridgeSampling(source=NUTS(num_samples=500))

    Source:
        Meng & Wong (1996); Gronau et al. (2017), arXiv:1703.05984; its error: Frühwirth-Schnatter (2004).
    """

    source: Result | Method = field(default_factory=NUTS)

    def __post_init__(self) -> None:
        """Check the type."""
        if not isinstance(self.source, Result | Method):
            raise TypeError(
                f"Expected a Result or a method that draws one, such as NUTS(); got {self.source!r}. Pass "
                f"BridgeSampling(result)."
            )

    def __str__(self) -> str:
        """Return the name with what the draws come from."""
        return f"BridgeSampling(source={self.source})"

    def applicable(self, model: Model) -> str | None:
        """Return why the draws have no density over unconstrained positions, if so."""
        if _marginalized(self.source, model) is None:
            return obstacles.no_positions(model)
        return None

    def estimate(self, key: Array, model: Model, *, progress: bool | None = None) -> tuple[Evidence, Result]:
        """Return the log evidence, and the result that it comes from.

        Args:
            key: A JAX key.
            model: The model.
            progress: Whether to show a progress bar.

        Returns:
            The estimate.

        Raises:
            NotApplicable: If a latent can be neither moved nor integrated.
            ValueError: If the draws are too few, weighted, or those of another model.
        """
        if reason := self.applicable(model):
            raise NotApplicable("BridgeSampling", reason, "Give every site a proper prior, or call Exact().")
        source = self.source
        result = source if isinstance(source, Result) else infer(model, source, key=key, progress=progress)
        check_equally_weighted(result.data, "BridgeSampling")
        density = _density(source, model)
        with Precision.DOUBLE.active():
            arrays = model.arrays(Precision.DOUBLE)
            draws = _positions(result, model, density, arrays)
            return _bridge(jax.random.fold_in(key, PROPOSALS), density, arrays, draws), result


def _marginalized(source: Result | Method, model: Model) -> Marginalized | None:
    if isinstance(source, Marginalized):
        return source
    return Marginalized() if any(model.sites[name].is_discrete for name in model.latents) else None


def _density(source: Result | Method, model: Model) -> Sampled:
    method = _marginalized(source, model)
    if method is None:
        return model.density
    if reason := method.applicable(model):
        raise NotApplicable("BridgeSampling", reason, "Call Exact(), or ImportanceSampling().")
    found = method.found(model)
    if found.integral is None:
        return model.density
    return MarginalDensity(found.integral, found.layout)


def _positions(
    result: Result, model: Model, density: Sampled, arrays: Arrays
) -> Float[np.ndarray, "chain draw dim"]:
    values, (chains, draws) = posterior_draws(result.data, model.sites, None)
    missing = [name for name in model.latents if name not in values]
    if missing:
        raise ValueError(
            f"Expected draws of every latent site; got none of '{missing[0]}'. Pass a result of this model."
        )
    if draws < FEWEST_DRAWS:
        raise ValueError(
            f"Expected at least {FEWEST_DRAWS} draws of each chain; got {draws}. Raise num_samples."
        )
    scan_of = model.declarations.scan_of(model.latents)
    flat = positions(model.bound[0], density.layout, scan_of, arrays, values)
    if not np.isfinite(flat).all():
        bad = ~np.isfinite(flat).all(0)
        by_site = density.layout.unravel(bad)  # pyright: ignore[reportArgumentType]
        name = next(name for name, part in by_site.items() if np.any(part))
        raise ValueError(
            f"Expected draws inside the support of site '{name}'; got one on its border, to the digits of a "
            f"number. Use SMC() or ImportanceSampling()."
        )
    return flat.reshape(chains, draws, -1)


def _bridge(
    key: Array, density: Sampled, arrays: Arrays, draws: Float[np.ndarray, "chain draw dim"]
) -> Evidence:
    from arviz_stats.base.array import array_stats

    half = draws.shape[1] // 2
    dim = draws.shape[2]
    first, second = draws[:, :half].reshape(-1, dim), draws[:, half:]
    student = _fitted(first)
    count = second.shape[0] * second.shape[1]
    proposed = _draw(student, jax.random.split(key, count))
    posterior = second.reshape(-1, dim)
    ours, theirs = (
        _log_densities(density, arrays, x) - np.asarray(_log_normal(student, x))
        for x in (posterior, np.asarray(proposed))
    )
    with np.errstate(all="ignore"):
        size = float(np.median(array_stats.ess(second, chain_axis=0, draw_axis=1, method="mean")))
    size = min(size, count) if np.isfinite(size) else count
    shares = np.log([size / (size + count), count / (size + count)])
    value = float(np.median(ours))
    for _ in range(MOST_ROUNDS):
        top = theirs - np.logaddexp(shares[0] + theirs, shares[1] + value)
        bottom = -np.logaddexp(shares[0] + ours, shares[1] + value)
        new = float(log_sum_exp(top) - log_sum_exp(bottom))  # as many of both
        done, value = abs(new - value) < TINY * max(1.0, abs(new)), new
        if done:
            break
    top = np.exp(theirs - value - np.logaddexp(shares[0] + theirs - value, shares[1]))
    bottom = np.exp(-np.logaddexp(shares[0] + ours - value, shares[1])).reshape(second.shape[:2])
    with np.errstate(all="ignore"):
        effective = float(np.asarray(array_stats.ess(bottom, chain_axis=0, draw_axis=1, method="mean")))
    effective = min(effective, count) if np.isfinite(effective) else count
    variance = np.var(top) / np.mean(top) ** 2 / count
    variance += np.var(bottom) / np.mean(bottom) ** 2 / effective
    return Evidence(value, float(np.sqrt(variance)))


def _fitted(draws: Float[np.ndarray, "draw dim"]) -> Student:
    """Return the normal distribution of the mean and covariance of draws."""
    count, dim = draws.shape
    covariance = np.atleast_2d(np.cov(draws.T))
    kept = count / (count + dim)
    shrunk = kept * covariance + (1 - kept) * np.diag(np.diag(covariance)) + 1e-12 * np.eye(dim)
    scale = np.linalg.cholesky(shrunk)
    return Student(jnp.asarray(draws.mean(0)), jnp.asarray(scale), jnp.asarray(np.inf))


@jax.jit
def _draw(student: Student, keys: Array) -> Array:
    return jax.vmap(student.draw)(keys)


@jax.jit
def _log_normal(student: Student, positions: Array) -> Array:
    return jax.vmap(student.log_density)(positions)


def _log_densities(density: Sampled, arrays: Arrays, positions: np.ndarray) -> np.ndarray:
    parts = []
    for begin in range(0, len(positions), BLOCK):
        rows = np.minimum(np.arange(begin, begin + BLOCK), len(positions) - 1)
        block = np.asarray(_block(density, arrays, positions[rows]))
        parts.append(block[: len(positions) - begin])
    whole = np.concatenate(parts)
    return np.where(np.isnan(whole), -np.inf, whole)


@functools.partial(jax.jit, static_argnums=0)
def _block(density: Sampled, arrays: Arrays, positions: Array) -> Array:
    return jax.vmap(density.target(arrays).log_density)(positions)
