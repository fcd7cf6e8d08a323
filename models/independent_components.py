"""Independent components: three signals are told apart in three mixtures of them.

    x_t has the density |det W| prod_i p(w_i x_t),  p(s) = 1 / (pi cosh s)

The sources s_t = W x_t are independent and have heavier tails than a normal distribution: that is all that is
known of them. The rows of the param W, by which they are unmixed, are those of largest likelihood. The
product of W and the mixing that made the data is nearly a diagonal matrix: what is found are the signals,
with correlations of 1.000, 0.998 and 1.000, where the mixtures have at most 0.827.

Source: Bishop & Bishop (2023), §16.2.6 (independent component analysis); Bell & Sejnowski (1995). Data:
simulated, 1000 steps of an amplitude that comes and goes, of a spiky oscillation, and of clicks.
"""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import numpyro

import probdl as pdl

METHOD = pdl.EM(max_steps=300)
MIXING = np.array([[1.0, 0.6, 0.4], [0.5, 1.0, 0.7], [0.3, -0.6, 1.0]])


def program(x, *, num_sources=3):
    unmixing = cast(jax.Array, numpyro.param("unmixing", jnp.eye(num_sources)))
    with numpyro.plate("step", len(x)):
        source = cast(jax.Array, numpyro.deterministic("source", x @ unmixing.T))
        log_cosh = jnp.logaddexp(source, -source)  # and log 2, a constant
        numpyro.factor("x", jnp.linalg.slogdet(unmixing)[1] - (log_cosh + jnp.log(jnp.pi / 2)).sum(-1))


def sources() -> np.ndarray:
    """Return the signals, (step, source), each with a mean of 0 and a variance of 1."""
    rng, t = np.random.default_rng(0), np.arange(1000)
    signals = [
        np.sin(t / 9) * np.exp(2 * np.sin(t / 70)),
        np.tan(np.clip((t % 83) / 83 - 0.5, -0.45, 0.45) * np.pi),
        rng.laplace(size=len(t)),
    ]
    found = np.stack(signals, 1)
    return (found - found.mean(0)) / found.std(0)


def data() -> dict[str, np.ndarray]:
    """Return the mixtures."""
    return {"x": sources() @ MIXING.T}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
