"""Data with gaps say as much as all that they could have been, together."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan
from scipy import stats

import probdl as pdl
from probdl.distributions.partly_observed import PartlyObservedNormal

NAN = np.nan
MATRIX = np.array([[2.0, 0.7, 0.1], [0.7, 1.0, -0.3], [0.1, -0.3, 0.5]])


def of(program, y):
    return pdl.with_missing(pdl.Model(program, y))


def counts(y=None):
    rate = numpyro.sample("rate", dist.Gamma(2.0, 1.0))
    with numpyro.plate("n", 4):
        numpyro.sample("y", dist.Poisson(rate), obs=y)


def chain(y=None):
    table = jnp.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])

    def step(z, seen):
        z = numpyro.sample("z", dist.CategoricalProbs(jnp.array([[0.9, 0.1], [0.3, 0.7]])[z]))
        numpyro.sample("y", dist.CategoricalProbs(table[z]), obs=seen)
        return z, None

    scan(step, 0, y, length=4)


def vectors(y=None):
    with numpyro.plate("n", 3):
        numpyro.sample("y", dist.MultivariateNormal(jnp.array([1.0, 0.0, -1.0]), MATRIX), obs=y)


def rows(y=None):
    mean = numpyro.sample("mean", dist.Normal(0, 1).expand([2]).to_event(1))
    with numpyro.plate("n", 3):
        numpyro.sample("y", dist.Normal(mean, jnp.array([1.0, 2.0])).to_event(1), obs=y)


def test_missing_counts_are_as_if_they_had_not_been_asked_for():
    posterior = pdl.exact_posterior(of(counts, np.array([3.0, NAN, 0.0, NAN])))
    np.testing.assert_allclose(posterior.mean("rate"), (2 + 3) / (1 + 2), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("gaps", [[0], [1, 3], [0, 1, 2]])
def test_the_evidence_sums_what_is_missing_in_a_chain(gaps):
    y = np.array([2.0, 0.0, 1.0, 2.0])
    whole = []
    for values in np.ndindex(*(3,) * len(gaps)):
        y[gaps] = values
        whole.append(pdl.exact_posterior(pdl.Model(chain, y.astype(int))).log_evidence)
    y[gaps] = NAN
    found = pdl.exact_posterior(of(chain, y)).log_evidence
    np.testing.assert_allclose(found, np.logaddexp.reduce(whole), rtol=1e-12)


def test_a_normal_vector_keeps_the_marginal_of_what_was_seen():
    y = np.array([[NAN, 0.3, -0.2], [1.0, 2.0, 0.5], [NAN, NAN, NAN]])
    mean = np.array([1.0, 0.0, -1.0])
    expected = sum(
        stats.multivariate_normal(mean[seen], MATRIX[np.ix_(seen, seen)]).logpdf(row[seen])
        for row in y
        if (seen := ~np.isnan(row)).any()
    )
    np.testing.assert_allclose(of(vectors, y).log_joint({}), expected, rtol=1e-12)


def test_a_partly_observed_normal_integrates_to_one_over_what_is_seen():
    grid = np.linspace(-15, 15, 3001)
    with pdl.Precision.DOUBLE.active():
        normal = dist.MultivariateNormal(jnp.zeros(3), jnp.asarray(MATRIX))
        partly = PartlyObservedNormal(normal, jnp.array([True, False, False]))
        values = jnp.stack([grid, *np.random.default_rng(0).normal(size=(2, 3001))], -1)
        density = np.exp(partly.log_prob(values))
    np.testing.assert_allclose(density.sum() * 0.01, 1, rtol=1e-9)


@pytest.mark.slow
def test_independent_elements_are_missing_one_by_one():
    y = np.array([[1.0, NAN], [0.5, 2.0], [NAN, NAN]])
    posterior = pdl.exact_posterior(of(rows, y))
    precision = np.array([1 + 2, 1 + 1 / 4])
    np.testing.assert_allclose(posterior.mean("mean"), np.array([1.5, 2 / 4]) / precision, rtol=1e-9)
    np.testing.assert_allclose(posterior.variance("mean"), 1 / precision, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "y"),
    [
        (counts, np.array([3.0, NAN, 0.0, NAN])),
        (chain, np.array([2.0, NAN, NAN, 1.0])),
        (rows, np.array([[1.0, NAN], [0.5, 2.0], [NAN, NAN]])),
        (vectors, np.array([[NAN, 0.3, -0.2], [1.0, 2.0, 0.5], [NAN, NAN, NAN]])),
    ],
)
def test_conditioned_data_may_have_gaps_too(program, y):
    one, other = of(program, y), pdl.with_missing(pdl.Model(program).condition(y=y))
    values = {name: jnp.ones(site.shape, int) for name, site in one.sites.items() if site.is_latent}
    assert one.latents == other.latents
    assert one.log_joint(values) == other.log_joint(values)
    np.testing.assert_array_equal(
        one.sample(0, 3)["prior_predictive"]["y"], other.sample(0, 3)["prior_predictive"]["y"]
    )


def test_no_gap_changes_nothing():
    model = pdl.Model(counts, np.array([1, 2, 3, 4]))
    assert pdl.with_missing(model) is model


def test_slopes_are_finite():
    model = of(rows, np.array([[1.0, NAN], [0.5, 2.0], [NAN, NAN]]))
    slope = jax.grad(model.target.log_density)(jnp.zeros(2))
    np.testing.assert_allclose(slope, [1.5, 0.5], rtol=1e-6)


def test_what_is_held_stays_held():
    model = pdl.with_missing(pdl.Model(counts, np.array([3.0, NAN, 0.0, NAN])).do(rate=np.array(2.0)))
    assert model.latents == ()
    np.testing.assert_allclose(model.log_joint({}), stats.poisson(2).logpmf([3, 0]).sum(), rtol=1e-12)


@pytest.mark.slow
def test_em_of_a_monotone_pattern_is_the_regression_on_what_all_have():
    rng = np.random.default_rng(1)
    y = rng.multivariate_normal([1.0, -2.0], [[2.0, 1.2], [1.2, 1.5]], 60)
    y[40:, 1] = NAN

    def program(y):
        mean = numpyro.param("mean", jnp.zeros(2))
        covariance = numpyro.param("covariance", jnp.eye(2), constraint=dist.constraints.positive_definite)
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.MultivariateNormal(mean, covariance), obs=y)

    found = pdl.infer(of(program, y), pdl.EM(tolerance=1e-10), key=0).parameters
    first, both = y[:, 0], y[:40]  # Anderson (1957), Journal of the American Statistical Association 52
    within = np.cov(both.T, bias=True)
    slope = within[0, 1] / within[0, 0]
    mean = [first.mean(), both[:, 1].mean() + slope * (first.mean() - both[:, 0].mean())]
    residual = within[1, 1] - slope * within[0, 1]
    covariance = first.var() * np.array([[1, slope], [slope, slope**2]]) + np.diag([0, residual])
    np.testing.assert_allclose(found["mean"], mean, rtol=1e-5)
    np.testing.assert_allclose(found["covariance"], covariance, rtol=1e-5)


@pytest.mark.slow
def test_em_of_a_mixture_ends_where_the_density_of_what_was_seen_is_level():
    rng = np.random.default_rng(2)
    y = np.concatenate([rng.normal(-2, 1, (40, 2)), rng.normal(2, 1, (40, 2))])
    y[rng.uniform(size=y.shape) < 0.25] = NAN

    def program(y):
        weights = numpyro.param("weights", jnp.ones(2) / 2, constraint=dist.constraints.simplex)
        mean = numpyro.param("mean", jnp.array([[-1.0, -1.0], [1.0, 1.0]]))
        with numpyro.plate("n", len(y)):
            z = numpyro.sample("z", dist.CategoricalProbs(weights))
            numpyro.sample("y", dist.Normal(mean[z], 1.0).to_event(1), obs=y)

    found = pdl.infer(of(program, y), pdl.EM(tolerance=1e-10), key=0)

    def log_likelihood(mean):
        terms = jnp.where(jnp.isnan(y)[:, None], 0.0, -0.5 * jnp.square(jnp.nan_to_num(y)[:, None] - mean))
        return jax.scipy.special.logsumexp(terms.sum(-1) + jnp.log(found.parameters["weights"]), axis=1).sum()

    slope = jax.grad(log_likelihood)(found.parameters["mean"])
    constant = -0.5 * np.log(2 * np.pi) * (~np.isnan(y)).sum()
    np.testing.assert_allclose(slope, 0, atol=1e-3)
    np.testing.assert_allclose(
        log_likelihood(found.parameters["mean"]) + constant, found.data.attrs["objective"], rtol=1e-6
    )


def test_nothing_seen_is_refused():
    with pytest.raises(ValueError, match="value of site 'y' that is not NaN; got none of 4"):
        of(counts, np.full(4, NAN))


@pytest.mark.slow
def test_a_part_of_an_event_that_counts_as_a_whole_is_refused():
    def shares(y):
        with numpyro.plate("n", 2):
            numpyro.sample("y", dist.Dirichlet(jnp.ones(3)), obs=y)

    y = np.array([[0.2, 0.3, 0.5], [NAN, 0.5, 0.5]])
    with pytest.raises(ValueError, match=r"seen or not as a whole.*Dirichlet.*index \[1\]"):
        of(shares, y)
    y[1] = NAN
    np.testing.assert_allclose(of(shares, y).log_joint({}), np.log(2), rtol=1e-6)


def test_a_gap_that_nobody_announced_is_still_an_error():
    with pytest.raises(ValueError, match="with_missing"):
        pdl.infer(pdl.Model(counts, np.array([3.0, NAN, 0.0, NAN])), key=0)


def test_what_is_missing_may_not_enter_the_next_step():
    def program(y):
        def step(before, seen):
            now = numpyro.sample("y", dist.Normal(0.9 * before, 1.0), obs=seen)
            return now, None

        scan(step, 0.0, y)

    with pytest.raises(ValueError, match="missing values of 'y' to enter no other site; got 'y'"):
        of(program, np.array([1.0, NAN, 2.0]))
    assert of(program, np.array([1.0, 3.0, 2.0])).latents == ()


def test_what_is_missing_may_not_be_an_input_of_another_site():
    def program(x, y):
        with numpyro.plate("n", len(x)):
            shown = numpyro.sample("x", dist.Normal(0, 1), obs=x)
            numpyro.sample("y", dist.Normal(2 * shown, 1), obs=y)

    with pytest.raises(ValueError, match="at site 'y'"):
        pdl.with_missing(pdl.Model(program, np.array([1.0, NAN]), np.zeros(2)))
    gaps = pdl.with_missing(pdl.Model(program, np.zeros(2), np.array([1.0, NAN])))
    np.testing.assert_allclose(gaps.log_joint({}), stats.norm.logpdf([0, 0, 1]).sum(), rtol=1e-6)


def test_gaps_of_a_part_of_a_plate_are_not_passed_over():
    def program(y):
        mean = numpyro.sample("mean", dist.Normal(0, 1))
        with numpyro.plate("n", len(y), subsample_size=2) as i:
            numpyro.sample("y", dist.Normal(mean, 1), obs=y[i])

    with pytest.raises(ValueError, match="observation of site 'y' to be known before a run"):
        of(program, np.array([1.0, NAN, 2.0]))


def test_what_was_not_seen_is_neither_shown_as_data_nor_counted():
    y = np.array([3.0, NAN, 0.0, NAN])

    def program(y):
        rate = numpyro.param("rate", 1.0, constraint=dist.constraints.positive)
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Poisson(rate), obs=y)

    found = pdl.infer(of(program, y), pdl.EM(), key=0)
    np.testing.assert_array_equal(found.data["observed_data"]["y"], y)
    assert "constant_data" not in found.data.children
    np.testing.assert_allclose(
        found.data.attrs["bic"], np.log(2) - 2 * stats.poisson(1.5).logpmf([3, 0]).sum(), rtol=1e-6
    )


def test_a_hole_that_is_no_number_has_a_remedy():
    with pytest.raises(TypeError, match="site 'y' in condition.*write NaN and infer with_missing"):
        pdl.Model(counts).condition(y=[1.0, None, 2.0, 0.0])
