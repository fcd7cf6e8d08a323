"""A distribution over consecutive integers against NumPyro's categorical one."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from probdl.distributions.integer_range import IntegerRange

PROBS = np.array([[0.2, 0.5, 0.3], [0.6, 0.4, 0.0]])
KNOWN, PLAIN = IntegerRange(PROBS, -1), dist.Categorical(PROBS)


@pytest.mark.slow
def test_it_is_a_categorical_distribution_moved():
    values = jnp.arange(3)[:, None]
    np.testing.assert_allclose(KNOWN.log_prob(values - 1), PLAIN.log_prob(values), rtol=1e-6)
    np.testing.assert_allclose(KNOWN.mean, PROBS @ np.arange(-1, 2), rtol=1e-6)
    np.testing.assert_allclose(KNOWN.variance, PROBS @ np.arange(-1, 2) ** 2 - KNOWN.mean**2, rtol=1e-5)


def test_draws_have_their_probabilities():
    drawn = np.asarray(KNOWN.sample(jax.random.key(0), (4000,)))
    shares = (drawn[..., None] == np.arange(-1, 2)).mean(0)
    assert (np.abs(shares - PROBS) <= 5 * np.sqrt(PROBS * (1 - PROBS) / 4000)).all()


def test_what_is_outside_is_impossible():
    assert (KNOWN.log_prob(jnp.array([[-2], [2]])) == -np.inf).all()
    assert not KNOWN.support(jnp.array(2))
    assert KNOWN.enumerate_support().tolist() == [[-1, -1], [0, 0], [1, 1]]
    assert KNOWN.enumerate_support(expand=False).shape == (3, 1)


def test_it_survives_compilation():
    found = jax.jit(lambda known: known.log_prob(jnp.array(0)))(KNOWN)
    np.testing.assert_allclose(found, np.log([0.5, 0.4]), rtol=1e-6)
