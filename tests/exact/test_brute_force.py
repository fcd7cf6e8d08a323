"""The oracles against closed forms by hand, and the programs that they are asked about."""

import itertools
import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import betaln, comb, logsumexp

import probdl as pdl
from tests.exact import programs
from tests.exact.brute_force import (
    MOST_ROWS,
    by_ratio,
    dense_gaussian,
    enumerate_discrete,
    mixed,
    prior_draws,
    quadrature,
    states_of,
)
from tests.exact.programs import CONJUGATE, DISCRETE, GAUSSIAN, LOCS, MIXED, NOT_EXACT, STICKY, WEIGHTS, Y6
from tests.exact.random_programs import DISCRETE as DISCRETE_FAMILIES
from tests.exact.random_programs import (
    Chain,
    Family,
    gaussian_sites,
    random_discrete,
    random_gaussian,
    random_mixed,
)
from tests.marks import by_name

TABLES = {"discrete": DISCRETE, "gaussian": GAUSSIAN, "mixed": MIXED, "conjugate": CONJUGATE}
EXACT = {(t, n): c for t, table in TABLES.items() for n, c in table.items()}
CASES = {**EXACT, **{("not exact", name): case for name, case in NOT_EXACT.items()}}
RANDOM = {"discrete": random_discrete, "gaussian": random_gaussian, "mixed": random_mixed}
MOST_DIMS = 40


def is_one_number(model):
    return [model.sites[name].shape for name in model.latents] == [()]


ONE_NUMBER = {key: c for key, c in CASES.items() if c.posterior and c.conjugate and is_one_number(c.model)}


def each(cases):
    return pytest.mark.parametrize("case", cases.values(), ids=[" ".join(key) for key in cases])


def close(a, b, rtol=1e-11):
    """Equal to rounding: some hundred operations in double precision."""
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


# The programs


@each(CASES)
def test_cases_say_what_is_to_be_integrated(case):
    model = case.model
    named = {*case.gaussian, *case.conjugate, *case.refused, *([case.sampled] if case.sampled else [])}
    discrete = {name for name in model.latents if model.sites[name].is_discrete}
    assert named | discrete == set(model.latents)
    assert bool(case.refusal) == bool(case.refused)
    assert {model.sites[name].is_discrete for name in case.gaussian} <= {False}
    model.check()


@each(EXACT)
def test_cases_are_small_enough_for_brute_force(case):
    sites = case.model.sites
    dims = sum(math.prod(sites[name].shape) for name in case.gaussian)
    rows = math.prod(
        len(states_of(sites[name])) ** math.prod(sites[name].shape)
        for name in case.model.latents
        if sites[name].is_discrete
    )
    assert dims <= MOST_DIMS
    assert rows <= MOST_ROWS


@pytest.mark.few(3)
@pytest.mark.slow  # of the others, brute force says more
@each({key: c for key, c in CASES.items() if key[0] == "not exact" and key[1] != "subsampled_plate"})
def test_log_joint_is_finite_at_draws_of_the_prior(case):
    log_joints = [case.model.log_joint(values) for values in prior_draws(case.model, 20)]
    assert np.isfinite(log_joints).any()
    assert not np.isnan(log_joints).any()


@pytest.mark.few(3)
@pytest.mark.slow
@each({key: case for key, case in EXACT.items() if key[0] != "conjugate" and not case.sampled})
def test_brute_force_answers_each_case(case):
    found = mixed(case.model, case.gaussian)
    assert np.isfinite(found.log_evidence)
    close(found.discrete.weights.sum(), 1.0)
    for marginal in found.discrete.marginals.values():
        close(marginal.sum(-1), 1.0)


@pytest.mark.few(3)
@pytest.mark.slow
@each({key: case for key, case in CASES.items() if case.sampled})
def test_quadrature_answers_each_case_with_a_sampled_site(case):
    case = GAUSSIAN.get(case.twin, case)
    assert np.isfinite(quadrature(case.model, case.sampled, case.gaussian).log_evidence)


@pytest.mark.few(3)
@pytest.mark.slow
@each(ONE_NUMBER)
def test_posteriors_by_hand_are_those_of_quadrature(case):
    exact = by_ratio(case.model, pdl.Model(case.posterior))
    close(quadrature(case.model, case.conjugate[0]).log_evidence, exact)


@pytest.mark.parametrize(
    "name", ["floor_of_a_gaussian", "where_far_away", "stopped_gradient", "bilinear", "log_scale", "quartic"]
)
def test_what_is_not_quadratic_is_noticed(name):
    case = NOT_EXACT[name]
    with pytest.raises(ValueError, match="Expected a log joint that is quadratic in"):
        mixed(case.model, case.model.latents)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("schools_with_known_tau", "schools_non_centred_with_known_tau"),
        ("random_walk_as_a_cumulative_sum", "gaussian_random_walk"),
        ("hmm_from_a_constant", "hmm_unrolled"),
    ],
)
def test_two_ways_to_write_a_program(one, other):
    cases = {**DISCRETE, **GAUSSIAN}
    first, second = (mixed(cases[n].model, cases[n].gaussian).log_evidence for n in (one, other))
    close(first, second)


# Discrete


def responsibilities(y):
    log_joint = np.log(WEIGHTS) + stats.norm(LOCS, 1).logpdf(y[:, None])
    return np.exp(log_joint - logsumexp(log_joint, 1, keepdims=True)), logsumexp(log_joint, 1)


@pytest.mark.parametrize("chunk", [2**13, 100])
def test_a_mixture_by_hand(chunk, monkeypatch):
    monkeypatch.setattr("tests.exact.brute_force.CHUNK", chunk)
    found = enumerate_discrete(DISCRETE["mixture"].model)
    probabilities, log_evidence = responsibilities(Y6)
    close(found.log_evidence, log_evidence.sum())
    close(found.marginals["z"], probabilities)
    close(found.most_probable()[0]["z"], probabilities.argmax(1))
    close(found.joint(("z", (1,)), ("z", (4,))), np.outer(probabilities[1], probabilities[4]))


def forward_backward(initial, transition, emission):
    """Return log evidence, marginals, and pairs of a chain whose first emission follows one transition."""
    alpha, beta = [initial], [np.ones(len(initial))]
    for row in emission:
        alpha.append(alpha[-1] @ transition * row)
    for row in emission[::-1]:
        beta.append(transition @ (row * beta[-1]))
    evidence, beta = alpha[-1].sum(), beta[::-1]
    pairs = [
        alpha[t][:, None] * transition * (emission[t] * beta[t + 1]) / evidence for t in range(len(emission))
    ]
    return np.log(evidence), np.array(alpha) * beta / evidence, np.array(pairs)


def test_a_hidden_markov_model_by_hand():
    found = enumerate_discrete(DISCRETE["hmm"].model)
    emission = stats.norm(LOCS, 1).pdf(Y6[:, None])
    log_evidence, marginals, pairs = forward_backward(WEIGHTS, STICKY, emission)
    close(found.log_evidence, log_evidence)
    close(found.marginals["z_0"], marginals[0])
    close(found.marginals["z"], marginals[1:])
    close(found.joint(("z_0", ()), ("z", (0,))), pairs[0])
    close(found.joint(("z", (2,)), ("z", (3,))), pairs[3])


def test_the_most_probable_path_by_hand():
    found = enumerate_discrete(DISCRETE["hmm_from_a_constant"].model)
    scores = {(0,): 0.0}
    for y in Y6:
        scores = {
            (*path, k): score + np.log(STICKY[path[-1], k]) + stats.norm(LOCS[k], 1).logpdf(y)
            for path, score in scores.items()
            for k in range(3)
        }
        scores = {p: s for p, s in scores.items() if s == max(v for q, v in scores.items() if q[-1] == p[-1])}
    path = max(scores, key=scores.get)
    values, log_joint = found.most_probable()
    np.testing.assert_array_equal(values["z"], path[1:])
    close(log_joint, scores[path])
    close(log_joint, DISCRETE["hmm_from_a_constant"].model.log_joint(values))


def test_the_most_probable_states_of_some_elements():
    found = enumerate_discrete(DISCRETE["loop_of_four"].model)
    table = found.joint(("b", ()), ("c", ()))
    states, log_prob = found.most_probable_of(("b", ()), ("c", ()))
    assert table[states] == table.max()
    close(np.exp(log_prob), table.max())
    close(table.sum(1), found.marginals["b"])


def test_supports_of_many_kinds():
    sites = DISCRETE["one_of_each_support"].model.sites
    expected = {"a": [0, 1], "b": [0, 1, 2, 3], "c": [-1, 0, 1, 2], "d": [0, 1, 2]}
    for name, states in expected.items():
        np.testing.assert_array_equal(states_of(sites[name]), states)


def test_an_element_outside_of_its_own_support_has_no_weight():
    found = enumerate_discrete(DISCRETE["binomials_of_many_sizes"].model)
    n, y = np.array([1, 4, 2, 3]), np.array([1, 3, 0, 4])
    k = np.arange(5)
    table = stats.binom(n[:, None], 0.4).pmf(k) * stats.binom(k + 2, 0.7).pmf(y[:, None])
    close(found.log_evidence, np.log(table.sum(1)).sum())
    close(found.marginals["k"], table / table.sum(1, keepdims=True))


# Gaussian


@pytest.mark.slow
def test_a_local_level_by_hand():
    case = GAUSSIAN["local_level"]
    found = dense_gaussian(case.model, case.gaussian)
    mean, variance, log_evidence = 0.0, 9.0, 0.0
    for y in case.model.args[0]:
        variance += 0.25
        log_evidence += stats.norm(mean, np.sqrt(variance + 1)).logpdf(y)
        gain = variance / (variance + 1)
        mean, variance = mean + gain * (y - mean), (1 - gain) * variance
    close(found.log_evidence, log_evidence)
    close(found.mean["x"][-1], mean)
    close(found.variance("x")[-1], variance)


@pytest.mark.slow
def test_crossed_effects_by_hand():
    case = GAUSSIAN["crossed_effects"]
    found = dense_gaussian(case.model, case.gaussian)
    g, h, y = case.model.args
    design = np.concatenate([np.ones((7, 1)), np.eye(3)[g], np.eye(4)[h]], 1)
    prior = np.diag([9.0] + 3 * [1.0] + 4 * [0.25])
    covariance = design @ prior @ design.T + 0.25 * np.eye(7)
    gain = prior @ design.T @ np.linalg.inv(covariance)
    close(found.log_evidence, stats.multivariate_normal(np.zeros(7), covariance).logpdf(y))
    close(np.concatenate([found.mean[n].ravel() for n in ("mu", "alpha", "beta")]), gain @ y)
    close(found.covariance, prior - gain @ design @ prior)
    assert found.order[0] == ("mu", ())
    assert found.order[-1] == ("beta", (3,))


# Mixed


def test_a_mixture_with_noisy_readings_by_hand():
    case = MIXED["mixture_with_noisy_readings"]
    found = mixed(case.model, case.gaussian)
    y, prior = Y6[:5, None], (0.5 + np.arange(3)) ** 2
    joint = WEIGHTS * stats.norm(LOCS, np.sqrt(prior + 0.09)).pdf(y)
    weights = joint / joint.sum(1, keepdims=True)
    gain = prior / (prior + 0.09)
    means, variances = LOCS + gain * (y - LOCS), (1 - gain) * prior
    mean = (weights * means).sum(1)
    close(found.log_evidence, np.log(joint.sum(1)).sum())
    close(found.discrete.marginals["z"], weights)
    close(found.gaussian.mean["x"], mean)
    close(np.diag(found.gaussian.covariance), (weights * (variances + means**2)).sum(1) - mean**2)
    close(found.gaussian.covariance[0, 1], 0.0)


@pytest.mark.slow
def test_components_are_the_posteriors_given_the_assignments():
    case = MIXED["switching_intercept"]
    found = mixed(case.model, case.gaussian)
    for z in range(2):
        given = dense_gaussian(case.model, case.gaussian, {"z": z})
        close(found.means[z], [given.mean["alpha"], given.mean["beta"]])
        close(found.covariances[z], given.covariance)
        close(found.discrete.log_joints[z], given.log_evidence)


# Quadrature


@pytest.mark.slow
def test_a_beta_binomial_by_hand():
    found = quadrature(CONJUGATE["beta_binomial"].model, "p")
    y = programs.COUNTS
    a, b = 2 + y.sum(), 3 + (4 - y).sum()
    close(found.log_evidence, np.log(comb(4, y)).sum() + betaln(a, b) - betaln(2, 3))
    close(found.mean, a / (a + b))
    close(found.variance, a * b / (a + b) ** 2 / (a + b + 1))


@pytest.mark.slow
def test_a_mixture_of_unknown_noise_by_hand():
    found = quadrature(MIXED["mixture_of_unknown_noise"].model, "s")
    y = Y6[:5, None]

    def joint(s, power=0, state=None):
        table = WEIGHTS * stats.norm(LOCS, s).pdf(y)
        likelihood = table.sum(1)
        if state is not None:
            likelihood[0] = table[0, state]
        return stats.halfnorm(0, 2).pdf(s) * likelihood.prod() * s**power

    def integral(**what):
        return quad(lambda s: joint(s, **what), 0.01, 20, epsabs=0, epsrel=1e-11, limit=200)[0]

    mass = integral()
    assert quad(joint, 0, 0.01)[0] < 1e-15 * mass
    close(found.log_evidence, np.log(mass), rtol=1e-10)
    close(found.mean, integral(power=1) / mass, rtol=1e-10)
    close(found.marginals["z"][0, 1], integral(state=1) / mass, rtol=1e-10)


@pytest.mark.slow
def test_a_sampled_scale_with_gaussian_sites_by_hand():
    case = GAUSSIAN["schools_non_centred"]
    found = quadrature(case.model, "tau", case.gaussian)
    y, variance = programs.SCHOOLS, programs.SIGMA**2

    def joint(tau, *, mean=False):
        covariance = np.diag(variance + tau**2) + 25.0
        density = stats.halfcauchy(0, 5).pdf(tau) * stats.multivariate_normal(np.zeros(8), covariance).pdf(y)
        return density * (25.0 * np.linalg.solve(covariance, y).sum() if mean else 1.0)

    def integral(**what):
        return sum(
            quad(lambda tau: joint(tau, **what), *ends, epsabs=0, epsrel=1e-11, limit=200)[0]
            for ends in ((0, 10), (10, 100), (100, np.inf))
        )

    mass = integral()
    close(found.log_evidence, np.log(mass), rtol=1e-10)
    close(found.gaussian_mean["mu"], integral(mean=True) / mass, rtol=1e-10)


@pytest.mark.slow
def test_a_ratio_with_a_closed_form():
    y = programs.BITS
    case = CONJUGATE["beta_bernoulli"]
    close(
        by_ratio(case.model, pdl.Model(case.posterior)), betaln(2 + y.sum(), 3 + (1 - y).sum()) - betaln(2, 3)
    )


@pytest.mark.slow
def test_a_wrong_posterior_is_noticed():
    def wrong():
        numpyro.sample("p", dist.Beta(2 + programs.BITS.sum(), 3))

    with pytest.raises(ValueError, match="Expected the same log evidence at each x"):
        by_ratio(CONJUGATE["beta_bernoulli"].model, pdl.Model(wrong))


# What cannot be answered


def two_normals():
    a = numpyro.sample("a", dist.ImproperUniform(dist.constraints.real, (), ()))
    b = numpyro.sample("b", dist.ImproperUniform(dist.constraints.real, (), ()))
    numpyro.sample("y", dist.Normal(a + b, 1.0), obs=jnp.array(0.5))


def many_bits():
    with numpyro.plate("n", 19):
        numpyro.sample("z", dist.Bernoulli(0.5))


def test_errors():
    with pytest.raises(ValueError, match="Expected a proper Gaussian"):
        dense_gaussian(pdl.Model(two_normals), ("a", "b"))
    with pytest.raises(ValueError, match=f"at most {2**18} assignments; got {2**19}"):
        enumerate_discrete(pdl.Model(many_bits))
    with pytest.raises(ValueError, match="Expected a finite support of 'k'"):
        enumerate_discrete(NOT_EXACT["infinite_support"].model)
    with pytest.raises(ValueError, match="got none for .'alpha', 'beta'.. Fix it"):
        enumerate_discrete(MIXED["switching_intercept"].model)
    with pytest.raises(ValueError, match="got none for .'z'.. Fix them, or call mixed"):
        dense_gaussian(MIXED["switching_intercept"].model, ("alpha", "beta"))


def test_fixed_discrete_sites_are_not_summed():
    model = DISCRETE["loop_of_four"].model
    whole = enumerate_discrete(model)
    parts = np.array([enumerate_discrete(model, {"a": a}).log_evidence for a in range(2)])
    close(whole.log_evidence, logsumexp(parts))
    close(whole.marginals["a"], np.exp(parts - whole.log_evidence))


# Random programs


def nodes_of(spec):
    return [n for part in spec.parts for n in (part.nodes if isinstance(part, Chain) else (part,))]


def features(spec):
    """Yield what a spec holds."""
    for part in spec.parts:
        if isinstance(part, Chain):
            yield "chain"
            yield from (f"order {len(start)}" for _, start in part.starts)
            yield from ("start outside" for _, start in part.starts if start[0] is not None)
            yield from ("varying" for _ in part.varying)
            yield f"{len(part.starts)} chains"
    for node in nodes_of(spec):
        yield f"{'observed' if node.observed else 'latent'} {node.family.value}"
        yield from ("mask" for _ in range(node.masked))
        yield from ("scale" for _ in range(node.scale is not None))
        yield "plates " + "/".join(node.plates)
        for term in node.terms:
            yield f"product of {len(term)}"
            for read in term:
                yield from ("gather" for _ in range(bool(read.gather)))
                yield from (f"{'sum' if index is None else 'index'} of {axis}" for axis, index in read.reduce)


def test_random_programs_keep_to_their_budget():
    for seed in range(200):
        spec = random_mixed(np.random.default_rng(seed), most_rows=60, most_dims=7).args[0]
        steps = {n.name: p.length for p in spec.parts if isinstance(p, Chain) for n in p.nodes}
        rows, dims = 1, 0
        for node in nodes_of(spec):
            elements = math.prod(dict(spec.sizes)[p] for p in node.plates) * steps.get(node.name, 1)
            if not node.observed and node.family in DISCRETE_FAMILIES:
                rows *= node.states**elements
            elif not node.observed and node.family is not Family.DETERMINISTIC:
                dims += node.width * elements
        assert 1 < rows <= 60
        assert 0 < dims <= 7


@pytest.mark.parametrize("draw", RANDOM.values(), ids=RANDOM)
def test_random_programs_come_in_every_kind(draw):
    specs = [draw(np.random.default_rng(seed)).args[0] for seed in range(300)]
    found = {feature for spec in specs for feature in features(spec)}
    expected = {"chain", "order 1", "order 2", "start outside", "varying", "1 chains", "2 chains", "mask"}
    expected |= {"product of 1", "product of 2", "gather", "scale", "latent deterministic"}
    expected |= {f"{how} of {axis}" for how, axis in itertools.product(("sum", "index"), (-1, -2))}
    expected |= {"plates ", "plates a", "plates b", "plates a/b"}
    expected |= {f"observed {f.value}" for f in Family if f is not Family.DETERMINISTIC}
    names = {"Bernoulli", "Categorical", "Binomial"} if draw is not random_gaussian else set()
    if draw is not random_discrete:
        names |= {"Normal", "vector of normals", "MultivariateNormal"}
    assert expected | {f"latent {name}" for name in names} <= found


@pytest.mark.few(3)
@pytest.mark.parametrize("draw", RANDOM.values(), ids=RANDOM)
@pytest.mark.parametrize("seed", by_name(range(12), whole={0, 1, 2}))
def test_random_programs_are_answered(draw, seed):
    model = draw(np.random.default_rng(seed))
    found = mixed(model, gaussian_sites(model))
    assert np.isfinite(found.log_evidence)
    assert len(found.discrete.log_joints) <= 3000
    assert found.means.shape[1] <= 20


@pytest.mark.slow
@pytest.mark.parametrize(
    "draw",
    [pytest.param(draw, marks=() if draw is random_mixed else pytest.mark.slow) for draw in RANDOM.values()],
    ids=RANDOM,
)
def test_random_programs_depend_on_the_seed_alone(draw):
    one, again, other = (draw(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert one.args[0] == again.args[0] != other.args[0]
    for name, table in one.args[1].items():
        np.testing.assert_array_equal(table, again.args[1][name])
    first, second = (mixed(model, gaussian_sites(model)).log_evidence for model in (one, again))
    assert np.isfinite(first)
    assert first == second
