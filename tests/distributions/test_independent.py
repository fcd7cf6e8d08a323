"""Several values of a family as one value: what NumPyro says of independent distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from probdl.distributions.independent import IndependentFamily
from probdl.distributions.positive import GammaFamily
from probdl.distributions.simplex import BetaFamily, DirichletFamily
from probdl.program.precision import Precision

ROUNDING = 1e-12
MEMBERS = {
    "gammas": lambda: (GammaFamily(), dist.Gamma(jnp.array([[1.5, 3.0, 2.0], [4.0, 0.7, 1.0]]), 2.0)),
    "betas": lambda: (BetaFamily(), dist.Beta(jnp.array([[1.5, 3.0, 2.0], [4.0, 0.7, 1.0]]), 1.2)),
    "rows": lambda: (DirichletFamily(4), dist.Dirichlet(jnp.arange(1.0, 25.0).reshape(2, 3, 4) / 5)),
}


@pytest.fixture(params=MEMBERS)
def pair(request):
    """A family of three values, and a member of it for each of two elements."""
    with Precision.DOUBLE.active():
        each, member = MEMBERS[request.param]()
        yield IndependentFamily(each, (3,)), member.to_event(1)


@pytest.mark.slow
def test_densities_are_those_of_numpyro(pair):
    family, member = pair
    x = member.sample(jax.random.key(0), (5,))
    natural = family.natural_parameters(member)
    assert family.event_shape == member.event_shape
    own = family.log_prob(natural, x)[jnp.arange(2), :, jnp.arange(2)].T
    np.testing.assert_allclose(own, member.log_prob(x), rtol=ROUNDING)
    same = family.distribution(natural)
    np.testing.assert_allclose(same.log_prob(x), member.log_prob(x), rtol=ROUNDING)
    np.testing.assert_allclose(family.moments(natural)[1], member.variance, rtol=ROUNDING)


@pytest.mark.slow
def test_entropies_add_up_and_means_lead_back(pair):
    family, member = pair
    natural, each = family.natural_parameters(member), family.base
    parts = each.natural_parameters(member)
    np.testing.assert_allclose(family.entropy(natural), each.entropy(parts).sum(-1), rtol=ROUNDING)
    np.testing.assert_allclose(
        family.natural_from_mean(family.mean_parameters(natural)), natural, rtol=1e-8, atol=1e-8
    )
    assert family.is_proper(natural).tolist() == [True, True]
    assert family.is_proper(natural.at[1, 0].set(-5.0)).tolist() == [True, False]
