"""What can be asked of an exact posterior beyond single sites: by brute force, closed forms, identities."""

import functools

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan
from scipy.special import digamma

import probdl as pdl
from probdl.exact.posteriors.updating import updated
from tests.exact import programs
from tests.exact.brute_force import enumerate_discrete, mixed

ROUNDING = 1e-9

JOINT = {
    "across a scan": ("hmm", "z_0", "z[0]", "z[5]"),
    "across plates": ("crossed_plates", "b[1]", "a"),
    "entries of vectors": ("vectors_of_bernoullis_in_a_plate", "bits[0,1:]", "bits[-1,0]"),
    "a scan of a plate": ("hmms_in_a_plate", "z[1,0]", "z_0[1]", "z[2,1]"),
    "of any support": ("one_of_each_support", "c", "d", "b"),
    "steps that go together": ("hmm_of_second_order", "z[1]", "z[4]"),
    "forbidden states": ("hmm_with_a_forbidden_transition", "z[0]", "z[3]"),
    "chains side by side": ("coupled_hmm", "a[0]", "b[3]", "a[2]"),
    "a chain given a regime": ("hmm_with_a_regime", "z[0]", "regime", "z[4]"),
    "a grid": ("ising_of_an_array", "s[0,0]", "s[1,2]", "s[1,0]"),
    "looked up": ("two_gathers", "a[0]", "b[1]", "a[1]"),
}
SLOW = set(JOINT) - {"entries of vectors", "a scan of a plate", "a chain given a regime"}


def cases(table, slow):
    marks = {name: pytest.mark.slow if name in slow else () for name in table}
    return [pytest.param(*value, marks=marks[name], id=name) for name, value in table.items()]


def place(element):
    """Return the site and the index of the name of an element."""
    site, _, inside = element.partition("[")
    return site, tuple(int(part) for part in inside.rstrip("]").split(",") if part)


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "names"),
    [pytest.param(p.values[0], p.values[1:], marks=p.marks, id=p.id) for p in cases(JOINT, SLOW)],
)
def test_joint_probabilities(name, names):
    model = programs.DISCRETE[name].model
    exact, posterior = enumerate_discrete(model), pdl.exact_posterior(model)
    elements = posterior.elements(*names)
    found = posterior.joint(*names)
    expected = exact.joint(*map(place, elements))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=ROUNDING)
    best = posterior.most_probable(elements)
    states, log = exact.most_probable_of(*map(place, elements))
    assert np.log(found.max()) == pytest.approx(log, rel=ROUNDING)
    assert tuple(int(best[element]) for element in elements) == states


MOVES = np.array([[0.9, 0.07, 0.03], [0.1, 0.8, 0.1], [0.02, 0.08, 0.9]])
LOCS = np.array([-2.0, 0.0, 3.0])


def long_chain(y):
    def step(z, y_t):
        z = numpyro.sample("z", dist.Categorical(jnp.asarray(MOVES)[z]))
        numpyro.sample("y", dist.Normal(jnp.asarray(LOCS)[z], 1.0), obs=y_t)
        return z, None

    scan(step, 0, y)


@pytest.mark.slow
def test_joint_of_distant_steps_of_a_long_chain():
    """By messages from both ends, and powers of the steps between, in plain NumPy."""
    length, steps = 20_000, (3, 4, 6, 15_000)
    y = np.random.default_rng(1).normal(size=length) * 2.0
    posterior = pdl.exact_posterior(pdl.Model(long_chain, y))
    weights = np.exp(-0.5 * (y[:, None] - LOCS) ** 2)
    ways = MOVES * weights[:, None, :]
    expected, start = np.array([1.0, 0.0, 0.0]), 0
    for end in (*steps, length - 1):
        block = np.eye(3)
        for t in range(start, end + 1):
            block = block @ ways[t]
            block /= block.max()
        expected, start = expected[..., None] * block, end + 1
    expected = expected[0].sum(-1)
    found = posterior.joint(*(f"z[{t}]" for t in steps))
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-12)


def test_as_many_elements_as_there_are():
    posterior = pdl.exact_posterior(pdl.Model(coins, SEEN_COINS))
    best = posterior.most_probable(["z"])["z"]
    np.testing.assert_array_equal(best, posterior.probabilities("z").argmax(-1))
    assert best.shape == (40,)


@pytest.mark.slow
def test_elements_given_a_conjugate_site():
    """Of a beta distribution with five and four pseudo-counts: rising factorials."""
    posterior = pdl.exact_posterior(pdl.Model(missing, np.array([1, 1, 0, 1])))
    found, ones = posterior.joint("z"), np.indices((2, 2, 2)).sum(0)
    expected = np.array([4 * 5 * 6, 5 * 4 * 5, 5 * 6 * 4, 5 * 6 * 7])[ones] / (9 * 10 * 11)
    np.testing.assert_allclose(found, expected, atol=ROUNDING)
    assert {name: int(code) for name, code in posterior.most_probable(["z[0]", "z[2]"]).items()} == {
        "z[0]": 1,
        "z[2]": 1,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["regime_of_a_chain", "mixture_with_noisy_readings", "switching_state_space"]
)
def test_joint_probabilities_beside_gaussian_sites(name):
    model = programs.MIXED[name].model
    posterior = pdl.exact_posterior(model)
    sites = [n for n in model.latents if model.sites[n].is_discrete]
    exact = mixed(model, [n for n in model.latents if n not in sites]).discrete
    elements = posterior.elements(*sites)[-3:]
    np.testing.assert_allclose(posterior.joint(*elements), exact.joint(*map(place, elements)), atol=ROUNDING)


@pytest.mark.slow
def test_the_most_probable_values_have_the_shape_of_what_was_asked():
    posterior = pdl.exact_posterior(programs.DISCRETE["crossed_plates"].model)
    best = posterior.most_probable(["a", "b[1]", "b[0:1]"])
    assert {name: value.shape for name, value in best.items()} == {"a": (3, 1), "b[1]": (), "b[0:1]": ()}
    whole = posterior.most_probable()
    assert set(whole) == {"a", "b"}


def coins(y):
    with numpyro.plate("n", len(y)):
        z = numpyro.sample("z", dist.Bernoulli(0.3))
        numpyro.sample("y", dist.Normal(1.0 * z, 1.0), obs=y)


SEEN_COINS = np.random.default_rng(5).normal(1.0, 1.0, size=40)


def missing(y):
    p = numpyro.sample("p", dist.Beta(2.0, 3.0))
    with numpyro.plate("n", 3):
        numpyro.sample("z", dist.Bernoulli(p))
    with numpyro.plate("m", len(y)):
        numpyro.sample("y", dist.Bernoulli(p), obs=y)


def total_covariance(model, gaussian):
    """Return names and the covariance of all latents by the law of total covariance."""
    found = mixed(model, gaussian)
    weights, columns, names = found.discrete.weights, [], []
    for name, values in found.discrete.values.items():
        for index in np.ndindex(*values.shape[1:]):
            columns.append(values[(slice(None), *index)])
            names.append((name, index))
    names += [(name, tuple(index)) for name, index in found.gaussian.order]
    means = np.concatenate(
        [np.stack(columns, -1) if columns else np.zeros((len(weights), 0)), found.means], -1
    )
    away = means - weights @ means
    whole = np.einsum("r,ri,rj->ij", weights, away, away)
    start = len(columns)
    whole[start:, start:] += np.einsum("r,rij->ij", weights, found.covariances)
    return names, whole


def small():
    z = numpyro.sample("z", dist.Categorical(jnp.array([0.2, 0.5, 0.3])))
    x = numpyro.sample("x", dist.Normal(2.0 * z, 1.0 + z))
    with numpyro.plate("n", 2):
        u = numpyro.sample("u", dist.Normal(x, 0.5))
        numpyro.sample("y", dist.Normal(u, 0.7), obs=jnp.array([0.3, 2.1]))


SMALL = pdl.Model(small)
COVARIANCE = {
    "Gaussian": ("GAUSSIAN", "varying_slopes"),
    "small mixture": ("HERE", "small"),
    "mixture": ("MIXED", "regime_of_a_chain"),
    "mixtures in plates": ("MIXED", "mixture_with_noisy_readings"),
    "chain": ("GAUSSIAN", "local_level"),
    "indicators": ("MIXED", "spike_and_slab"),
    "states alone": ("DISCRETE", "crossed_plates"),
}


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize(("table", "name"), cases(COVARIANCE, set(COVARIANCE) - {"small mixture"}))
def test_covariance(table, name):
    model = SMALL if table == "HERE" else getattr(programs, table)[name].model
    names, expected = total_covariance(model, [n for n in model.latents if not model.sites[n].is_discrete])
    posterior = pdl.exact_posterior(model)
    sites = tuple(dict.fromkeys(site for site, _ in names))
    elements = posterior.elements(*sites)
    order = [names.index(_placed(model, element)) for element in elements]
    scale = np.sqrt(np.diag(expected)[order])
    error = np.abs(posterior.covariance(*sites) - expected[np.ix_(order, order)])
    assert (error <= ROUNDING * np.outer(scale, scale)).all()


def _placed(model, element):
    """Return the site and the index into its value: a plate may be followed by axes of length one."""
    site, index = place(element)
    shape = model.sites[site].shape
    return site, index + (0,) * (len(shape) - len(index))


def mixed_rate(y):
    z = numpyro.sample("z", dist.Bernoulli(0.4))
    rate = numpyro.sample("rate", dist.Gamma(jnp.where(z == 1, 9.0, 1.0), 1.0))
    numpyro.sample("y", dist.Poisson(rate), obs=y)


MIXED_RATE = pdl.Model(mixed_rate, 3)
WEIGHTS = np.array([0.6 * 0.5, 0.4 * 0.5**9 * (9 * 10 * 11 / 6)])  # of z, given y = 3: negative binomials
SHARE = WEIGHTS / WEIGHTS.sum()
SHAPES = np.array([4.0, 12.0])  # of the rate given z; its inverse scale is two


@functools.cache
def of_mixed_rate():
    return pdl.exact_posterior(MIXED_RATE)


@pytest.mark.slow
def test_covariance_of_a_state_and_what_is_conjugate_given_it():
    found = of_mixed_rate().covariance("rate", "z")
    means = SHAPES / 2
    mean = SHARE @ means
    variance = SHARE @ (SHAPES / 4 + (means - mean) ** 2)
    both = SHARE[1] * (means[1] - mean)
    np.testing.assert_allclose(found, [[variance, both], [both, SHARE[0] * SHARE[1]]], rtol=1e3 * ROUNDING)


@pytest.mark.slow
def test_covariances_with_a_conjugate_scale():
    y, count = programs.Y6, len(programs.Y6)
    found = pdl.exact_posterior(programs.CONJUGATE["normal_gamma"].model).covariance("mu", "tau")
    spread = 0.5 * np.sum((y - y.mean()) ** 2) + 0.5 * 0.5 * count * (y.mean() - 1) ** 2 / (0.5 + count)
    shape, rate = 2 + count / 2, 1.5 + spread
    expected = np.diag([rate / (shape - 1) / (0.5 + count), shape / rate**2])
    np.testing.assert_allclose(found, expected, rtol=1e2 * ROUNDING, atol=ROUNDING)


def shares(y):
    w = numpyro.sample("w", dist.Dirichlet(jnp.array([1.0, 2.0, 0.5])))
    with numpyro.plate("side", 2):
        p = numpyro.sample("p", dist.Beta(2.0, 1.0))
    with numpyro.plate("n", len(y)):
        numpyro.sample("y", dist.Categorical(w), obs=y)
        with numpyro.plate("side", 2):
            numpyro.sample("hit", dist.Bernoulli(p[:, None]), obs=jnp.stack([y > 0, y > 1]).astype(int))


CLASSES = np.array([2, 0, 2, 1, 0, 1, 0])


@functools.cache
def of_shares(start, stop):
    return pdl.exact_posterior(pdl.Model(shares, CLASSES[start:stop]))


@pytest.mark.slow
def test_covariances_of_conjugate_elements():
    posterior = of_shares(0, 7)
    found = posterior.covariance("w", "p")
    after = np.array([4.0, 4.0, 2.5])
    mean = after / after.sum()
    beta = np.array([[6.0, 4.0], [4.0, 6.0]])
    expected = np.zeros((5, 5))
    expected[:3, :3] = (np.diag(mean) - np.outer(mean, mean)) / (after.sum() + 1)
    expected[3:, 3:] = np.diag(beta.prod(1) / 10**2 / 11)
    np.testing.assert_allclose(found, expected, atol=ROUNDING)
    with pdl.Precision.DOUBLE.active():
        np.testing.assert_allclose(posterior.distribution("w").concentration, after, rtol=ROUNDING)
        known = posterior.distribution("p")
        np.testing.assert_allclose(known.concentration1, beta[:, 0], rtol=ROUNDING)
        np.testing.assert_allclose(known.concentration0, beta[:, 1], rtol=ROUNDING)
    np.testing.assert_allclose(
        posterior.expected_statistics("p"), digamma(beta) - digamma(10.0), rtol=ROUNDING
    )


def heavy(y):
    tau = numpyro.sample("tau", dist.Gamma(0.4, 1.0))
    mu = numpyro.sample("mu", dist.Normal(0.0, 1 / jnp.sqrt(tau)))
    numpyro.sample("y", dist.Normal(mu, 1 / jnp.sqrt(tau)), obs=y)


@pytest.mark.slow
def test_what_is_infinite_or_unknown_is_said():
    posterior = solved(heavy)
    assert posterior.covariance("mu") == np.inf
    with pytest.raises(ValueError, match="covariances have a closed form; got 'mu' and 'tau'"):
        posterior.covariance("mu", "tau")
    with pytest.raises(ValueError, match="finite expectation of closed form; got 'mu'"):
        posterior.expected_statistics("mu")


@pytest.mark.slow
def test_statistics_of_a_mixture_of_conjugate_posteriors():
    found = of_mixed_rate().expected_statistics("rate")
    expected = [SHARE @ (digamma(SHAPES) - np.log(2)), SHARE @ SHAPES / 2]
    np.testing.assert_allclose(found, expected, rtol=1e2 * ROUNDING)


@pytest.mark.slow
def test_statistics_and_distribution_of_a_gaussian_site():
    model = programs.GAUSSIAN["varying_slopes"].model
    posterior, exact = pdl.exact_posterior(model), mixed(model, model.latents).gaussian
    for site, mean in exact.mean.items():
        variance = exact.variance(site)
        found = posterior.expected_statistics(site)
        np.testing.assert_allclose(found[..., 0].reshape(mean.shape), mean, rtol=ROUNDING)
        np.testing.assert_allclose(found[..., 1].reshape(mean.shape), mean**2 + variance, rtol=ROUNDING)
        with pdl.Precision.DOUBLE.active():
            known = posterior.distribution(site)
            np.testing.assert_allclose(known.loc, mean, rtol=ROUNDING)
            np.testing.assert_allclose(known.scale**2, variance, rtol=1e2 * ROUNDING)


def vectors(x, y):
    w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([3]).to_event(1))
    k = numpyro.sample("k", dist.DiscreteUniform(-1, 1))
    with numpyro.plate("n", len(y)):
        numpyro.sample("z", dist.Normal(2.0 * k, 1.5), obs=x[:, 0])
        numpyro.sample("y", dist.Normal(x @ w, 0.5), obs=y)


X, Y = np.random.default_rng(3).normal(size=(7, 3)), np.random.default_rng(4).normal(size=7)


@pytest.mark.slow
def test_distributions_of_a_vector_and_of_a_range_of_integers():
    posterior = pdl.exact_posterior(pdl.Model(vectors, X, Y))
    covariance = np.linalg.inv(np.eye(3) + X.T @ X / 0.25)
    mean = covariance @ X.T @ Y / 0.25
    weights = np.exp(-0.5 * (((X[:, :1] - 2.0 * np.arange(-1, 2)) / 1.5) ** 2).sum(0))
    second = posterior.expected_statistics("w")[3:].reshape(3, 3)
    np.testing.assert_allclose(second, covariance + np.outer(mean, mean), rtol=1e2 * ROUNDING)
    np.testing.assert_allclose(posterior.covariance("w[0]", "w[2]"), covariance[::2, ::2], rtol=ROUNDING)
    with pdl.Precision.DOUBLE.active():
        known = posterior.distribution("w")
        np.testing.assert_allclose(known.loc, mean, rtol=ROUNDING)
        np.testing.assert_allclose(known.covariance_matrix, covariance, rtol=1e2 * ROUNDING)
        log = posterior.distribution("k").log_prob(jnp.arange(-1, 2))
        np.testing.assert_allclose(np.exp(log), weights / weights.sum(), rtol=ROUNDING)


def level(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 2.0))
    with numpyro.plate("n", len(y)):
        own = numpyro.sample("own", dist.Normal(mu, 1.0))
        numpyro.sample("y", dist.Normal(own, 0.5), obs=y)


BATCHES = {
    "conjugate": (shares, (CLASSES,), ()),
    "vector and integer": (vectors, (X, Y), ()),
    "others drawn anew": (level, (Y,), ("mu",)),
}


@pytest.mark.slow
@pytest.mark.parametrize(("program", "data", "names"), cases(BATCHES, set(BATCHES) - {"conjugate"}))
def test_batch_after_batch_is_all_at_once(program, data, names):
    first, second = (pdl.Model(program, *(x[part] for x in data)) for part in (slice(4), slice(4, 7)))
    if program is shares:
        whole, posterior = of_shares(0, 7), of_shares(0, 4)
    else:
        whole, posterior = pdl.exact_posterior(pdl.Model(program, *data)), pdl.exact_posterior(first)
    after = pdl.exact_posterior(updated(second, posterior, *names))
    assert posterior.log_evidence + after.log_evidence == pytest.approx(whole.log_evidence, rel=ROUNDING)
    for name in names or whole.model.latents:
        with pdl.Precision.DOUBLE.active():
            one, other = after.distribution(name), whole.distribution(name)
            np.testing.assert_allclose(one.mean, other.mean, rtol=ROUNDING, atol=ROUNDING)
            np.testing.assert_allclose(one.variance, other.variance, rtol=1e2 * ROUNDING)


@pytest.mark.slow
def test_batches_of_one_size_share_a_compilation():
    tuesday = updated(pdl.Model(shares, CLASSES[4:]), of_shares(0, 4))
    wednesday = updated(pdl.Model(shares, CLASSES[1:4]), pdl.exact_posterior(tuesday))
    assert wednesday.bound[0] == tuesday.bound[0]
    found = pdl.exact_posterior(wednesday).mean("w")
    np.testing.assert_allclose(found, np.array([5.0, 5.0, 3.5]) / 13.5, rtol=1e2 * ROUNDING)


TRANSITIONS = {
    "chain": ("DISCRETE", "hmm"),
    "chains in a plate": ("DISCRETE", "hmms_in_a_plate"),
    "chain given a regime": ("DISCRETE", "hmm_with_a_regime"),
    "second order": ("DISCRETE", "hmm_of_second_order"),
    "Gaussian": ("GAUSSIAN", "local_level"),
    "Gaussian of second order": ("GAUSSIAN", "ar2"),
    "Gaussian vectors": ("GAUSSIAN", "local_linear_trend"),
    "Gaussian given a regime": ("MIXED", "regime_of_a_chain"),
}
EVERYDAY = {"chain", "second order"}


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize(("table", "name"), cases(TRANSITIONS, set(TRANSITIONS) - EVERYDAY))
def test_transitions(table, name):
    model = getattr(programs, table)[name].model
    site = next(n for n in model.latents if model.sites[n].scan)
    found, length = pdl.exact_posterior(model).expected_transitions(site), model.sites[site].shape[0]
    gaussian = [n for n in model.latents if not model.sites[n].is_discrete]
    exact = mixed(model, gaussian)
    assert found.shape[0] == length - 1
    if site not in gaussian:
        for t, *rest in np.ndindex(length - 1, *found.shape[1:-2]):
            pair = exact.discrete.joint((site, (t, *rest)), (site, (t + 1, *rest)))
            np.testing.assert_allclose(found[(t, *rest)], pair, atol=ROUNDING)
        return
    order = [(n, tuple(index)) for n, index in exact.gaussian.order]
    mean = np.array([exact.gaussian.mean[n][index] for n, index in order])
    second = exact.gaussian.covariance + np.outer(mean, mean)
    local = list(np.ndindex(*model.sites[site].shape[1:]))
    for t in range(length - 1):
        before, after = ([order.index((site, (step, *index))) for index in local] for step in (t, t + 1))
        np.testing.assert_allclose(found[t], second[np.ix_(before, after)], rtol=ROUNDING, atol=ROUNDING)


def long(y, size=17):
    with numpyro.plate("n", size):
        z = numpyro.sample("z", dist.Categorical(jnp.ones(32) / 32))
        numpyro.sample("y", dist.Normal(z, 1.0), obs=y)


def latent_beta():
    p = numpyro.sample("p", dist.Beta(2.0, 3.0))
    with numpyro.plate("n", 17):
        numpyro.sample("z", dist.Bernoulli(p))


def shared():
    mode = numpyro.sample("mode", dist.Categorical(jnp.ones(3) / 3))
    with numpyro.plate("n", 40):
        numpyro.sample("z", dist.Bernoulli(jnp.array([0.2, 0.5, 0.7])[mode]))


@functools.cache
def solved(program):
    data = {level: (Y,), long: (np.zeros(17),), heavy: (1.2,)}
    return pdl.exact_posterior(pdl.Model(program, *data.get(program, ())))


HMM = programs.DISCRETE["hmm"]
REFUSED = {
    "most probable of a string": (
        lambda: solved(level).most_probable("mu"),
        TypeError,
        r"Expected names; got 'mu'\. Write most_probable\(\['mu'\]\)",
    ),
    "nothing": (lambda: solved(level).covariance(), ValueError, "Expected 1 to 2000 elements.*got 0"),
    "misspelt": (
        lambda: solved(level).covariance("own[2]", "muu"),
        pdl.SiteNotFound,
        "Expected a latent site in the posterior; got 'muu'. Did you mean 'mu'",
    ),
    "twice": (lambda: solved(level).covariance("own", "own[2]"), ValueError, r"got 'own\[2\]' twice"),
    "outside": (
        lambda: pdl.exact_posterior(HMM.model).joint("z[6]"),
        IndexError,
        r"Expected an index from 0 to 5 along 'time' in joint; got 'z\[6\]'",
    ),
    "no axis": (lambda: solved(level).covariance("mu[0]"), IndexError, "which has no plates; got 'mu"),
    "joint of a number": (
        lambda: solved(level).joint("mu"),
        ValueError,
        "Expected a discrete site; got 'mu'",
    ),
    "too many states": (
        lambda: solved(long).joint("z"),
        ValueError,
        r"at most 134,217,728 joint states; got \d.*, of z\[0\], .* and 9 more\. Ask for fewer, raise",
    ),
    "too many states given a number": (
        lambda: solved(latent_beta).joint("z"),
        ValueError,
        r"at most 65536 joint states, which depend on conjugate sites; got 131072, of z\[0\]",
    ),
    "too many together": (
        lambda: solved(shared).most_probable(["z"]),
        ValueError,
        r"Expected an elimination with tables of at most 134,217,728 entries; got one of 10\^12.*'z\[\d+\]'",
    ),
    "a mixture": (
        lambda: solved(heavy).distribution("mu"),
        ValueError,
        "one family; got 'mu', a mixture over 'tau'",
    ),
    "transitions of what is in no scan": (
        lambda: solved(level).expected_transitions("own"),
        ValueError,
        "Expected a site of a scan; got 'own'",
    ),
    "updating of a part": (
        lambda: updated(pdl.Model(heavy, 0.3), solved(heavy), "tau"),
        pdl.NotApplicable,
        "'mu' is in no plate or scan of the data, so that all data share it",
    ),
    "updating by another shape": (
        lambda: updated(pdl.Model(long, np.zeros(3), 3), solved(long)),
        ValueError,
        r"Expected a distribution of shape \(3,\) for 'z' in with_priors; got \(17,\)",
    ),
    "updating of a scan": (
        lambda: updated(HMM.model, pdl.exact_posterior(HMM.model)),
        pdl.NotApplicable,
        r"the steps of 'z' in 'time' depend on each other\. Put all data into one model",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("call", "error", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
