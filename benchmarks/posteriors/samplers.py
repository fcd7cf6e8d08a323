"""NUTS as probdl, NumPyro, BlackJAX and nutpie offer it, on the same program, with their defaults."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import MCMC
from numpyro.infer import NUTS as NumPyroNUTS

import probdl as pdl

from .reference import Case, Draws

CHAINS, WARMUP = 4, 1000
STARTS = 100


@dataclass(frozen=True)
class Run:
    """What a run of four chains gave.

    Attributes:
        draws: Arrays (chain, draw, ...) of all latent and deterministic sites.
        gradients: How many gradients the draws took.
        warmup: Returns how many the warm-up took.
        divergences: How many transitions diverged.
    """

    draws: Draws
    gradients: int
    warmup: Callable[[], int]
    divergences: int


Draw = Callable[[int], Run]
Sampler = Callable[[Case, int], Draw]


def probdl(case: Case, samples: int) -> Draw:
    """Sample with `pdl.NUTS`; a second run has a new model."""

    def draw(seed: int) -> Run:
        model = case.model()
        result = pdl.infer(model, pdl.NUTS(num_samples=samples), key=seed, progress=False)
        stats = result.data["sample_stats"]
        count = int(result.data.attrs["warmup_gradients"])
        wanted = (s.name for s in model.sites.values() if s.is_latent or s.kind is pdl.SiteKind.DETERMINISTIC)
        return Run(
            {name: result[name].to_numpy() for name in wanted},
            summed(stats["n_steps"]),
            lambda: count,
            summed(stats["diverging"]),
        )

    return draw


def summed(array: Any) -> int:
    """Return the sum of whole numbers."""
    return int(np.asarray(array).sum())


def numpyro(case: Case, samples: int, *, dense_mass: bool = False) -> Draw:
    """Sample with NumPyro, the chains vectorised; a second run is one of the same MCMC object."""
    settings: dict[str, Any] = {
        "num_warmup": WARMUP,
        "num_samples": samples,
        "num_chains": CHAINS,
        "chain_method": "vectorized",
        "progress_bar": False,
    }

    def made() -> MCMC:
        return MCMC(NumPyroNUTS(case.program, dense_mass=dense_mass), **settings)

    mcmc = made()

    def draw(seed: int) -> Run:
        mcmc.run(jax.random.key(seed), **case.data, extra_fields=("num_steps", "diverging"))
        draws, fields = mcmc.get_samples(group_by_chain=True), mcmc.get_extra_fields()
        return Run(
            {name: np.asarray(array) for name, array in draws.items()},
            summed(fields["num_steps"]),
            functools.partial(warmup, seed),
            summed(fields["diverging"]),
        )

    def warmup(seed: int) -> int:
        again = made()
        fields = ("num_steps",)
        again.warmup(jax.random.key(seed), **case.data, collect_warmup=True, extra_fields=fields)
        return summed(again.get_extra_fields()["num_steps"])

    return draw


def blackjax_nuts(case: Case, samples: int, *, adaptation: Callable) -> Draw:
    """Sample with BlackJAX; a second run is one of the same compiled functions."""
    target = case.model().target
    start = jax.jit(functools.partial(starts, target))

    def chain(key: Any, position: Any) -> Any:
        first, second = jax.random.split(key)
        tuning = adaptation(blackjax.nuts, target.log_density)
        (state, parameters), learnt = tuning.run(first, position, num_steps=WARMUP)
        kernel = blackjax.nuts(target.log_density, **parameters)

        def step(state: Any, key: Any) -> Any:
            moved: Any = kernel.step(key, state)
            state, info = moved
            return state, (target.constrain(state.position), info.num_integration_steps, info.is_divergent)

        kept = jax.lax.scan(step, state, jax.random.split(second, samples))[1]
        return *kept, learnt.info.num_integration_steps

    run = jax.jit(jax.vmap(chain))

    def draw(seed: int) -> Run:
        first, second = jax.random.split(jax.random.key(seed))
        draws, gradients, diverging, tuning = run(jax.random.split(second, CHAINS), start(first))
        count = summed(tuning)
        return Run(
            {name: np.asarray(array) for name, array in draws.items()},
            summed(gradients),
            lambda: count,
            summed(diverging),
        )

    return draw


def starts(target: pdl.Target, key: Any) -> Any:
    """Return a position a chain, the first of some where the log-density is finite."""
    positions = jax.vmap(target.init)(jax.random.split(key, STARTS * CHAINS))
    values = jax.lax.map(jax.value_and_grad(target.log_density), positions)
    good = jnp.isfinite(values[0]) & jnp.isfinite(values[1]).all(1)
    first = good.reshape(CHAINS, STARTS).argmax(1)
    return positions.reshape(CHAINS, STARTS, -1)[jnp.arange(CHAINS), first]


def nutpie(case: Case, samples: int, *, adaptation: str) -> Draw:
    """Sample with nutpie's from_pyfunc; a second run is one of the same compiled functions."""
    from nutpie import compiled_pyfunc, sample  # pyright: ignore[reportMissingImports]

    target = case.model().target
    size = int(jax.eval_shape(target.init, jax.random.key(0)).shape[0])
    both = jax.jit(jax.value_and_grad(target.log_density))
    constrain = jax.jit(jax.vmap(jax.vmap(target.constrain)))

    def evaluate(position: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = both(position)
        return float(value), np.asarray(gradient)

    compiled = compiled_pyfunc.from_pyfunc(
        size,
        lambda: evaluate,
        lambda *_: lambda position: {"position": position},
        [np.dtype("float64")],
        [(size,)],
        ["position"],
    )

    def draw(seed: int) -> Run:
        found = sample(
            compiled,
            chains=CHAINS,
            draws=samples,
            seed=seed,
            cores=1,
            adaptation=adaptation,
            progress_bar=False,
        )
        draws = constrain(found["posterior"]["position"].to_numpy())
        stats = found["sample_stats"]
        count = summed(found["warmup_sample_stats"]["n_steps"])
        return Run(
            {name: np.asarray(array) for name, array in draws.items()},
            summed(stats["n_steps"]),
            lambda: count,
            summed(stats["diverging"]),
        )

    return draw


def samplers() -> dict[str, Sampler]:
    """Return the samplers that are installed, ours first."""
    found: dict[str, Sampler] = {
        "probdl": probdl,
        "numpyro": numpyro,
        "numpyro dense": functools.partial(numpyro, dense_mass=True),
        "blackjax": functools.partial(blackjax_nuts, adaptation=blackjax.window_adaptation),
    }
    if hasattr(blackjax, "window_adaptation_low_rank"):
        low_rank = blackjax.window_adaptation_low_rank
        found["blackjax low rank"] = functools.partial(blackjax_nuts, adaptation=low_rank)
    if importlib.util.find_spec("nutpie"):
        found["nutpie"] = functools.partial(nutpie, adaptation="diag")
        found["nutpie low rank"] = functools.partial(nutpie, adaptation="low_rank")
    return found
