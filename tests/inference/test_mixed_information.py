"""Informations of discrete and continuous draws together: closed forms, laws, scikit-learn, sums by hand."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats
from scipy.special import digamma
from sklearn.feature_selection._mutual_info import _compute_mi_cd

import probdl as pdl
from probdl.distributions.mixed_draws import MixedDraws, information_of_mixed_draws
from probdl.inference.information import entropy_of, mutual_information_of
from tests.inference.test_information import flat, mean_and_error

RUNS, DRAWS, NEIGHBOURS = 20, 1000, 3
P, MEANS, SCALES = np.array([0.5, 0.3, 0.2]), np.array([0.0, 5.0, -3.0]), np.array([1.0, 0.5, 2.0])
RAREST = 0.2
RHO = np.array([0.0, 0.9, -0.5])


def bias(dimension, share=RAREST):
    """Return the order of the bias in the rarest state: the radius that holds the neighbours, squared."""
    return (NEIGHBOURS / (share * DRAWS)) ** (2 / dimension)


def mixture(rng):
    z = rng.choice(3, DRAWS, p=P)
    return {"z": z, "x": rng.normal(MEANS[z], SCALES[z])}


def uniform(rng):
    z = rng.integers(0, 3, DRAWS)
    return {"z": z, "x": z + rng.uniform(0, 2, DRAWS)}


def spike(rng):
    z = rng.random(DRAWS) < 0.4
    return {"z": z.astype(int), "x": np.where(z, rng.normal(size=DRAWS), 0.0)}


def pairs(rng):
    z = rng.choice(3, DRAWS, p=P)
    x, e = rng.normal(size=(2, DRAWS))
    return {"z": z, "x": x + 10 * z, "y": 1e-4 * (RHO[z] * x + np.sqrt(1 - RHO[z] ** 2) * e)}


def codes(rng):
    """Two codes that one normal variable decides with some noise, and nothing else links."""
    x, e, f = rng.normal(size=(3, DRAWS))
    return {"a": (x + e > 0).astype(int), "b": (x + f > 0).astype(int), "x": x}


def results(draw):
    return [flat(draw(np.random.default_rng(seed))) for seed in range(RUNS)]


# The draws beside a spike whose neighbours are further away than it count all of it.
SPIKE = NEIGHBOURS / (0.4 * DRAWS) * np.log(DRAWS)
INFORMATION = {
    "uniform": (uniform, ("z", "x"), np.log(3) - 2 * np.log(2) / 3, bias(1, 1 / 3)),
    "a spike": (spike, ("z", "x"), stats.entropy([0.4, 0.6]), SPIKE),
    "given a state": (pairs, ("x", "y", "z"), P @ (-np.log(1 - RHO**2) / 2), bias(2)),
    "given what explains it": (codes, ("a", "b", "x"), 0.0, bias(1, 0.25)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", INFORMATION)
def test_information_against_closed_forms(name):
    draw, names, exact, order = INFORMATION[name]
    mean, error = mean_and_error([mutual_information_of(r, *names) for r in results(draw)])
    assert abs(mean - exact) < error + order


def test_entropy_against_a_closed_form():
    within = P @ stats.norm(MEANS, SCALES).entropy()
    mean, error = mean_and_error([entropy_of(r, "z", "x") for r in results(mixture)])
    frequencies = 2 / (2 * DRAWS)
    assert abs(mean - stats.entropy(P) - within) < error + frequencies + bias(1)


def test_information_is_entropy_that_goes():
    found = results(mixture)
    gone = [entropy_of(r, "z") + entropy_of(r, "x") - entropy_of(r, "z", "x") for r in found]
    told = [mutual_information_of(r, "z", "x") for r in found]
    mean, error = mean_and_error(np.subtract(gone, told))
    assert abs(mean) < error + 3 * bias(1)
    assert told[0] == pytest.approx(mutual_information_of(found[0], "x", "z"), abs=1e-12)


def test_units_and_codes_do_not_matter():
    draws = mixture(np.random.default_rng(0))
    other = {"z": np.array([70, -4, 9])[draws["z"]], "x": 1e6 * draws["x"]}
    one, two = flat(draws), flat(other)
    told = mutual_information_of(one, "z", "x")
    assert mutual_information_of(two, "z", "x") == pytest.approx(told, rel=1e-9)
    scaled = entropy_of(one, "z", "x") + np.log(1e6)
    assert entropy_of(two, "z", "x") == pytest.approx(scaled, rel=1e-9)


def parts(z=None, x=None, *, size=60):
    states = np.empty((size, 0), int) if z is None else z[:, None]
    return MixedDraws(states, np.empty((size, 0)) if x is None else x[:, None])


@pytest.mark.parametrize("neighbours", [1, 3])
def test_one_of_each_is_what_sklearn_finds(neighbours):
    rng = np.random.default_rng(1)
    z = np.concatenate([rng.choice(3, 57, p=P), [7, 8, 8]])  # one state with one draw, one with two
    x = rng.normal(z, 1.0)
    found = information_of_mixed_draws(parts(z), parts(x=x), parts(), neighbours)
    assert found == pytest.approx(_compute_mi_cd(x, z, neighbours), rel=1e-10)


def test_given_a_code_by_counting():
    rng = np.random.default_rng(2)
    z, x, y = rng.integers(0, 2, 60), *rng.normal(size=(2, 60))
    terms = []
    for i in range(60):
        same = (z == z[i]) & (np.arange(60) != i)
        dx, dy = np.abs(x[same] - x[i]), np.abs(y[same] - y[i])
        radius = np.sort(np.maximum(dx, dy))[2]
        counts = [same.sum() + 1, (dx < radius).sum() + 1, (dy < radius).sum() + 1]
        terms.append(digamma(3) + digamma(counts[0]) - digamma(counts[1]) - digamma(counts[2]))
    found = information_of_mixed_draws(parts(x=x), parts(x=y), parts(z))
    assert found == pytest.approx(np.mean(terms), rel=1e-10)


@pytest.mark.slow
def test_draws_of_a_posterior():
    def program(y=None):
        z = numpyro.sample("z", dist.Categorical(P))
        mu = numpyro.sample("mu", dist.Normal(jnp.asarray(MEANS)[z], jnp.asarray(SCALES)[z]))
        if y is not None:
            numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    result = pdl.infer(pdl.Model(program, 2.0), key=0)
    spread = SCALES**2 + 1
    weights = P * stats.norm.pdf(2.0, MEANS, np.sqrt(spread))
    weights /= weights.sum()
    exact = stats.entropy(weights) + weights @ stats.norm(scale=SCALES / np.sqrt(spread)).entropy()
    draws = {name: result[name].to_numpy().ravel() for name in ("z", "mu")}
    blocks = [flat({n: a[i::RUNS] for n, a in draws.items()}) for i in range(RUNS)]
    error = mean_and_error([entropy_of(b, "z", "mu") for b in blocks])[1]
    assert abs(entropy_of(result, "z", "mu") - exact) < error + bias(1)
    assert 0 < mutual_information_of(result, "z", "mu") < stats.entropy(weights) + error
