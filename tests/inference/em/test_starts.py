"""Where EM begins, and in which order it leaves components."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan
from numpyro.distributions import constraints

import probdl as pdl
from probdl.inference.em.clusters import observations_of
from probdl.inference.em.expected import Expected, Seen
from probdl.inference.em.stepping import Stepping
from probdl.program.parameters import Parameters

R = np.random.default_rng(3)
CENTRES = np.array([[4.0, 0.0], [-4.0, 1.0], [0.0, 8.0]])
LABELS = np.repeat([0, 1, 2], [30, 20, 10])
POINTS = CENTRES[LABELS] + R.normal(size=(60, 2))


def mixture(x):
    weights = numpyro.param("weights", jnp.ones(3) / 3, constraint=constraints.simplex)
    means = numpyro.param("means", jnp.zeros((3, 2)))
    with numpyro.plate("n", len(x)):
        z = numpyro.sample("z", dist.CategoricalProbs(weights))
        numpyro.sample("x", dist.Normal(means[z], 1.0).to_event(1), obs=x)


def chain(y):
    moves = numpyro.param("moves", jnp.full((2, 2), 0.5), constraint=constraints.simplex)
    rates = numpyro.param("rates", jnp.array([5.0, 5.0]), constraint=constraints.positive)

    def step(z, seen):
        z = numpyro.sample("z", dist.CategoricalProbs(moves[z]))
        numpyro.sample("y", dist.Poisson(rates[z]), obs=seen)
        return z, None

    scan(step, numpyro.sample("first", dist.CategoricalProbs(jnp.array([0.5, 0.5]))), y)


def table(y):
    """Latents in two plates, whose axes the data have the other way round."""
    means = numpyro.param("means", jnp.zeros(2))
    inner, outer = numpyro.plate("inner", y.shape[1], dim=-1), numpyro.plate("outer", y.shape[0], dim=-2)
    with inner, outer:
        z = numpyro.sample("z", dist.Bernoulli(0.5))
        numpyro.sample("y", dist.Normal(means[z], 1.0), obs=y)


def begun(model, states):
    """Where the M-step from some states leads to."""
    method = pdl.EM()
    with pdl.Precision.DOUBLE.active():
        integral = method._found(model).integral
        plain = Expected(integral, Parameters.of(model, method.estimated(model)))
        steps = Stepping(plain, model, Seen(model.arrays(pdl.Precision.DOUBLE), {}), 10)
        start = np.asarray(plain.parameters.start(steps.seen.arrays, jax.random.key(0)))
        found = plain.parameters.values(steps.seen.arrays, jnp.asarray(steps.begun(start, states)))
    return {name: np.asarray(value) for name, value in found.items()}


def test_states_lead_to_the_means_of_their_observations():
    shares = R.dirichlet(np.ones(3), len(POINTS))
    found = begun(pdl.Model(mixture, POINTS), {"z": np.log(shares)})
    np.testing.assert_allclose(found["weights"], shares.mean(0), rtol=1e-9)
    np.testing.assert_allclose(found["means"], shares.T @ POINTS / shares.sum(0)[:, None], rtol=1e-9)


def test_states_of_a_chain_lead_to_its_counts():
    states, y = np.array([0, 0, 1, 1, 1, 0]), np.array([1, 2, 9, 8, 10, 3])
    with np.errstate(divide="ignore"):
        found = begun(pdl.Model(chain, y), {"z": np.log(np.eye(2)[states] * (1 - 2e-12) + 1e-12)})
    np.testing.assert_allclose(found["rates"], [2.0, 9.0], rtol=1e-9)
    np.testing.assert_allclose(found["moves"], [[3 / 5, 2 / 5], [3 / 7, 4 / 7]], rtol=1e-9)


def test_states_lie_along_their_plates_whatever_the_order():
    y = R.normal(size=(2, 3))
    states = np.array([[0, 1, 1], [1, 0, 1]])
    found = begun(pdl.Model(table, y), {"z": np.log(np.eye(2)[states] * (1 - 2e-12) + 1e-12)})
    np.testing.assert_allclose(found["means"], [y[states == k].mean() for k in (0, 1)], rtol=1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::probdl.InferenceWarning")
def test_clusters_find_what_a_symmetric_start_cannot():
    model = pdl.Model(mixture, POINTS)
    stuck = pdl.infer(model, pdl.EM(), key=0)
    found = pdl.infer(model, pdl.EM(start=pdl.KMeansStart(), order_by="weights"), key=0)
    np.testing.assert_allclose(stuck.parameters["means"], np.tile(POINTS.mean(0), (3, 1)), rtol=1e-6)
    states = found.data["responsibilities"]["z"].to_numpy().argmax(-1)
    np.testing.assert_array_equal(states, np.array([2, 1, 0])[LABELS])
    assert found.data.attrs["objective"] > stuck.data.attrs["objective"]


def test_what_is_clustered_are_the_data_of_the_place():
    model = pdl.Model(mixture, POINTS)
    expected = (POINTS - POINTS.mean(0)) / POINTS.std(0)
    np.testing.assert_allclose(observations_of(model, ("n",)), expected, rtol=1e-12)
    assert observations_of(model, ()) is None


@pytest.mark.parametrize("masked", [False, True])
def test_what_was_not_seen_is_clustered_at_the_mean(masked):
    gaps = POINTS + 50.0
    gaps[::5, 0] = np.nan

    def program(x):
        with numpyro.plate("n", len(x)), numpyro.handlers.mask(mask=~np.isnan(gaps).any(1)):
            numpyro.sample("x", dist.Normal(0.0, 1.0).expand([2]).to_event(1), obs=x)

    model = pdl.Model(program, gaps) if masked else pdl.with_missing(pdl.Model(mixture, gaps))
    rows = observations_of(model, ("n",))
    assert rows is not None
    kept = ~np.isnan(gaps[:, 0])
    np.testing.assert_array_equal(rows[~kept, 0], 0)
    np.testing.assert_allclose(
        rows[kept, 0], (gaps[kept, 0] - gaps[kept, 0].mean()) / gaps[kept, 0].std(), rtol=1e-6
    )


def test_categories_are_clustered_as_indicators():
    def words(y):
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.CategoricalProbs(jnp.ones(3) / 3), obs=y)

    rows = observations_of(pdl.Model(words, np.array([0, 2, 2, 1])), ("n",))
    assert rows is not None
    assert rows.shape == (4, 3)
    np.testing.assert_allclose(rows[1], rows[2])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["weights", "means"])
def test_components_are_in_order_and_all_that_belongs_to_them_with_them(name):
    model = pdl.Model(mixture, POINTS)
    plain, sorted_ = (
        pdl.infer(model, pdl.EM(start=pdl.KMeansStart(), order_by=by), key=1) for by in (None, name)
    )
    key = plain.parameters[name].reshape(3, -1)[:, 0]
    order = np.argsort(key)
    for site in ("weights", "means"):
        np.testing.assert_allclose(sorted_.parameters[site], plain.parameters[site][order], rtol=1e-9)
    given, before = (r.data["responsibilities"]["z"].to_numpy() for r in (sorted_, plain))
    np.testing.assert_allclose(given, before[:, order], atol=1e-9)


@pytest.mark.slow
def test_both_axes_of_transitions_are_exchanged():
    y = np.repeat([9, 1, 8, 2], [6, 4, 5, 7]) + np.tile([0, 1], 11)
    model = pdl.Model(chain, y)
    found = pdl.infer(model, pdl.EM(start=pdl.KMeansStart(), order_by="rates"), key=0)
    assert (np.diff(found.parameters["rates"]) > 0).all()
    assert (np.diag(found.parameters["moves"]) > 0.5).all()
    np.testing.assert_allclose(
        found.data.attrs["objective"],
        pdl.exact_posterior(model.do(**found.parameters)).log_evidence,
        rtol=1e-9,
    )


@pytest.mark.slow
def test_components_that_cannot_be_exchanged_are_left_and_named():
    def program(y):
        means = numpyro.param("means", jnp.array([1.0, -1.0]))
        with numpyro.plate("n", len(y)):
            z = numpyro.sample("z", dist.Bernoulli(0.9))
            numpyro.sample("y", dist.Normal(means[z], 1.0), obs=y)

    y = np.concatenate([R.normal(3, 1, 5), R.normal(-3, 1, 45)])
    with pytest.warns(pdl.InferenceWarning, match="UNORDERED: no exchange of components by 'means'"):
        found = pdl.infer(pdl.Model(program, y), pdl.EM(order_by="means"), key=0)
    assert found.parameters["means"][0] > found.parameters["means"][1]


def test_bad_input():
    def continuous(y):
        spread = numpyro.param("spread", 1.0, constraint=constraints.positive)
        with numpyro.plate("n", len(y)):
            x = numpyro.sample("x", dist.Normal(0, spread))
            numpyro.sample("y", dist.Normal(x, 1.0), obs=y)

    y = R.normal(size=5)
    with pytest.raises(ValueError, match="'x', which is integrated as a Gaussian"):
        pdl.infer(pdl.Model(continuous, y), pdl.EM(start=pdl.KMeansStart()), key=0)
    with pytest.raises(pdl.SiteNotFound, match=r"order_by of EM.*'sprad'.*'spread'"):
        pdl.infer(pdl.Model(continuous, y), pdl.EM(order_by="sprad"), key=0)
    with pytest.raises(pdl.NotApplicable, match="'spread' in order_by is one number"):
        pdl.infer(pdl.Model(continuous, y), pdl.EM(order_by="spread"), key=0)
    with pytest.raises(ValueError, match="certainty between 0 and 1"):
        pdl.KMeansStart(certainty=1.0)
    with pytest.raises(TypeError, match="KMeansStart"):
        pdl.EM(start="kmeans")  # pyright: ignore[reportArgumentType]
