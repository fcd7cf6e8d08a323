"""How fast is EM beside scikit-learn, hmmlearn, dynamax, stepmix, and loops written by hand in JAX?

All begin at the same values and take the same number of steps, in double precision. Milliseconds a step
are of later runs, in which nothing is compiled, the median of five: the difference of a run of many steps and
one of few, so that what happens once does not count. "by hand" is the same step written in JAX for this model
alone. "x" says how many times longer the peer takes than probdl; "nats" is the difference of the final
log-likelihoods, relative. "first" are the seconds of a first fit, compilation included. dynamax compiles in
each fit, which hides its steps; scikit-learn's steps of factor analysis are others.

    uv pip install hmmlearn dynamax stepmix
    uv run python benchmarks/em.py                       # all
    uv run python benchmarks/em.py mixture --rows 10000
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, cast

os.environ["PROBDL_COMPILATION_CACHE"] = "off"

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import logsumexp
from numpyro.contrib.control_flow import scan
from numpyro.distributions import constraints

import probdl as pdl
from probdl.program.precision import Precision

FEW, MANY, REPEATS = 5, 35, 5
Fit = Callable[[int], float]


class Peer(NamedTuple):
    """Somebody who fits a model: from a number of steps to the log-likelihood."""

    name: str
    fit: Fit


def param(name: str, value: Any, constraint: Any = constraints.real) -> jax.Array:
    """Return a param, which is an array."""
    return cast(jax.Array, numpyro.param(name, jnp.asarray(value), constraint=constraint))


def gaussian_mixture(x: np.ndarray, first: np.ndarray) -> None:
    """A mixture of normal distributions, each of its own covariance."""
    count, dim = first.shape
    weights = param("weights", jnp.ones(count) / count, constraints.simplex)
    means = param("means", first)
    eyes = jnp.broadcast_to(jnp.eye(dim), (count, dim, dim))
    covariances = param("covariances", eyes, constraints.positive_definite)
    with numpyro.plate("row", len(x)):
        z = numpyro.sample("z", dist.CategoricalProbs(weights))
        numpyro.sample("x", dist.MultivariateNormal(means[z], covariances[z]), obs=x)


def diagonal_mixture(x: np.ndarray, first: np.ndarray) -> None:
    """A mixture of normal distributions whose coordinates are independent."""
    count = len(first)
    weights = param("weights", jnp.ones(count) / count, constraints.simplex)
    means = param("means", first)
    scales = param("scales", jnp.ones(first.shape), constraints.positive)
    with numpyro.plate("row", len(x)):
        z = numpyro.sample("z", dist.CategoricalProbs(weights))
        numpyro.sample("x", dist.Normal(means[z], scales[z]).to_event(1), obs=x)


def bernoulli_mixture(x: np.ndarray, first: np.ndarray) -> None:
    """A mixture of independent bits."""
    count = len(first)
    weights = param("weights", jnp.ones(count) / count, constraints.simplex)
    chances = param("chances", first, constraints.unit_interval)
    with numpyro.plate("row", len(x)):
        z = numpyro.sample("z", dist.CategoricalProbs(weights))
        numpyro.sample("x", dist.BernoulliProbs(chances[z]).to_event(1), obs=x)


def hidden_markov(y: np.ndarray, first: np.ndarray) -> None:
    """A chain of states, each with a normal distribution."""
    count = len(first)
    start = param("start", jnp.ones(count) / count, constraints.simplex)
    moves = param("moves", jnp.asarray(_moves(count)), constraints.simplex)
    means = param("means", first)
    scales = param("scales", jnp.ones(count), constraints.positive)
    z0 = numpyro.sample("z0", dist.CategoricalProbs(start))
    numpyro.sample("y0", dist.Normal(means[z0], scales[z0]), obs=y[0])

    def step(before: jax.Array, seen: jax.Array) -> tuple[jax.Array, None]:
        z = numpyro.sample("z", dist.CategoricalProbs(moves[before]))
        numpyro.sample("y", dist.Normal(means[z], scales[z]), obs=seen)
        return cast(jax.Array, z), None

    scan(step, z0, y[1:])


def factor_analysis(x: np.ndarray, first: np.ndarray) -> None:
    """Independent factors, and noise of its own for each column."""
    loadings = param("loadings", first)
    mean = param("mean", x.mean(0))
    noise = param("noise", jnp.ones(x.shape[1]), constraints.positive)
    with numpyro.plate("row", len(x)):
        z = numpyro.sample("z", dist.Normal(jnp.zeros(first.shape[1]), 1).to_event(1))
        numpyro.sample(
            "x", dist.Normal(mean + jnp.asarray(z) @ loadings.T, jnp.sqrt(noise)).to_event(1), obs=x
        )


def _moves(count: int) -> np.ndarray:
    return 0.5 * np.eye(count) + 0.5 / count


def by_probdl(program: Callable[..., None], *data: np.ndarray) -> Fit:
    """Fit by `EM`."""
    model = pdl.Model(program, *data)

    def fit(steps: int) -> float:
        method = pdl.EM(max_steps=steps, tolerance=1e-300)
        return float(np.asarray(pdl.infer(model, method, key=0, progress=False).objective)[-1])

    return fit


def by_hand(step: Callable[..., tuple[Any, jax.Array]], start: Any, *data: np.ndarray) -> Fit:
    """Fit by a step that is written for the model."""
    with Precision.DOUBLE.active():
        compiled = jax.jit(step)
        arrays = [jnp.asarray(x) for x in data]
        begin = jax.tree.map(jnp.asarray, start)

    def fit(steps: int) -> float:
        with Precision.DOUBLE.active():
            now, found = begin, jnp.zeros(())
            for _ in range(steps):
                now, _ = compiled(now, *arrays)
            _, found = compiled(now, *arrays)
            return float(found)

    return fit


def hand_gaussian(now: Any, x: jax.Array) -> tuple[Any, jax.Array]:
    """A step for a mixture of normal distributions: two matrix products of statistics."""
    weights, means, covariances = now
    dim = x.shape[1]
    rows, columns = np.triu_indices(dim)
    statistics = jnp.concatenate([x, x[:, rows] * x[:, columns], jnp.ones((len(x), 1))], 1)
    factor = jnp.linalg.cholesky(covariances)
    precision = jnp.linalg.inv(covariances)
    shift = jnp.einsum("kij,kj->ki", precision, means)
    both = precision[:, rows, columns] * np.where(rows == columns, -0.5, -1.0)
    constant = -0.5 * (shift * means).sum(1) - jnp.log(jnp.diagonal(factor, axis1=1, axis2=2)).sum(1)
    constant = constant - dim / 2 * np.log(2 * np.pi) + jnp.log(weights)
    logs = statistics @ jnp.concatenate([shift, both, constant[:, None]], 1).T
    evidence = logsumexp(logs, 1)
    sums = jnp.exp(logs - evidence[:, None]).T @ statistics
    count = sums[:, -1]
    after = sums[:, :dim] / count[:, None]
    second = jnp.zeros(covariances.shape).at[:, rows, columns].set(sums[:, dim:-1] / count[:, None])
    second = second.at[:, columns, rows].set(sums[:, dim:-1] / count[:, None])
    return (count / len(x), after, second - after[:, :, None] * after[:, None, :]), evidence.sum()


def hand_diagonal(now: Any, x: jax.Array) -> tuple[Any, jax.Array]:
    """A step for a mixture of normal distributions with independent coordinates."""
    weights, means, scales = now
    precision, square = 1 / scales**2, x**2
    constant = -0.5 * (means**2 * precision).sum(1) - jnp.log(scales).sum(1) + jnp.log(weights)
    logs = x @ (means * precision).T - 0.5 * square @ precision.T
    logs = logs + constant - x.shape[1] / 2 * np.log(2 * np.pi)
    evidence = logsumexp(logs, 1)
    shares = jnp.exp(logs - evidence[:, None]).T
    count = shares.sum(1)
    after = shares @ x / count[:, None]
    return (count / len(x), after, jnp.sqrt(shares @ square / count[:, None] - after**2)), evidence.sum()


def hand_bernoulli(now: Any, x: jax.Array) -> tuple[Any, jax.Array]:
    """A step for a mixture of bits."""
    weights, chances = now
    off = jnp.log1p(-chances)
    logs = x @ (jnp.log(chances) - off).T + off.sum(1) + jnp.log(weights)
    evidence = logsumexp(logs, 1)
    shares = jnp.exp(logs - evidence[:, None]).T
    count = shares.sum(1)
    return (count / len(x), jnp.clip(shares @ x / count[:, None], 1e-300, 1 - 1e-16)), evidence.sum()


def by_sklearn_mixture(x: np.ndarray, first: np.ndarray, kind: str) -> Fit:
    """Fit by scikit-learn."""
    from sklearn.mixture import GaussianMixture

    eyes = np.broadcast_to(np.eye(first.shape[1]), (len(first), first.shape[1], first.shape[1]))

    def fit(steps: int) -> float:
        found = GaussianMixture(
            len(first),
            covariance_type=kind,  # pyright: ignore[reportArgumentType]
            means_init=first,
            weights_init=np.ones(len(first)) / len(first),
            precisions_init=eyes if kind == "full" else np.ones(first.shape),
            reg_covar=0,
            tol=0,
            max_iter=steps,
        ).fit(x)
        return float(found.score(x) * len(x))

    return fit


def by_stepmix(x: np.ndarray, first: np.ndarray) -> Fit:
    """Fit by stepmix, which begins at random: its log-likelihood is not compared."""
    from stepmix.stepmix import StepMix  # pyright: ignore[reportMissingImports]

    def fit(steps: int) -> float:
        StepMix(
            len(first),
            measurement="binary",
            max_iter=steps,
            abs_tol=0,
            rel_tol=0,
            random_state=0,
            progress_bar=0,
        ).fit(x)
        return np.nan

    return fit


def by_hmmlearn(y: np.ndarray, first: np.ndarray) -> Fit:
    """Fit by hmmlearn."""
    from hmmlearn.hmm import GaussianHMM  # pyright: ignore[reportMissingImports]

    def fit(steps: int) -> float:
        found = GaussianHMM(
            len(first),
            "diag",
            n_iter=steps,
            tol=-np.inf,
            init_params="",
            min_covar=0,
            covars_prior=0,
            covars_weight=0,
        )
        found.startprob_ = np.ones(len(first)) / len(first)
        found.transmat_ = _moves(len(first))
        found.means_, found.covars_ = first[:, None].copy(), np.ones((len(first), 1))
        return float(found.fit(y[:, None]).score(y[:, None]))

    return fit


def by_dynamax(y: np.ndarray, first: np.ndarray) -> Fit:
    """Fit by dynamax, which compiles each time: a few steps are timed together with that."""
    from dynamax.hidden_markov_model import DiagonalGaussianHMM  # pyright: ignore[reportMissingImports]

    count = len(first)

    def fit(steps: int) -> float:
        with Precision.DOUBLE.active():
            hmm = DiagonalGaussianHMM(count, 1, emission_prior_concentration=1.0, emission_prior_scale=1e-12)
            params, props = hmm.initialize(
                jax.random.key(0),
                initial_probs=jnp.ones(count) / count,
                transition_matrix=jnp.asarray(_moves(count)),
                emission_means=jnp.asarray(first[:, None]),
                emission_scale_diags=jnp.ones((count, 1)),
            )
            hmm.fit_em(params, props, jnp.asarray(y)[:, None], num_iters=steps, verbose=False)
        return np.nan

    return fit


def by_sklearn_factors(x: np.ndarray, first: np.ndarray) -> Fit:
    """Fit by scikit-learn, whose steps are others: it maximises by the loadings in each."""
    from sklearn.decomposition import FactorAnalysis

    def fit(steps: int) -> float:
        found = FactorAnalysis(first.shape[1], max_iter=steps, tol=0, svd_method="lapack").fit(x)
        return float(found.score(x) * len(x))

    return fit


def cases(rows: int | None) -> dict[str, list[Peer]]:
    """Return who fits each model, by its name."""
    rng = np.random.default_rng(0)
    found: dict[str, list[Peer]] = {}
    for n, d, k in ((10_000, 2, 3), (10_000, 16, 16), (100_000, 16, 16), (10_000, 64, 64), (1_000_000, 2, 3)):
        n = rows or n
        centres = 3 * rng.normal(size=(k, d))
        x = centres[rng.integers(0, k, n)] + rng.normal(size=(n, d))
        first, weights = x[:k].copy(), np.ones(k) / k
        eyes = np.broadcast_to(np.eye(d), (k, d, d))
        found[f"mixture {n} x {d}, {k}"] = [
            Peer("probdl", by_probdl(gaussian_mixture, x, first)),
            Peer("by hand", by_hand(hand_gaussian, (weights, first, eyes), x)),
            Peer("scikit-learn", by_sklearn_mixture(x, first, "full")),
        ]
        found[f"diagonal {n} x {d}, {k}"] = [
            Peer("probdl", by_probdl(diagonal_mixture, x, first)),
            Peer("by hand", by_hand(hand_diagonal, (weights, first, np.ones((k, d))), x)),
            Peer("scikit-learn", by_sklearn_mixture(x, first, "diag")),
        ]
    from sklearn.datasets import load_digits

    bits = np.asarray(np.asarray(load_digits(return_X_y=True)[0]) > 7, float)
    chances = rng.uniform(0.3, 0.7, (10, 64))
    found["digits 1797 x 64, 10"] = [
        Peer("probdl", by_probdl(bernoulli_mixture, bits, chances)),
        Peer("by hand", by_hand(hand_bernoulli, (np.ones(10) / 10, chances), bits)),
        Peer("stepmix", by_stepmix(bits, chances)),
    ]
    for n, k in ((1000, 4), (10_000, 16), (100_000, 16), (10_000, 64)):
        n = rows or n
        levels = np.linspace(-2 * k, 2 * k, k)
        z = np.cumsum(rng.integers(-1, 2, n)) % k
        y = levels[z] + rng.normal(size=n)
        found[f"chain {n}, {k}"] = [
            Peer("probdl", by_probdl(hidden_markov, y, levels + 0.3)),
            Peer("hmmlearn", by_hmmlearn(y, levels + 0.3)),
            Peer("dynamax", by_dynamax(y, levels + 0.3)),
        ]
    for n, d, k in ((10_000, 64, 5), (10_000, 256, 10), (5000, 1024, 10)):
        n = rows or n
        x = rng.normal(size=(n, k)) @ rng.normal(size=(k, d)) + rng.normal(size=(n, d)) * rng.uniform(
            0.5, 2, d
        )
        first = rng.normal(size=(d, k)) / np.sqrt(k)
        found[f"factors {n} x {d}, {k}"] = [
            Peer("probdl", by_probdl(factor_analysis, x, first)),
            Peer("scikit-learn", by_sklearn_factors(x, first)),
        ]
    return found


def timed(fit: Fit) -> tuple[float, float, float]:
    """Return the seconds of a first fit, milliseconds a step, and the last log-likelihood."""
    began = time.perf_counter()
    fit(MANY)
    first = time.perf_counter() - began
    fit(FEW)
    spans, found = [], np.nan
    for _ in range(REPEATS):
        marks = [time.perf_counter()]
        for steps in (FEW, MANY):
            found = fit(steps)
            marks.append(time.perf_counter())
        few, many = np.diff(marks)
        spans.append((many - few) / (MANY - FEW))
    return first, 1e3 * float(np.median(spans)), found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("only", nargs="*", help="first words of the names of models")
    parser.add_argument("--rows", type=int)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'model':<28}{'who':<14}{'first s':>8}{'ms a step':>11}{'x':>8}{'nats':>10}")
    for name, peers in cases(given.rows).items():
        if given.only and name.split()[0] not in given.only:
            continue
        own = likelihood = np.nan
        for peer in peers:
            first, step, found = timed(peer.fit)
            own, likelihood = (step, found) if peer.name == "probdl" else (own, likelihood)
            print(
                f"{name:<28}{peer.name:<14}{first:8.2f}{step:11.3f}{step / own:8.2f}"
                f"{abs(found - likelihood) / abs(likelihood):10.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
