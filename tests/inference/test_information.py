"""Informations of elements: brute force over tables, closed forms of Gaussians, laws, draws against both."""

import dataclasses
import itertools
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats
from scipy.special import digamma

import probdl as pdl
from probdl.distributions.nearest_neighbours import (
    conditional_mutual_information_of_draws,
    kl_divergence_of_draws,
    mutual_information_of_draws,
)
from probdl.inference.elements import drawn
from probdl.inference.information import entropy_of, kl_divergence_of, mutual_information_of
from probdl.inference.result import Result
from probdl.program.datatree import tree
from probdl.program.sites import Site, SiteKind

RUNS, DRAWS, NEIGHBOURS = 20, 500, 3
P_Z, P_X, SEEN = np.array([0.5, 0.2, 0.3]), np.array([0.1, 0.6, 0.8]), np.array([0.3, 1.4])


def switches(y=None):
    z = numpyro.sample("z", dist.Categorical(P_Z))
    with numpyro.plate("n", 2):
        x = numpyro.sample("x", dist.Bernoulli(jnp.array(P_X)[z]))
        if y is not None:
            numpyro.sample("y", dist.Normal(x, 1.0), obs=y)


def line(y=None):
    mu = numpyro.sample("mu", dist.Normal(0.0, 2.0))
    with numpyro.plate("n", 3):
        x = numpyro.sample("x", dist.Normal(mu, 0.5))
        if y is not None:
            numpyro.sample("y", dist.Normal(x, 1.0), obs=y)


def mixed():
    z = numpyro.sample("z", dist.Bernoulli(0.3))
    numpyro.sample("x", dist.Normal(2.0 * z, 1.0))


def network(states=("low", "high")):
    tables = {
        "a": np.array([0.3, 0.7]),
        "b": np.array([[0.9, 0.1], [0.4, 0.6]]),
        "c": np.array([[[0.2, 0.8], [0.5, 0.5]], [[0.7, 0.3], [0.1, 0.9]]]),
    }
    parents = {"a": (), "b": ("a",), "c": ("a", "b")}
    return pdl.BayesianNetwork(dict.fromkeys("abc", states), parents, tables)


def table_of_switches(y):
    """Return p(z, x[0], x[1] | y) by enumeration."""
    table = np.empty((3, 2, 2))
    for z, x0, x1 in np.ndindex(table.shape):
        prior = P_Z[z] * stats.bernoulli.pmf([x0, x1], P_X[z]).prod()
        table[z, x0, x1] = prior * (1.0 if y is None else stats.norm.pdf(y, [x0, x1]).prod())
    return table / table.sum()


def gaussian_of_line(y):
    """Return mean and covariance of (mu, x[0], x[1], x[2]) by the prior's covariance, conditioned."""
    lift = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]])
    prior = lift @ np.diag([4, 0.25, 0.25, 0.25]) @ lift.T
    if y is None:
        return np.zeros(4), prior
    gain = prior[:, 1:] @ np.linalg.inv(prior[1:, 1:] + np.eye(3))
    return gain @ y, prior - gain @ prior[1:, :]


def entropy_of_table(table, at):
    return stats.entropy(table.sum(tuple(set(range(table.ndim)) - set(at))).ravel()) if at else 0.0


def entropy_of_gaussian(covariance, at):
    part = covariance[np.ix_(at, at)]
    return np.linalg.slogdet(2 * np.pi * np.e * part)[1] / 2 if len(at) else 0.0


def result_of(draws, model=None):
    """Return a result of draws (chain, draw, ...) by site."""
    sites = {name: Site(name, SiteKind.LATENT, array.shape[2:]) for name, array in draws.items()}
    return Result(tree({"posterior": draws}, sites if model is None else model.sites), model=model)


def flat(draws):
    """Return a result of draws (draw, ...) in two chains."""
    return result_of({name: a.reshape(2, -1, *a.shape[1:]) for name, a in draws.items()})


Y_LINE = np.array([1.0, -0.5, 2.0])


@pytest.fixture(scope="module")
def sources():
    found = {
        "table": pdl.exact_posterior(pdl.Model(switches, SEEN)),
        "table prior": pdl.exact_posterior(pdl.Model(switches)),
        "gaussian": pdl.exact_posterior(pdl.Model(line, Y_LINE)),
        "gaussian prior": pdl.exact_posterior(pdl.Model(line)),
        "network": pdl.exact_posterior(pdl.Model(network())),
    }
    return found | {"counts": flat(found["table"].sample(0, 400))}


ORACLES = {
    "table": lambda at: entropy_of_table(table_of_switches(SEEN), at),
    "gaussian": lambda at: entropy_of_gaussian(gaussian_of_line(Y_LINE)[1], at),
    "network": lambda at: entropy_of_table(network_table(), at),
}
NAMES = {
    "table": ["z", "x[0]", "x[1]"],
    "counts": ["z", "x[0]", "x[1]"],
    "gaussian": ["mu", "x[0]", "x[2]"],
    "network": ["a", "b", "c"],
}
PLACES = {"gaussian": [0, 1, 3]}
ROUNDING = 1e-12


def network_table():
    tables = network().tables
    return np.einsum("a,ab,abc->abc", *(tables[name] for name in "abc"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ORACLES)
def test_exact_against_an_oracle(sources, kind):
    source, names, oracle = sources[kind], NAMES[kind], ORACLES[kind]
    place = dict(zip(names, PLACES.get(kind, range(3)), strict=True))

    def entropy(*group):
        return oracle([place[name] for name in group])

    tolerance = {"rtol": 1e-9, "atol": ROUNDING}
    x, y, z = names
    for group in ((x,), (x, y, z)):
        np.testing.assert_allclose(entropy_of(source, *group), entropy(*group), **tolerance)
    information = entropy(x) + entropy(y) - entropy(x, y)
    np.testing.assert_allclose(mutual_information_of(source, x, y), information, **tolerance)
    for other, given in ((y, z), (z, y)):
        conditional = entropy(x, given) + entropy(y, z) - entropy(x, y, z) - entropy(given)
        np.testing.assert_allclose(mutual_information_of(source, x, other, given), conditional, **tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMES)
def test_laws(sources, kind):
    source, (x, y, z), tolerance = sources[kind], NAMES[kind], ROUNDING
    information = mutual_information_of(source, x, [y, z])
    chain_rule = mutual_information_of(source, x, z) + mutual_information_of(source, x, y, given=[z])
    assert abs(information - chain_rule) < tolerance
    assert abs(information - mutual_information_of(source, [z, y], x)) < tolerance
    assert information > 0
    entropies = entropy_of(source, x) + entropy_of(source, y, z) - entropy_of(source, x, y, z)
    assert abs(information - entropies) < tolerance
    assert abs(kl_divergence_of(source, source, x, y, z)) < tolerance


def test_slices_and_sites_stand_for_their_elements(sources):
    assert entropy_of(sources["table"], "x") == entropy_of(sources["table"], "x[0]", "x[1]")
    assert entropy_of(sources["counts"], "x") == entropy_of(sources["counts"], "x[0]", "x[1]")
    whole = mutual_information_of(sources["gaussian"], "mu", "x[:2]")
    assert whole == mutual_information_of(sources["gaussian"], "mu", ["x[0]", "x[1]"])


def test_divergence_from_the_prior_is_the_information_gained(sources):
    p, q = table_of_switches(SEEN), table_of_switches(None)
    found = kl_divergence_of(sources["table"], sources["table prior"], "z", "x")
    np.testing.assert_allclose(found, stats.entropy(p.ravel(), q.ravel()), rtol=1e-9)
    one = kl_divergence_of(sources["table"], sources["table prior"], "z")
    np.testing.assert_allclose(one, stats.entropy(p.sum((1, 2)), q.sum((1, 2))), rtol=1e-9)
    assert 0 < one < found


@pytest.mark.slow
def test_divergence_of_gaussians(sources):
    (m, s), (n, t) = (gaussian_of_line(y) for y in (Y_LINE, None))
    d, inverse = m - n, np.linalg.inv(t)
    log_ratio = np.linalg.slogdet(t)[1] - np.linalg.slogdet(s)[1]
    expected = (np.trace(inverse @ s) + d @ inverse @ d - 4 + log_ratio) / 2
    found = kl_divergence_of(sources["gaussian"], sources["gaussian prior"], "mu", "x")
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_evidence_of_a_network(sources):
    given = sources["network"].given(c=1)
    table = network_table()[..., 1] / network_table()[..., 1].sum()
    np.testing.assert_allclose(entropy_of(given, "a", "b"), stats.entropy(table.ravel()), rtol=1e-12)
    gained = stats.entropy(table.ravel(), network_table().sum(2).ravel())
    np.testing.assert_allclose(kl_divergence_of(given, sources["network"], "a", "b"), gained, rtol=1e-9)
    assert entropy_of(given, "c") == 0


def test_exact_tables_and_draws_can_be_compared(sources):
    table, counts = sources["table"].joint("z", "x"), np.zeros((3, 2, 2))
    result = sources["counts"]
    rows = [result["z"].to_numpy().ravel(), *result["x"].to_numpy().reshape(-1, 2).T]
    np.add.at(counts, tuple(rows), 1)
    expected = stats.entropy(counts.ravel(), table.ravel())
    np.testing.assert_allclose(kl_divergence_of(result, sources["table"], "z", "x"), expected, rtol=1e-9)
    np.testing.assert_allclose(entropy_of(result, "z", "x"), stats.entropy(counts.ravel()), rtol=1e-12)


def test_values_not_their_codes_are_compared():
    low, high = flat({"k": np.array([0, 1, 0, 1])}), flat({"k": np.array([1, 2, 1, 2])})
    assert kl_divergence_of(low, high, "k") == np.inf
    assert kl_divergence_of(low, flat({"k": np.array([0, 1, 2, 2])}), "k") == pytest.approx(np.log(2))


def mean_and_error(estimates):
    return np.mean(estimates), 5 * np.std(estimates, ddof=1) / np.sqrt(len(estimates))


@pytest.mark.slow
def test_bias_of_frequencies():
    """Means are off by what the docstrings say, up to the next order, of sum(1 / p) / n^2."""
    number, p = 200, np.array([0.5, 0.3, 0.2])
    rng = np.random.default_rng(0)
    draws = [{name: rng.choice(3, number, p=p) for name in "xyz"} for _ in range(200)]
    results = [flat(d) for d in draws]
    nearly = 9 * (1 / p).sum() / number**2
    mean, error = mean_and_error([entropy_of(r, "x") for r in results])
    assert abs(mean - stats.entropy(p) + 2 / (2 * number)) < error + nearly
    mean, error = mean_and_error([mutual_information_of(r, "x", "y") for r in results])
    assert abs(mean - 4 / (2 * number)) < error + nearly
    pairs = itertools.pairwise(results)
    mean, error = mean_and_error(
        [kl_divergence_of(r, s, "x") for r, s in itertools.islice(pairs, 0, None, 2)]
    )
    assert abs(mean - 2 / number) < error + nearly


def bias(dimension):
    """Return the order of the bias of nearest neighbours: the radius that holds them, squared."""
    return (NEIGHBOURS / DRAWS) ** (2 / dimension)


@pytest.fixture(scope="module")
def runs(sources):
    def cut(source, seed):
        draws = source.sample(seed, RUNS * DRAWS)
        return [flat({n: a[i::RUNS] for n, a in draws.items()}) for i in range(RUNS)]

    return cut(sources["gaussian"], 1), cut(sources["gaussian prior"], 2)


@pytest.mark.slow
def test_draws_against_the_exact_posterior(sources, runs):
    exact, prior = sources["gaussian"], sources["gaussian prior"]
    mean, error = mean_and_error([entropy_of(r, "mu") for r in runs[0]])
    assert abs(mean - entropy_of(exact, "mu")) < error + bias(1)
    pairs = zip(*runs, strict=True)
    mean, error = mean_and_error([kl_divergence_of(r, s, "mu") for r, s in pairs])
    assert abs(mean - kl_divergence_of(exact, prior, "mu")) < error + bias(1)


@pytest.mark.parametrize("scale", [1.0, 1e-5])
def test_units_do_not_matter(scale):
    """x and y share z; a coordinate in small units counts as much as the others."""

    def result(seed):
        z, e, f = np.random.default_rng(seed).normal(size=(3, DRAWS))
        return flat({"x": scale * (z + e), "y": z + e + f, "z": z})

    results = [result(seed) for seed in range(RUNS)]
    mean, error = mean_and_error([mutual_information_of(r, "x", "y") for r in results])
    assert abs(mean - np.log(3) / 2) < error + bias(2)
    mean, error = mean_and_error([mutual_information_of(r, "x", "y", "z") for r in results])
    assert abs(mean - np.log(2) / 2) < error + bias(3)
    wider = [flat({"x": 2 * r["x"].to_numpy().ravel()}) for r in results]
    pairs = zip(results, wider[1:] + wider[:1], strict=True)
    mean, error = mean_and_error([kl_divergence_of(r, w, "x") for r, w in pairs])
    assert abs(mean - (np.log(2) + 1 / 8 - 1 / 2)) < error + bias(1)
    mean, error = mean_and_error([entropy_of(r, "x", "y") for r in results])
    assert abs(mean - np.log(2 * np.pi * np.e * scale * np.sqrt(2))) < error + bias(2)


def test_divergence_of_draws():
    def estimate(seed):
        rng = np.random.default_rng(seed)
        return kl_divergence_of_draws(rng.normal(size=(DRAWS, 2)), rng.normal(0.5, 1.5, (3 * DRAWS, 2)))

    mean, error = mean_and_error([estimate(seed) for seed in range(RUNS)])
    exact = 2 * (np.log(1.5) + (1 + 0.25) / (2 * 1.5**2) - 0.5)
    assert abs(mean - exact) < error + bias(2)


@pytest.mark.parametrize("neighbours", [1, 3])
def test_estimates_by_counting(neighbours):
    x, y, z = np.random.default_rng(0).normal(size=(3, 30, 1))
    terms, ratios = [], []
    for i in range(30):
        dx, dy, dz = (np.abs(np.delete(v, i) - v[i]) for v in (x, y, z))
        radius = np.sort(np.maximum(np.maximum(dx, dy), dz))[neighbours - 1]
        inside = [(d < radius).sum() + 1 for d in (dz, np.maximum(dx, dz), np.maximum(dy, dz))]
        terms.append(digamma(inside[0]) - digamma(inside[1]) - digamma(inside[2]))
        ratios.append(np.sort(np.abs(y[:20] - x[i]).ravel())[neighbours - 1] / np.sort(dx)[neighbours - 1])
    by_hand = digamma(neighbours) + np.mean(terms)
    found = conditional_mutual_information_of_draws(x, y, z, neighbours)
    np.testing.assert_allclose(found, by_hand, rtol=1e-10)
    unconditional = conditional_mutual_information_of_draws(x, y, np.empty((30, 0)), neighbours)
    assert unconditional == mutual_information_of_draws(x, y, neighbours)
    by_hand = np.mean(np.log(ratios)) + np.log(20 / 29)
    np.testing.assert_allclose(kl_divergence_of_draws(x, y[:20], neighbours), by_hand, rtol=1e-10)


def two_plates():
    """Return a result whose outer plate is the last axis, as NumPyro has it, beside a padded site."""
    x = Site("x", SiteKind.LATENT, (3, 2), plates=("outer", "inner"), axes=(("inner", 0), ("outer", 1)))
    s = Site(
        "s", SiteKind.LATENT, (4, 2, 5), plates=("outer",), scan="time", axes=(("outer", 1), ("time", 0))
    )
    padded = Site("padded", SiteKind.LATENT, (3, 1), plates=("inner",), axes=(("inner", 0),))
    model = SimpleNamespace(sites={site.name: site for site in (x, s, padded)})
    rng = np.random.default_rng(0)
    draws = {name: rng.normal(size=(2, 6, *site.shape)) for name, site in model.sites.items()}
    return result_of(draws | {"added": rng.normal(size=(2, 6, 2))}, model=model)


def test_axes_are_named_in_the_order_of_the_program():
    result = two_plates()
    found, columns = drawn(result, ["x[1,2]", "s[3,1,4]", "padded[2]", "x[1,:2]", "added[1]"], "here")
    assert [place.name for place in found] == [
        "x[1,2]",
        "s[3,1,4]",
        "padded[2,0]",
        "x[1,0]",
        "x[1,1]",
        "added[1]",
    ]
    expected = [
        result["x"].sel(outer=1, inner=2),
        result["s"].sel(time=3, outer=1)[..., 4],
        result["padded"].sel(inner=2),
        result["x"].sel(outer=1, inner=0),
        result["x"].sel(outer=1, inner=1),
        result["added"][..., 1],
    ]
    for column, array in zip(columns, expected, strict=True):
        np.testing.assert_array_equal(column, array.to_numpy().ravel())


def test_results_without_a_model():
    loaded = dataclasses.replace(two_plates(), model=None)
    assert len(drawn(loaded, ["x", "padded[2]"], "here")[0]) == 7
    with pytest.raises(
        ValueError, match=r"knows its model for 'x\[1,2\]', since 'x' has several axes.*Set it"
    ):
        entropy_of(loaded, "x[1,2]")


@pytest.mark.slow
def test_what_has_no_such_information(sources):
    both = pdl.exact_posterior(pdl.Model(mixed))
    assert entropy_of(both, "z") == pytest.approx(stats.bernoulli(0.3).entropy())
    with pytest.raises(
        ValueError, match=r"in entropy_of; got x beside 'z'\. Pass the Result of infer\(...\) instead"
    ):
        entropy_of(both, "x")
    with pytest.raises(
        ValueError, match=r"in mutual_information_of; got x, z beside 'z'\. Pass the Result of infer"
    ):
        mutual_information_of(both, "x", "z")
    rng = np.random.default_rng(0)
    draws = flat({"z": rng.integers(0, 2, 20), "x": rng.normal(size=20), "same": np.ones(20)})
    with pytest.raises(ValueError, match=r"all continuous in a divergence; got z, x\. Ask about them apart"):
        kl_divergence_of(draws, draws, "z", "x")
    with pytest.raises(ValueError, match=r"got draws of discrete and continuous values\. Give the exact"):
        kl_divergence_of(
            sources["gaussian"],
            flat({"mu": rng.normal(size=20), "x": np.arange(60).reshape(20, 3)}),
            "mu",
            "x",
        )
    with pytest.raises(ValueError, match=r"several draws of a state of i; got 20 draws that all differ"):
        entropy_of(flat({"i": np.arange(20), "x": rng.normal(size=20)}), "i", "x")
    with pytest.raises(ValueError, match=r"some have the same discrete values; got 20 that all differ"):
        mutual_information_of(flat({"i": np.arange(20), "x": rng.normal(size=20)}), "i", "x")
    with pytest.raises(
        ValueError, match=r"Expected finite draws that vary; got 1 to 1 for 'same'\. Leave it out"
    ):
        entropy_of(draws, "x", "same")
    with pytest.raises(
        ValueError, match=r"Expected an exact Gaussian of mu in both; got draws of a continuous"
    ):
        kl_divergence_of(sources["gaussian"], flat({"mu": rng.normal(size=20)}), "mu")
    with pytest.raises(
        ValueError, match=r"Expected discrete values of x\[0\] in both; got an exact Gaussian"
    ):
        kl_divergence_of(sources["table"], sources["gaussian"], "x[0]")


@pytest.mark.slow
def test_messages(sources):
    table, counts = sources["table"], sources["counts"]
    with pytest.raises(
        TypeError, match=r"Expected an exact posterior or a result in entropy_of; got 3\. Call exact"
    ):
        entropy_of(3, "x")
    for source in (table, counts):
        with pytest.raises(pdl.SiteNotFound, match=r"site in the posterior; got 'zz'\. Did you mean 'z'\?"):
            entropy_of(source, "zz")
        with pytest.raises(IndexError, match=r"Expected an index from 0 to 1 .* in entropy_of; got 'x\[2\]'"):
            entropy_of(source, "x[2]")
        with pytest.raises(
            ValueError, match=r"Expected each element once in mutual_information_of; got 'x\[0\]' twice"
        ):
            mutual_information_of(source, "x[0]", "x")
        with pytest.raises(ValueError, match=r"in entropy_of; got 0, of no name"):
            entropy_of(source)
        with pytest.raises(
            ValueError, match=r"Expected a name or more in first and in second; got \['z'\] and \[\]"
        ):
            mutual_information_of(source, "z", ())
    with pytest.raises(ValueError, match=r"Expected a variable or more in entropy_of; got none"):
        entropy_of(sources["network"])
    with pytest.raises(
        ValueError, match=r"Expected the same elements in both; got x\[0\], x\[1\] and x\[0\], x\[1\], x\[2\]"
    ):
        kl_divergence_of(table, sources["gaussian prior"], "x")
    turned = pdl.exact_posterior(pdl.Model(network(("high", "low"))))
    with pytest.raises(
        ValueError, match=r"Expected 'a' to have the same states in both; got \('low', 'high'\) and"
    ):
        kl_divergence_of(sources["network"], turned, "a")


def test_messages_of_estimates():
    x = np.random.default_rng(0).normal(size=9)
    with pytest.raises(ValueError, match=r"Expected as many draws of both; got 9 and 8"):
        conditional_mutual_information_of_draws(x, x, x[:8])
    with pytest.raises(ValueError, match=r"Expected draws of one dimension; got 1 and 2\. Compare the same"):
        kl_divergence_of_draws(x, np.zeros((9, 2)))
    with pytest.raises(
        ValueError, match=r"got 9 that equal 3 others or more\. Use `kl_divergence` on tables"
    ):
        kl_divergence_of_draws(np.zeros(9), x)
