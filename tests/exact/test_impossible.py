"""Observations that contradict each other are named, one by one."""

import itertools

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl

EMISSIONS = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])


def categorical(name, probs, **options):
    return numpyro.sample(name, dist.CategoricalProbs(probs), **options)


def constant_state(y):
    """A chain that never leaves its state: symbols 0 and 2 exclude each other."""

    def step(z, y_t):
        categorical("y", jnp.asarray(EMISSIONS)[z], obs=y_t)
        return z, None

    scan(step, categorical("z", jnp.full(2, 0.5)), y)


def of_a_plate(y):
    z = categorical("z", jnp.full(2, 0.5))
    with numpyro.plate("n", len(y)):
        categorical("y", jnp.asarray(EMISSIONS)[z], obs=y)


def possible(symbols):
    return any(np.prod(EMISSIONS[z][list(symbols)]) > 0 for z in range(2))


@pytest.mark.slow
@pytest.mark.parametrize("program", [constant_state, of_a_plate])
def test_a_smallest_conflict_is_named(program):
    for symbols in itertools.islice(itertools.product(range(3), repeat=4), 5, 81, 9):
        model = pdl.Model(program, np.array(symbols))
        if possible(symbols):
            assert np.isfinite(pdl.exact_posterior(model).log_evidence)
            continue
        with pytest.raises(pdl.ImpossibleEvidence) as caught:
            pdl.exact_posterior(model)
        places = [int(name[2:-1]) for name in caught.value.observations]
        assert not possible([symbols[i] for i in places])
        for left_out in places:
            assert possible([symbols[i] for i in places if i != left_out])


def test_infer_names_it_too_and_its_value_where_it_is_known():
    with pytest.raises(pdl.ImpossibleEvidence, match=r"got 'y\[1\]'=2, 'y\[2\]'=0, of probability zero"):
        pdl.infer(pdl.Model(of_a_plate, np.array([1, 2, 0, 1])), key=0)


@pytest.mark.slow
def test_conditions_and_factors_are_observations():
    def program():
        z = numpyro.sample("z", dist.Bernoulli(0.5))
        x = categorical("x", jnp.array([[1.0, 0.0], [0.5, 0.5]])[z])
        numpyro.factor("never", jnp.where(z == 1, -jnp.inf, 0.0))
        numpyro.sample("y", dist.Normal(x, 1.0), obs=0.0)

    with pytest.raises(pdl.ImpossibleEvidence) as caught:
        pdl.exact_posterior(pdl.Model(program).condition(x=1))
    assert caught.value.observations == {"never": None, "x": 1}


@pytest.mark.slow
def test_a_prior_that_is_zero_everywhere_is_no_matter_of_observations():
    def program():
        z = numpyro.sample("z", dist.Bernoulli(0.5))
        with numpyro.handlers.mask(mask=True):
            w = categorical("w", jnp.array([[0.0, 0.0], [0.0, 0.0]])[z])
        numpyro.sample("y", dist.Normal(w, 1.0), obs=0.0)

    with pytest.raises(ValueError, match="Expected"):
        pdl.exact_posterior(pdl.Model(program))
