"""What a posterior of a Bayesian network answers in the words of other exact posteriors: by enumeration."""

import jax.numpy as jnp
import numpy as np
import numpyro
import pytest

import probdl as pdl

ROUNDING = 1e-13


def grid(rows):
    """Binary variables that each read the one above and the one to the left."""
    rng = np.random.default_rng(0)
    names = [(i, j) for i in range(rows) for j in range(rows)]
    parents = {at: [p for p in ((at[0] - 1, at[1]), (at[0], at[1] - 1)) if p in names] for at in names}
    label = {at: f"x{at[0]}{at[1]}" for at in names}
    return pdl.BayesianNetwork(
        {label[at]: ("no", "yes") for at in names},
        {label[at]: tuple(label[p] for p in parents[at]) for at in names},
        {label[at]: rng.dirichlet([1.0, 1.0], [2] * len(parents[at])) for at in names},
    )


def whole_joint(network, evidence):
    """Return the joint table of all variables given some of them."""
    names = list(network.variables)
    joint = np.ones([2] * len(names))
    for name, parents in network.parents.items():
        scope = [*parents, name]
        order = sorted(range(len(scope)), key=lambda i: names.index(scope[i]))
        table = network.tables[name].transpose(order)
        joint = joint * np.expand_dims(table, tuple(i for i, n in enumerate(names) if n not in scope))
    for name, code in evidence.items():
        joint = joint * np.eye(2)[code].reshape([2 if n == name else 1 for n in names])
    return joint / joint.sum()


@pytest.fixture(scope="module")
def solved():
    network, evidence = grid(3), {"x22": 1, "x01": 0}
    return pdl.exact_posterior(pdl.Model(network).condition(**evidence)), whole_joint(network, evidence)


def test_covariance_of_codes(solved):
    posterior, joint = solved
    names = list(posterior.network.variables)
    codes = np.indices(joint.shape).reshape(len(names), -1)
    expected = np.cov(codes, aweights=joint.ravel(), ddof=0)
    np.testing.assert_allclose(posterior.covariance(*names), expected, atol=ROUNDING)
    np.testing.assert_allclose(posterior.covariance("x12", "x00"), expected[[5, 0]][:, [5, 0]], atol=ROUNDING)
    assert (posterior.covariance("x22", "x00")[0] == 0).all()


def test_distribution_and_statistics(solved):
    posterior, joint = solved
    expected = joint.sum(tuple(range(1, joint.ndim)))
    np.testing.assert_allclose(posterior.expected_statistics("x00"), expected, atol=ROUNDING)
    with pdl.Precision.DOUBLE.active():
        found = posterior.distribution("x00")
        assert isinstance(found, numpyro.distributions.CategoricalProbs)
        np.testing.assert_allclose(np.exp(found.log_prob(jnp.arange(2))), expected, atol=ROUNDING)


@pytest.mark.slow
def test_the_contract_is_that_of_a_program(solved):
    """The same network as a program of NumPyro statements."""
    posterior, _ = solved
    network = posterior.network

    def program():
        known = {}
        for name, parents in network.parents.items():
            row = jnp.asarray(network.tables[name])[tuple(known[p] for p in parents)]
            known[name] = numpyro.sample(name, numpyro.distributions.Categorical(row))

    other = pdl.exact_posterior(pdl.Model(program).condition(x22=1, x01=0))
    names = ("x11", "x02", "x10")
    np.testing.assert_allclose(posterior.covariance(*names), other.covariance(*names), atol=1e-12)
    np.testing.assert_allclose(posterior.joint(*names), other.joint(*names), atol=1e-12)
    for name in names:
        np.testing.assert_allclose(
            posterior.expected_statistics(name), other.expected_statistics(name), atol=1e-12
        )
        np.testing.assert_allclose(
            posterior.distribution(name).probs, other.distribution(name).probs, rtol=1e-6
        )


@pytest.mark.parametrize("names", [(), ("x00", "x00")])
def test_variables_are_named_once(solved, names):
    with pytest.raises(ValueError, match="Expected different variables in covariance, one or more; got"):
        solved[0].covariance(*names)


@pytest.mark.parametrize("question", ["covariance", "distribution", "expected_statistics"])
def test_an_unknown_variable_is_named(solved, question):
    with pytest.raises(pdl.SiteNotFound, match="Expected a variable in the posterior; got 'x09'"):
        getattr(solved[0], question)("x09")
