"""Every exponential family x the laws that all must obey. A new family is one row."""

import contextlib
import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from jax.scipy.special import digamma
from numpyro.distributions.kl import kl_divergence
from scipy import special, stats

from probdl.distributions.factorial import expected_log_factorial
from probdl.distributions.families import FAMILIES, family_of
from probdl.distributions.newton import gamma_shape
from probdl.distributions.normal_gamma import MeanAndPrecision, NormalGamma
from probdl.distributions.positive import GammaFamily
from probdl.distributions.real import NormalFamily
from probdl.distributions.simplex import DirichletFamily
from probdl.program.precision import Precision

DRAWS = 20_000


@pytest.fixture(autouse=True)
def double():
    with Precision.DOUBLE.active():
        yield


def array(*values):
    return jnp.asarray(np.array(values))


def matrices():
    return array([[2.0, 0.3], [0.3, 1.0]], [[1.0, -0.6], [-0.6, 3.0]], [[0.1, 0.02], [0.02, 0.4]])


SHARES = ([0.2, 0.3, 0.5], [0.05, 0.15, 0.8], [0.6, 0.3, 0.1])
MEMBERS = {
    "Bernoulli": lambda: dist.Bernoulli(array(0.1, 0.5, 0.7)),
    "Bernoulli by logits": lambda: dist.Bernoulli(logits=array(-3.0, 0.0, 1.0)),
    "binomial": lambda: dist.Binomial(10, array(0.1, 0.5, 0.7)),
    "categorical": lambda: dist.Categorical(array(*SHARES)),
    "multinomial": lambda: dist.Multinomial(10, array(*SHARES)),
    "Poisson": lambda: dist.Poisson(array(0.3, 2.0, 50.0)),
    "geometric": lambda: dist.Geometric(array(0.2, 0.5, 0.9)),
    "negative binomial": lambda: dist.NegativeBinomialProbs(3.5, array(0.2, 0.5, 0.8)),
    "negative binomial by mean": lambda: dist.NegativeBinomial2(array(0.5, 2.0, 30.0), 0.7),
    "beta": lambda: dist.Beta(array(0.7, 2.0, 9.0), array(3.0, 2.0, 0.8)),
    "Dirichlet": lambda: dist.Dirichlet(array([0.7, 2.0, 3.0], [1.0, 1.0, 1.0], [20.0, 8.0, 2.0])),
    "gamma": lambda: dist.Gamma(array(0.7, 2.0, 90.0), array(3.0, 0.2, 10.0)),
    "chi squared": lambda: dist.Chi2(array(1.0, 3.0, 8.0)),
    "inverse gamma": lambda: dist.InverseGamma(array(0.7, 2.0, 90.0), array(3.0, 0.2, 10.0)),
    "exponential": lambda: dist.Exponential(array(0.1, 1.0, 7.0)),
    "log-normal": lambda: dist.LogNormal(array(0.0, -1.0, 3.0), array(1.0, 0.3, 2.0)),
    "Pareto": lambda: dist.Pareto(2.0, array(1.5, 4.0, 10.0)),
    "normal": lambda: dist.Normal(array(0.0, -1.0, 30.0), array(1.0, 0.3, 2.0)),
    "Laplace": lambda: dist.Laplace(1.5, array(1.0, 0.3, 2.0)),
    "von Mises": lambda: dist.VonMises(array(0.0, -1.0, 3.0), array(0.5, 3.0, 40.0)),
    "normal-gamma": lambda: NormalGamma(
        array(0.0, -1.0, 3.0), array(1.0, 0.3, 2.0), array(2.0, 3.0, 0.8), 2.0
    ),
    "multivariate normal": lambda: dist.MultivariateNormal(
        array([0.0, 1.0], [2.0, -3.0], [0.0, 0.0]), matrices()
    ),
    "Wishart": lambda: dist.Wishart(array(2.5, 4.0, 20.0), matrices()),
    "inverse Wishart": lambda: dist.InverseWishart(array(2.5, 4.0, 20.0), matrices()),
}
EVERYDAY = {"normal", "gamma", "Poisson"}
members = pytest.mark.parametrize(
    "name", [name if name in EVERYDAY else pytest.param(name, marks=pytest.mark.slow) for name in MEMBERS]
)


@functools.cache
def sampled(name):
    """Return a batch of three members, its family, its natural parameters, and draws of each."""
    with Precision.DOUBLE.active():
        distribution = MEMBERS[name]()
        family = family_of(distribution)
        draws = jax.jit(distribution.sample, static_argnums=1)(jax.random.key(0), (DRAWS,))
        return distribution, family, family.natural_parameters(distribution), draws


@functools.cache
def computed(name):
    """Return all that the laws compare, compiled once for a family."""
    distribution, family, natural, draws = sampled(name)

    @jax.jit
    def everything(natural, draws, weights):
        mean = family.mean_parameters(natural)
        other = 0.8 * natural + 0.2 * natural[jnp.array([1, 2, 0])]
        again = family.distribution(natural)
        x = draws[:200, 1]
        best = family.maximum_likelihood(x, weights)
        log_prob = distribution.log_prob(draws)
        return {
            "grid": family.log_prob(natural, x[:6]),
            "numpyro grid": jnp.stack([distribution.log_prob(value) for value in x[:6]], -1),
            "statistics": family.sufficient_statistics(draws),
            "mean": mean,
            "log_prob": log_prob,
            "entropy": family.entropy(natural),
            "ratio": log_prob - family.distribution(other).log_prob(draws),
            "kl": family.kl(natural, other),
            "all kl": family.kl(natural[:, None], natural[None]),
            "again": family.natural_parameters(again),
            "again log_prob": again.log_prob(draws[:3]),
            "back": family.natural_from_mean(mean),
            "proper": family.is_proper(natural),
            "best": best,
            "repeated": family.maximum_likelihood(
                jnp.repeat(x, np.arange(200) % 3, 0, total_repeat_length=199)
            ),
            "slope": jax.grad(lambda eta: (weights[0] * family.log_prob(eta, x)).sum() / weights[0].sum())(
                best[0]
            ),
            **numpyro_values(distribution, family.distribution(other)),
        }

    with Precision.DOUBLE.active():
        weights = jnp.stack([jnp.arange(200) % 3, jnp.ones(200)])
        return {label: np.asarray(value) for label, value in everything(natural, draws, weights).items()}


def numpyro_values(distribution, other):
    values = {}
    for label, compute in (
        ("numpyro entropy", distribution.entropy),
        ("numpyro kl", lambda: kl_divergence(distribution, other)),
    ):
        with contextlib.suppress(NotImplementedError):
            values[label] = compute()
    return values


def within_error(values, exact, number=5):
    """Whether the mean over draws is as it should be: within standard errors, and what rounding leaves."""
    error = values.std(0) / np.sqrt(len(values)) + 1e-13 * (1 + np.abs(exact))
    return np.all(np.abs(values.mean(0) - exact) < number * error)


def tolerance(name):
    """The log beta function that NumPyro uses here is good to six digits; ours is compared with SciPy."""
    rough = name in {"beta", "negative binomial", "negative binomial by mean"}
    return {"rtol": 1e-5, "atol": 1e-6} if rough else {"rtol": 1e-9, "atol": 1e-10}


@pytest.mark.slow
def test_every_family_has_a_row():
    assert {type(family_of(make())) for make in MEMBERS.values()} == set(FAMILIES)
    covered = {type(make()) for make in MEMBERS.values()}
    by_logits = {dist.BinomialLogits, dist.CategoricalLogits, dist.MultinomialLogits, dist.GeometricLogits}
    others = by_logits | {dist.NegativeBinomialLogits, dist.BetaProportion}
    assert {member for family in FAMILIES for member in family.members} - covered == others


@pytest.mark.few(9)
@pytest.mark.slow
@members
def test_log_prob_is_that_of_numpyro(name):
    distribution, family, natural, _ = sampled(name)
    np.testing.assert_allclose(computed(name)["grid"], computed(name)["numpyro grid"], **tolerance(name))
    assert family.dimension == natural.shape[-1]
    assert distribution.event_shape == family.event_shape


@members
def test_mean_parameters_are_expected_statistics(name):
    assert within_error(computed(name)["statistics"], computed(name)["mean"])


@members
def test_entropy_and_divergence_are_expectations(name):
    found = computed(name)
    assert within_error(-found["log_prob"], found["entropy"])
    assert within_error(found["ratio"], found["kl"])
    assert (found["all kl"] >= -1e-12).all()
    np.testing.assert_allclose(np.diagonal(found["all kl"]), 0, atol=1e-10)


@members
@pytest.mark.parametrize("quantity", ["kl", "entropy"])
def test_entropy_and_divergence_are_those_of_numpyro(name, quantity):
    found = computed(name)
    if f"numpyro {quantity}" not in found:
        pytest.skip("NumPyro has none")
    np.testing.assert_allclose(found[quantity], found[f"numpyro {quantity}"], **tolerance(name))


@members
def test_round_trips(name):
    distribution, family, natural, draws = sampled(name)
    found = computed(name)
    assert family_of(family.distribution(natural)) == family
    assert hash(family_of(distribution)) == hash(family)
    np.testing.assert_allclose(found["again log_prob"], found["log_prob"][:3], **tolerance(name))
    np.testing.assert_allclose(found["again"], natural, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found["back"], natural, rtol=1e-8, atol=1e-10)
    assert found["proper"].all()


@members
def test_maximum_likelihood_has_no_slope_and_weights_are_repetitions(name):
    found = computed(name)
    np.testing.assert_allclose(found["best"][0], found["repeated"], rtol=1e-8, atol=1e-9)
    assert (np.abs(found["slope"]) < 1e-9 * (1 + np.abs(found["statistics"]).mean((0, 1)))).all()


@pytest.mark.few(3)
@pytest.mark.slow
@members
def test_single_precision_stays_single(name):
    with Precision.SINGLE.active():
        distribution = MEMBERS[name]()
        family = family_of(distribution)
        natural = family.natural_parameters(distribution)
        mean = family.mean_parameters(natural)
        for value in (natural, mean, family.entropy(natural), family.natural_from_mean(mean)):
            assert value.dtype == jnp.float32
            assert jnp.isfinite(value).all()


SCIPY = {
    "beta": lambda: stats.beta([0.7, 2.0, 9.0], [3.0, 2.0, 0.8]),
    "negative binomial": lambda: stats.nbinom(3.5, [0.8, 0.5, 0.2]),
    "gamma": lambda: stats.gamma([0.7, 2.0, 90.0], scale=[1 / 3, 5.0, 0.1]),
    "Poisson": lambda: stats.poisson([0.3, 2.0, 50.0]),
    "binomial": lambda: stats.binom(10, [0.1, 0.5, 0.7]),
}


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize("name", SCIPY)
def test_log_prob_and_entropy_are_those_of_scipy(name):
    frozen, x = SCIPY[name](), np.asarray(sampled(name)[3][:6, 1])
    log_prob = getattr(frozen, "logpdf" if hasattr(frozen.dist, "pdf") else "logpmf")(x[:, None])
    np.testing.assert_allclose(computed(name)["grid"], log_prob.T, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(computed(name)["entropy"], frozen.entropy(), rtol=1e-8)


KNOWN = {
    "normal": lambda x: [x.mean() / x.var(), -0.5 / x.var()],
    "exponential": lambda x: [-1 / x.mean()],
    "Poisson": lambda x: [np.log(x.mean())],
    "binomial": lambda x: [special.logit(x.mean() / 10)],
    "geometric": lambda x: [np.log(x.mean() / (1 + x.mean()))],
    "Laplace": lambda x: [-1 / np.abs(x - 1.5).mean()],
    "Pareto": lambda x: [-1 - 1 / np.log(x / 2).mean()],
    "gamma": lambda x: (lambda a, _, scale: [a - 1, -1 / scale])(*stats.gamma.fit(x, floc=0)),
    "inverse gamma": lambda x: (lambda a, _, scale: [-a - 1, -scale])(*stats.invgamma.fit(x, floc=0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_maximum_likelihood_by_hand_or_by_scipy(name):
    _, family, _, draws = sampled(name)
    x = np.asarray(draws[:500, 1], float)
    np.testing.assert_allclose(
        family.maximum_likelihood(x), KNOWN[name](x), rtol=2e-3 if "inverse" in name else 1e-6
    )


@pytest.mark.slow
def test_maximum_likelihood_over_a_wide_range():
    shapes = jnp.geomspace(1e-3, 1e4, 15)
    back = jax.jit(lambda a: gamma_shape(jnp.log(a) - digamma(a)))(shapes)
    np.testing.assert_allclose(back, shapes, rtol=1e-9)
    concentration = jnp.asarray(10 ** np.random.default_rng(0).uniform(-2, 3, (100, 3)))
    family = DirichletFamily(3)
    back = jax.jit(lambda a: family.natural_from_mean(family.mean_parameters(a - 1)) + 1)(concentration)
    np.testing.assert_allclose(back, concentration, rtol=1e-8)


@pytest.mark.slow
def test_maximum_likelihood_can_be_differentiated():
    family, natural = GammaFamily(), jnp.array([1.0, -2.0])
    inverse = jax.jit(jax.jacobian(family.natural_from_mean))(family.mean_parameters(natural))
    forward = jax.jit(jax.jacobian(family.mean_parameters))(natural)
    np.testing.assert_allclose(inverse @ forward, np.eye(2), atol=1e-9)


def test_equal_values_have_no_likeliest_normal():
    assert not NormalFamily().is_proper(NormalFamily().maximum_likelihood(jnp.full(5, 2.0)))


IMPROPER = {
    "beta": [-1.0, 2.0],
    "Dirichlet": [0.0, 0.0, -1.5],
    "gamma": [1.0, 0.0],
    "chi squared": [-1.0, -1.0],
    "inverse gamma": [-1.0, -1.0],
    "exponential": [0.0],
    "Pareto": [-1.0],
    "normal": [3.0, 0.0],
    "log-normal": [3.0, 0.1],
    "Laplace": [0.5],
    "geometric": [0.0],
    "negative binomial": [0.1],
    "normal-gamma": [1.0, -1.0, 2.0, -0.5],
    "multivariate normal": [0.0, 0.0, -1.0, 2.0, 2.0, -1.0],
    "Wishart": [-1.0, -1.0, 0.0, 0.0, -1.0],
    "inverse Wishart": [-2.0, -1.0, 0.0, 0.0, -1.0],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", IMPROPER)
def test_what_has_no_integral_is_not_proper(name):
    assert not family_of(MEMBERS[name]()).is_proper(jnp.asarray(IMPROPER[name]))


@pytest.mark.parametrize("r", [0.1, 1.0, 3.5])
@pytest.mark.parametrize("rate", [1e-3, 1.0, 40.0])
def test_expected_log_factorial_is_a_sum(rate, r):
    x = np.arange(400)
    exact = np.sum(stats.poisson.pmf(x, rate) * (special.gammaln(x + r) - special.gammaln(r)))
    found = expected_log_factorial(jnp.array(rate), lambda u: jnp.expm1(-rate * u), r)
    np.testing.assert_allclose(found, exact, rtol=1e-10)


def test_expanded_and_independent_distributions_are_read_by_element():
    inner = dist.Normal(array(0.0, 1.0, 2.0), 1.0)
    natural = family_of(inner).natural_parameters(inner.to_event(1).expand([4]))
    assert natural.shape == (4, 3, 2)
    np.testing.assert_array_equal(natural[2], family_of(inner).natural_parameters(inner))


def test_distributions_of_no_family_are_refused_by_name():
    with pytest.raises(TypeError, match="of an exponential family; got StudentT. Known: Bernoulli"):
        family_of(dist.StudentT(3.0))
    with pytest.raises(
        TypeError, match="Expected Gamma or Chi2; got Normal. Find its family with `family_of`."
    ):
        GammaFamily().natural_parameters(dist.Normal())


def test_known_constants_must_be_known_and_equal():
    assert family_of(dist.Binomial(jnp.full(3, 7), 0.5)).total_count == 7
    with pytest.raises(
        ValueError, match=r"Expected one total count for all elements; got 2, such as \[3, 5\]."
    ):
        family_of(dist.Binomial(jnp.array([3, 5]), 0.5))
    with pytest.raises(ValueError, match="Expected a centre that is a number; got a traced value."):
        jax.jit(lambda c: family_of(dist.Laplace(c, 1.0)).log_normalizer(-jnp.ones(1)))(0.0)


def test_the_support_of_the_normal_gamma():
    support = MeanAndPrecision()
    np.testing.assert_array_equal(support(array([0.0, 1.0], [1.0, 0.0], [np.nan, 1.0])), [True, False, False])
    assert support(support.feasible_like(jnp.ones((4, 2)))).all()
    assert support == MeanAndPrecision()
