"""How soon is SGLD right on a million rows, and what does a row cost beside a bare loop?

The logistic regression of models/sgld_regression.py: 1e6 rows, 11 coefficients, minibatches of 1000 rows,
4 chains, float64. Two tables, by process seconds:

- Error against time. The reference is the mode with the inverse of minus the Hessian there, by Newton's
  method in NumPy: at 1e6 rows the posterior is normal to about 1e-3 standard deviations. "mean" and "sd" are
  the largest errors of means, in posterior standard deviations, and of standard deviations, relative; "MCSE"
  is what is expected of the former by chance. Seconds are of a whole `infer`, the search for the mode
  included, of a second run: nothing is compiled. NUTS sees all rows; its run is as short as can be, and it
  compiles.
- Rows a second, of moves alone: the difference of a long run and a short one. The bare loop is written by
  hand in JAX for this model: the same random rows, the same gradients at two points, the same noise; it keeps
  every tenth position and nothing else.

    uv run python benchmarks/stochastic_gradient.py
    uv run python benchmarks/stochastic_gradient.py --rows 100000
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["PROBDL_COMPILATION_CACHE"] = "off"
sys.path.insert(0, str(Path(__file__).parent.parent))

import jax
import jax.numpy as jnp
import numpy as np
from arviz_stats.base.array import array_stats

import probdl as pdl
from models import sgld_regression

CHAINS, SEEN, THINNING = 4, 1000, 10
LENGTHS = (50, 200, 800, 3200)
PRIOR = np.array([25.0] + [1.0] * sgld_regression.NUM_FEATURES)


def laplace(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mode, and the inverse of minus the Hessian there, of (intercept, weights)."""
    design = np.hstack([np.ones((len(x), 1)), x])
    mode, hessian = np.zeros(design.shape[1]), np.eye(design.shape[1])
    for _ in range(12):
        p = 1 / (1 + np.exp(-design @ mode))
        hessian = design.T @ (design * (p * (1 - p))[:, None]) + np.diag(1 / PRIOR)
        mode = mode + np.linalg.solve(hessian, design.T @ (y - p) - mode / PRIOR)
    return mode, np.linalg.inv(hessian)


def timed(draw: Callable[[], Any]) -> tuple[float, Any]:
    """Return process seconds, and what was drawn."""
    began = time.process_time()
    found = draw()
    return time.process_time() - began, found


def coefficients(result: pdl.Result) -> np.ndarray:
    """Return the draws (chain, draw, coefficient)."""
    return np.concatenate([result["alpha"].to_numpy()[..., None], result["beta"].to_numpy()], -1)


def bare_loop(x: np.ndarray, y: np.ndarray, mode: np.ndarray, covariance: np.ndarray, h: float) -> Callable:
    """Return SGLD with control variates for this model: count of moves -> kept positions."""
    root = jnp.asarray(np.linalg.cholesky(covariance))
    n, scale = len(x), len(x) / SEEN

    def gradient(position: Any, some_x: Any, some_y: Any) -> Any:
        misses = some_y - jax.nn.sigmoid(position[0] + some_x @ position[1:])
        return scale * jnp.concatenate([misses.sum()[None], misses @ some_x]) - position / PRIOR

    def move(x: Any, y: Any, center: Any, at_center: Any, key: Any, z: Any) -> Any:
        rows, noise = jax.random.split(key)
        numbers = jnp.minimum(n * jax.random.uniform(rows, (SEEN,)), n - 1).astype(jnp.int32)
        some = x[numbers], y[numbers]
        position = center + root @ z
        slope = at_center + gradient(position, *some) - gradient(center, *some)
        return z + h**2 / 2 * (root.T @ slope) + h * jax.random.normal(noise, z.shape)

    @functools.partial(jax.jit, static_argnums=0)
    def run(count: int, x: Any, y: Any, center: Any, at_center: Any, keys: Any) -> Any:
        def keep(z: Any, number: Any) -> tuple[Any, Any]:
            def chain(key: Any, z: Any) -> Any:
                def body(i: Any, z: Any) -> Any:
                    return move(x, y, center, at_center, jax.random.fold_in(key, number * THINNING + i), z)

                return jax.lax.fori_loop(0, THINNING, body, z)

            z = jax.vmap(chain)(keys, z)
            return z, z

        start = jnp.zeros((CHAINS, len(mode)))
        return jax.lax.scan(keep, start, jnp.arange(count))[1]

    arrays = jnp.asarray(x), jnp.asarray(y, float)
    center = jnp.asarray(mode)
    logits = mode[0] + x @ mode[1:]
    misses = y - 1 / (1 + np.exp(-logits))
    at_center = jnp.asarray(np.concatenate([[misses.sum()], misses @ x]) - mode / PRIOR)

    def draw(count: int, seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), CHAINS)
        return jax.block_until_ready(run(count, *arrays, center, at_center, keys))

    return draw


def errors(draws: np.ndarray, mode: np.ndarray, covariance: np.ndarray) -> str:
    """Return how far draws (chain, draw, coefficient) are from the reference."""
    deviations = np.sqrt(np.diagonal(covariance))
    z = (draws - mode) / deviations
    mcse: Any = array_stats.mcse(z, chain_axis=0, draw_axis=1, method="mean")
    far, chance = np.abs(z.mean((0, 1))).max(), float(np.mean(mcse)) * np.sqrt(2 * np.log(z.shape[2]))
    return f"{far:8.3f}{chance:8.3f}{np.abs(z.std((0, 1)) - 1).max():8.3f}"


def against_time(model: pdl.Model, x: np.ndarray, reference: Any, *, ask_nuts: bool) -> None:
    """Print errors of longer and longer runs."""
    print(f"{'method':<8}{'draws':>8}{'passes over rows':>18}{'s':>9}{'mean':>8}{'MCSE':>8}{'sd':>8}")
    sgld = pdl.SGLD(num_warmup=100, thinning=THINNING)
    pdl.infer(model, replace(sgld, num_samples=10), key=0, progress=False)
    for count in LENGTHS:
        method = replace(sgld, num_samples=count)
        seconds, result = timed(lambda m=method: pdl.infer(model, m, key=m.num_samples, progress=False))
        passes = CHAINS * (count + 100) * THINNING * SEEN / len(x)
        print(f"{'SGLD':<8}{count:8}{passes:18.1f}{seconds:9.2f}{errors(coefficients(result), *reference)}")
    if ask_nuts:
        whole = pdl.Model(sgld_regression.program, **{**model.kwargs, "subsample_size": len(x)})
        nuts = pdl.NUTS(num_samples=50, num_warmup=100, num_chains=2)
        seconds, result = timed(lambda: pdl.infer(whole, nuts, key=1, progress=False))
        steps = int(result.data["sample_stats"]["n_steps"].sum()) + int(result.data.attrs["warmup_gradients"])
        print(f"{'NUTS':<8}{50:8}{steps:18.1f}{seconds:9.2f}{errors(coefficients(result), *reference)}")


def rows_a_second(model: pdl.Model, bare: Callable, h: float, repeats: int) -> None:
    """Print how many rows a second moves see, ours and bare."""
    few, many = 100, 2100
    method = pdl.SGLD(num_warmup=0, thinning=THINNING, step_size=h, num_samples=few)

    def ours(count: int, seed: int) -> Any:
        return pdl.infer(model, replace(method, num_samples=count), key=seed, progress=False)

    rows = CHAINS * (many - few) * THINNING * SEEN
    rates: dict[str, list[float]] = {"bare": [], "probdl": []}
    for draw in (bare, ours):
        for count in (few, many):
            draw(count, 0)
    for seed in range(1, repeats + 1):
        for label, draw in (("bare", bare), ("probdl", ours)):
            short, long = (timed(lambda n=n, d=draw: d(n, seed))[0] for n in (few, many))  # noqa: B023
            rates[label].append(rows / (long - short))
    best = {label: float(np.median(found)) for label, found in rates.items()}
    for label, rate in best.items():
        print(f"{label:<8}{rate / 1e6:10.2f} million rows a second, median of {repeats}")
    print(
        f"probdl takes {100 * (best['bare'] / best['probdl'] - 1):+.0f} % more time a row than the bare loop"
    )


def main() -> None:
    """Print both tables."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=sgld_regression.NUM_ROWS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-nuts", action="store_true", help="leave NUTS on all rows out")
    parser.add_argument("--rates", action="store_true", help="rows a second alone")
    asked = parser.parse_args()
    data = {name: array[: asked.rows] for name, array in sgld_regression.data().items()}
    x, y = data["x"], data["y"]
    reference = laplace(x, y)
    model = pdl.Model(sgld_regression.program, **data, subsample_size=SEEN)
    with pdl.Precision.DOUBLE.active():
        bare = bare_loop(x, y, *reference, 0.4)
        if not asked.rates:
            against_time(model, x, reference, ask_nuts=not asked.no_nuts)
        rows_a_second(model, bare, 0.4, asked.repeats)


if __name__ == "__main__":
    main()
