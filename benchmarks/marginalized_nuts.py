"""How many effective draws a second does inference by the plan give, beside NumPyro and nutpie?

Five models as users write them. Ours follows `plan(model)`: it integrates what it can, samples the rest,
and draws the integrated latents back. NumPyro gets a mixture and a hidden Markov model with the discrete
latents summed out by hand; it samples all that is continuous, with a diagonal mass matrix and a dense one.
4 vectorised chains of 500 + 500 steps, float64, no compilation cache on disk. The number is the
smallest bulk ESS, of all elements of the sites that both have, by process time: of a first run, compilation
included, and of a second with other data of the same shape. The ratio is ours to the best of NumPyro's. A run
whose largest R-hat is above 1.05 is marked with *: its ESS means little.

    uv run python benchmarks/marginalized_nuts.py            # nutpie and PyMC are asked if they are installed
    uv run python benchmarks/marginalized_nuts.py schools    # only models of this name
"""

from __future__ import annotations

import functools
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

os.environ["PROBDL_COMPILATION_CACHE"] = "off"

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from arviz_stats.base.array import array_stats
from numpyro.contrib.control_flow import scan
from numpyro.infer import MCMC
from numpyro.infer import NUTS as PeerNUTS

import probdl as pdl

WARMUP, SAMPLES, CHAINS = 500, 500, 4
HIGHEST_RHAT = 1.05
SIGMA = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])


def schools(sigma: np.ndarray, y: np.ndarray) -> None:
    """Eight schools, centred."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def radon(group: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """A regression with an intercept and a slope of each of 85 groups."""
    mean: Any = numpyro.sample("mean", dist.Normal(0, 2).expand([2]).to_event(1))
    spread: Any = numpyro.sample("spread", dist.HalfNormal(1).expand([2]).to_event(1))
    noise = numpyro.sample("noise", dist.HalfNormal(1))
    with numpyro.plate("group", 85):
        a: Any = numpyro.sample("a", dist.Normal(mean[0], spread[0]))
        b: Any = numpyro.sample("b", dist.Normal(mean[1], spread[1]))
    with numpyro.plate("n", len(y)):
        numpyro.sample("y", dist.Normal(a[group] + b[group] * x, noise), obs=y)


def mixture(y: np.ndarray) -> None:
    """A mixture of two Gaussians of which nothing is known, labelled by a positive gap."""
    weight, low, gap, scale = _mixture_parameters()
    with numpyro.plate("n", len(y)):
        z = numpyro.sample("z", dist.Bernoulli(weight))
        numpyro.sample("y", dist.Normal(low + gap * z, scale[z]), obs=y)


def mixture_by_hand(y: np.ndarray) -> None:
    """The same with the labels summed out."""
    weight, low, gap, scale = _mixture_parameters()
    parts: Any = dist.Normal(jnp.stack([low, low + gap]), scale)
    with numpyro.plate("n", len(y)):
        mixing: Any = dist.Categorical(probs=jnp.stack([1 - weight, weight]))
        whole: Any = dist.MixtureSameFamily(mixing, parts)
        numpyro.sample("y", whole, obs=y)


def _mixture_parameters() -> tuple[Any, ...]:
    weight = numpyro.sample("weight", dist.Beta(2, 2))
    low = numpyro.sample("low", dist.Normal(0, 5))
    gap = numpyro.sample("gap", dist.HalfNormal(5))
    return weight, low, gap, numpyro.sample("scale", dist.HalfNormal(2).expand([2]).to_event(1))


def markov(y: np.ndarray) -> None:
    """A hidden Markov model of three states with unknown transitions and means."""
    rows, means, noise = _markov_parameters()

    def step(z: Any, y_t: Any) -> tuple[Any, None]:
        move: Any = dist.Categorical(rows[z])
        z = numpyro.sample("z", move)
        numpyro.sample("y", dist.Normal(means[z], noise), obs=y_t)
        return z, None

    scan(step, 0, y)


def markov_by_hand(y: np.ndarray) -> None:
    """The same by the forward algorithm."""
    rows, means, noise = _markov_parameters()
    log_likelihood = dist.Normal(means, noise).log_prob(y[:, None])
    log_rows = jnp.log(rows)

    def step(alpha: Any, term: Any) -> tuple[Any, None]:
        return jax.nn.logsumexp(alpha[:, None] + log_rows, axis=0) + term, None

    alpha, _ = jax.lax.scan(step, log_rows[0] + log_likelihood[0], log_likelihood[1:])
    numpyro.factor("evidence", jax.nn.logsumexp(alpha))


def _markov_parameters() -> tuple[Any, Any, Any]:
    rows = numpyro.sample("rows", dist.Dirichlet(1 + 4 * jnp.eye(3)).to_event(1))
    first = numpyro.sample("first", dist.Normal(-3, 2))
    gaps = numpyro.sample("gaps", dist.Gamma(4, 2).expand([2]).to_event(1))
    noise = numpyro.sample("noise", dist.HalfNormal(1))
    return rows, first + jnp.concatenate([jnp.zeros(1), jnp.cumsum(gaps)]), noise


def ppca(y: np.ndarray) -> None:
    """Probabilistic PCA: two scores a datum; the loadings below a triangle tell the axes apart."""
    size = y.shape[1]
    diagonal = numpyro.sample("diagonal", dist.HalfNormal(2).expand([2]).to_event(1))
    below = numpyro.sample("below", dist.Normal(0, 1).expand([2 * size - 3]).to_event(1))
    rows, columns = np.tril_indices(size, -1, 2)
    loadings = jnp.zeros((size, 2)).at[np.arange(2), np.arange(2)].set(diagonal).at[rows, columns].set(below)
    noise = numpyro.sample("noise", dist.HalfNormal(1))
    with numpyro.plate("n", len(y)):
        z = numpyro.sample("z", dist.Normal(0, 1).expand([2]).to_event(1))
        numpyro.sample("y", dist.Normal(z @ loadings.T, noise).to_event(1), obs=y)


@dataclass(frozen=True)
class Case:
    """A model.

    Attributes:
        program: As a user writes it.
        by_hand: As NumPyro needs it.
        data: Its arguments; the last one is observed.
        sites: The sites whose ESS counts.
    """

    program: Callable
    by_hand: Callable
    data: tuple[np.ndarray, ...]
    sites: tuple[str, ...]

    def shifted(self, number: int) -> tuple[np.ndarray, ...]:
        """Return other data of the same shape."""
        return *self.data[:-1], self.data[-1] + 0.01 * number


def cases() -> dict[str, Case]:
    """Return the models with simulated data."""
    r = np.random.default_rng(3)
    group = np.repeat(np.arange(85), r.poisson(9, 85) + 1)
    x = r.normal(size=len(group))
    slopes, levels = r.normal(-0.6, 0.2, 85), r.normal(1.5, 0.4, 85)
    log_radon = levels[group] + slopes[group] * x + r.normal(0, 0.7, len(group))
    blend = np.where(r.random(200) < 0.35, r.normal(-1, 0.8, 200), r.normal(2, 1.1, 200))
    path = [0]
    for _ in range(199):
        path.append(path[-1] if r.random() < 0.85 else int(r.integers(3)))
    noisy = np.array([-3.0, -1.0, 1.5])[path] + r.normal(0, 0.8, 200)
    loadings = np.array([[1.5, 0.0], [0.8, 1.2], [-0.6, 0.9], [1.1, -0.7], [0.3, 1.0]])  # of one mode
    scores = r.normal(size=(100, 2)) @ loadings.T + r.normal(0, 0.5, (100, 5))
    return {
        "schools, centred": Case(schools, schools, (SIGMA, Y), ("mu", "tau", "theta")),
        "radon, 85 groups": Case(radon, radon, (group, x, log_radon), ("mean", "spread", "noise", "a", "b")),
        "mixture, n = 200": Case(mixture, mixture_by_hand, (blend,), ("weight", "low", "gap", "scale")),
        "markov, T = 200": Case(markov, markov_by_hand, (noisy,), ("rows", "first", "gaps", "noise")),
        "ppca, 100 x 5": Case(ppca, ppca, (scores,), ("diagonal", "below", "noise", "z")),
    }


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Attributes:
        seconds: Process time.
        ess: Smallest bulk ESS.
        rhat: Largest R-hat.
    """

    seconds: float
    ess: float
    rhat: float

    @property
    def rate(self) -> float:
        """Effective draws a second."""
        return self.ess / self.seconds


def measured(draw: Callable[[], Mapping[str, Any]], sites: tuple[str, ...]) -> Run:
    """Run once, and look at the draws (chain, draw, ...) of some sites."""
    began = time.process_time()
    found = draw()
    seconds = time.process_time() - began
    ess, rhat = [], []
    for name in sites:
        values = np.asarray(found[name], float)
        flat = values.reshape(*values.shape[:2], -1)
        for i in range(flat.shape[2]):
            if np.ptp(flat[..., i]) > 0:
                ess.append(array_stats.ess(flat[..., i], chain_axis=0, draw_axis=1, method="bulk"))
                rhat.append(array_stats.rhat(flat[..., i], chain_axis=0, draw_axis=1))
    return Run(seconds, float(min(ess)), float(max(rhat)))


def ours(case: Case) -> list[Run]:
    """Follow the plan; the search for what can be integrated is timed too."""
    inner = pdl.NUTS(num_warmup=WARMUP, num_samples=SAMPLES, num_chains=CHAINS)

    def draw(number: int) -> Mapping[str, Any]:
        model = pdl.Model(case.program, *case.shifted(number))
        method = pdl.plan(model).method
        if not isinstance(method, pdl.Marginalized):
            raise ValueError(f"Expected a plan that integrates and samples; got {method}. Change the model.")
        result = pdl.infer(model, pdl.Marginalized(inner), key=number, progress=False)
        return {name: result[name].to_numpy() for name in case.sites}

    return [measured(lambda k=k: draw(k), case.sites) for k in range(2)]


def numpyro_runs(case: Case, *, dense_mass: bool) -> list[Run]:
    """Ask NumPyro; a second run is of its own MCMC, as a user with other data has it."""

    def draw(number: int) -> Mapping[str, Any]:
        kernel = PeerNUTS(case.by_hand, dense_mass=dense_mass)
        mcmc = MCMC(
            kernel,
            num_warmup=WARMUP,
            num_samples=SAMPLES,
            num_chains=CHAINS,
            chain_method="vectorized",
            progress_bar=False,
        )
        mcmc.run(jax.random.key(number), *case.shifted(number))
        return jax.block_until_ready(mcmc.get_samples(group_by_chain=True))

    with pdl.Precision.DOUBLE.active():
        return [measured(lambda k=k: draw(k), case.sites) for k in range(2)]


def nutpie_runs(case: Case) -> list[Run] | None:
    """Ask nutpie with PyMC, where both are installed, about the eight schools and the regression."""
    try:
        import nutpie  # pyright: ignore[reportMissingImports]
        import pymc as pm  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None

    def build(number: int) -> Any:
        data = case.shifted(number)
        with pm.Model() as model:
            if case.program is schools:
                mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
                theta = pm.Normal("theta", mu, tau, shape=8)
                pm.Normal("y", theta, data[0], observed=data[1])
            else:
                group, x, y = data
                mean, spread = pm.Normal("mean", 0, 2, shape=2), pm.HalfNormal("spread", 1, shape=2)
                noise = pm.HalfNormal("noise", 1)
                a = pm.Normal("a", mean[0], spread[0], shape=85)
                b = pm.Normal("b", mean[1], spread[1], shape=85)
                pm.Normal("y", a[group] + b[group] * x, noise, observed=y)
        return model

    def draw(number: int) -> Mapping[str, Any]:
        compiled = nutpie.compile_pymc_model(build(number))
        lengths = {"tune": WARMUP, "draws": SAMPLES, "chains": CHAINS}
        return nutpie.sample(compiled, **lengths, cores=1, progress_bar=False, seed=number).posterior

    if case.program not in (schools, radon):
        return None
    return [measured(lambda k=k: draw(k), case.sites) for k in range(2)]


def main() -> None:
    """Print a table: process seconds and effective draws a second, of a first and a second run."""
    warnings.simplefilter("ignore")
    print(f"{'':<20}{'':<16}{'first':>26}{'second':>28}")
    columns = f"{'s':>8}{'min ESS':>9}{'ESS/s':>9}"
    print(f"{'model':<20}{'by':<16}{columns}  {columns}{'R-hat':>8}")
    for name, case in cases().items():
        if not all(word in name for word in sys.argv[1:]):
            continue
        asked = {
            "probdl": ours,
            "NumPyro": functools.partial(numpyro_runs, dense_mass=False),
            "NumPyro dense": functools.partial(numpyro_runs, dense_mass=True),
            "nutpie": nutpie_runs,
        }
        rows = {}
        for by, runs in asked.items():
            if (found := runs(case)) is None:
                continue
            rows[by] = found
            cells = "  ".join(f"{r.seconds:8.2f}{r.ess:9.0f}{r.rate:9.1f}" for r in found)
            rhat = max(run.rhat for run in found)
            print(f"{name:<20}{by:<16}{cells}{rhat:8.2f}{'*' if rhat > HIGHEST_RHAT else ''}", flush=True)
        peers = ("NumPyro", "NumPyro dense")
        ratios = [rows["probdl"][i].rate / max(rows[peer][i].rate for peer in peers) for i in range(2)]
        print(f"{'':<20}{'ratio':<16}{ratios[0]:26.2f}{ratios[1]:28.2f}\n", flush=True)


if __name__ == "__main__":
    main()
