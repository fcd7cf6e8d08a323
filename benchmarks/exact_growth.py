"""Does the cost of exact inference grow as the data do? Plates of 1e2 to 1e6, chains of 1e2 to 1e5.

Log evidence and all posterior marginals of a mixture (a discrete site in a plate), of a hierarchy (Gaussian
sites in a plate below a common mean), of a hidden Markov model and of a local level, each written as a
program. Process time of a second call, with new data of the same shape; the first call, which plans and
compiles, is shown apart. Linear growth is a ratio of ten from one row to the next, or less.

    uv run python benchmarks/exact_growth.py
"""

import time

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan

import probdl as pdl


def mixture(y):
    """A mixture: a discrete site in a plate."""
    with numpyro.plate("n", len(y)):
        z = numpyro.sample("z", dist.CategoricalProbs(jnp.array([0.5, 0.3, 0.2])))
        numpyro.sample("y", dist.Normal(jnp.array([-2.0, 0.0, 3.0])[z], 1.0), obs=y)


def hierarchy(y):
    """Gaussian sites in a plate below a common mean."""
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    with numpyro.plate("n", len(y)):
        theta = numpyro.sample("theta", dist.Normal(mu, 2.0))
        numpyro.sample("y", dist.Normal(theta, 1.0), obs=y)


def hidden_markov(y):
    """A chain of two states."""
    transition = jnp.array([[0.9, 0.1], [0.2, 0.8]])

    def step(z, y_t):
        z = numpyro.sample("z", dist.CategoricalProbs(transition[z]))
        numpyro.sample("y", dist.Normal(3.0 * z, 1.0), obs=y_t)
        return z, None

    scan(step, 0, y)


def local_level(y):
    """A Gaussian random walk that is observed with noise."""

    def step(x, y_t):
        x = numpyro.sample("x", dist.Normal(x, 0.3))
        numpyro.sample("y", dist.Normal(x, 1.0), obs=y_t)
        return x, None

    scan(step, 0.0, y)


QUESTIONS = {
    "mixture, plate": (mixture, (2, 3, 4, 5, 6), lambda p: p.probabilities("z")),
    "hierarchy, plate": (hierarchy, (2, 3, 4, 5, 6), lambda p: p.mean("theta")),
    "hidden Markov, chain": (hidden_markov, (2, 3, 4, 5), lambda p: p.probabilities("z")),
    "local level, chain": (local_level, (2, 3, 4, 5), lambda p: p.mean("x")),
}


def process_time(program, ask, y):
    """Return seconds of the process for one posterior."""
    before = time.process_time()
    posterior = pdl.exact_posterior(pdl.Model(program, y))
    ask(posterior)
    return time.process_time() - before


def main():
    """Print the table."""
    print(f"{'':22} {'size':>9} {'first, s':>9} {'again, ms':>10} {'growth':>7}")
    rng = np.random.default_rng(0)
    for name, (program, powers, ask) in QUESTIONS.items():
        last = None
        for power in powers:
            y = rng.normal(size=10**power)
            first = process_time(program, ask, y)
            again = min(process_time(program, ask, rng.normal(size=10**power)) for _ in range(3))
            growth = "" if last is None else f"{again / last:.1f}"
            print(f"{name:22} {10**power:>9} {first:>9.2f} {1e3 * again:>10.1f} {growth:>7}", flush=True)
            last = again


if __name__ == "__main__":
    main()
