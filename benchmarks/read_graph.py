"""How long does reading a graph take, beside NumPyro's own reader? One run, ratios.

    uv run python benchmarks/read_graph.py

Programs of 30 to 2000 sites of three shapes: a chain, one latent with many children, and a network in
which each site reads three earlier ones. The least of a few runs of each reader, in turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpyro
import numpyro.distributions as dist
from numpyro.infer.inspect import get_model_relations

import probdl as pdl

SIZES = (30, 100, 300, 1000, 2000)


def chain(size: int) -> Callable[[], None]:
    """Each site reads the one before."""

    def program() -> None:
        x = numpyro.sample("x0", dist.Normal(0, 1))
        for i in range(1, size):
            x = numpyro.sample(f"x{i}", dist.Normal(x, 1))

    return program


def star(size: int) -> Callable[[], None]:
    """All sites read one."""

    def program() -> None:
        x = numpyro.sample("x0", dist.Normal(0, 1))
        for i in range(1, size):
            numpyro.sample(f"x{i}", dist.Normal(x, 1))

    return program


def network(size: int) -> Callable[[], None]:
    """Each site reads three earlier ones."""

    def program() -> None:
        xs = [numpyro.sample("x0", dist.Normal(0, 1))]
        for i in range(1, size):
            mean = xs[i // 2] + xs[i // 3] * xs[i - 1]
            xs.append(numpyro.sample(f"x{i}", dist.Normal(mean, 1)))

    return program


def read(program: Callable[[], None]) -> None:
    """Read a graph, model and all."""
    pdl.graph(pdl.Model(program))


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    print(f"{'program':>8} {'sites':>6} {'ours s':>8} {'NumPyro s':>10} {'ratio':>6}")
    for make in (chain, star, network):
        for size in SIZES:
            program = make(size)
            rounds = [
                (
                    seconds(partial(read, program)),
                    seconds(partial(get_model_relations, program)),
                )
                for _ in range(3 if size <= 300 else 2)
            ]
            ours, theirs = (min(column) for column in zip(*rounds, strict=True))
            print(f"{make.__name__:>8} {size:>6} {ours:>8.3f} {theirs:>10.3f} {ours / theirs:>6.2f}")


if __name__ == "__main__":
    main()
