"""Integrals of programs against brute force: densities, derivatives, draws, most probable values; laws."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.exact.programs.search import find
from probdl.exact.programs.variables import Kind
from probdl.program.precision import Precision
from tests.exact.brute_force import by_ratio, mixed
from tests.exact.integrals import (
    ROUNDING,
    answers,
    check_against_brute_force,
    check_moments,
    draws,
    kinds_of,
    log_density,
    moments,
    most_probable,
    rest_of,
    search,
)
from tests.exact.programs import CONJUGATE, DISCRETE, GAUSSIAN, MIXED, NOT_EXACT, Y6, Y7
from tests.exact.random_programs import random_discrete, random_gaussian, random_mixed
from tests.inference.counting import compilations
from tests.marks import by_name

CASES = {**DISCRETE, **GAUSSIAN, **MIXED, **CONJUGATE}
EVERYDAY = {
    "crossed_plates",
    "hmm_of_second_order_with_sites_at_the_start",
    "hmm_with_a_regime",
    "two_gathers",
    "ar1_around_a_mean",
    "mixture_of_unknown_means",
    "gamma_poisson",
}
IN_A_WHOLE_RUN = {  # one of each way in which variables hang together
    "mixture",
    "nested_plates",
    "hmm_of_second_order_with_sites_at_the_start",
    "hmms_in_a_plate",
    "coupled_hmm",
    "hmm_backward",
    "hmm_with_a_forbidden_transition",
    "one_of_each_support",
    "loop_of_four",
    "two_gathers_of_one_site",
    "imputed_observations",
    "table_in_a_plate",
    "schools",
    "crossed_effects",
    "local_linear_trend",
    "states_with_missing_observations",
    "ar2",
    "random_walk_as_a_cumulative_sum",
    "scaled_and_masked",
    "choice_of_model",
    "spike_and_slab",
    "switching_state_space",
    "factorial_hmm",
    "hmm_of_counts",
    "binomials_of_many_sizes",
    "vectors_of_bernoullis_in_a_plate",
    "ising_of_an_array",
    "masked_latents",
    "noisy_or",
    "sum_over_a_plate",
    "ppca_with_known_loadings",
    "lognormal_observed",
    "beta_binomials_in_a_plate",
    "dirichlet_rows_of_an_observed_chain",
    "inverse_gamma_variance",
    "walk_of_unknown_scale",
    "rates_of_an_unknown_rate",
}
DRAWS = 4000
RANDOM = {"discrete": random_discrete, "gaussian": random_gaussian, "mixed": random_mixed}


def each(cases, everyday=EVERYDAY, whole=None):
    """Parametrise by name."""
    return pytest.mark.parametrize("name", by_name(list(cases), everyday, whole))


def is_conjugate(case):
    return any(kind is Kind.CONJUGATE for kind in search(case.build)[1].integrated.values())


def normal(name, *parameters, **options):
    return numpyro.sample(name, dist.Normal(*parameters), **options)


def bernoulli(name, probs, **options):
    return numpyro.sample(name, dist.Bernoulli(probs), **options)


# The tables


@each(
    {name: case for name, case in CASES.items() if not set(case.conjugate) - set(case.gaussian)},
    whole=IN_A_WHOLE_RUN,
)
def test_density_and_marginals_are_those_of_brute_force(name):
    model, found = search(CASES[name].build)
    assert found.integrated == kinds_of(CASES[name])
    check_against_brute_force(model, found.integral, rest_of(model, found))


@each(
    {name: case for name, case in CONJUGATE.items() if case.posterior and not case.refused},
    whole=IN_A_WHOLE_RUN,
)
def test_conjugate_sites_have_the_posterior_by_hand(name):
    """The density is a ratio of joint densities; draws and statistics are those of the posterior."""
    case = CONJUGATE[name]
    model, found = search(case.build)
    assert found.integrated == kinds_of(case)
    posterior = pdl.Model(case.posterior)
    exact = by_ratio(model, posterior)
    here = answers(model, found.integral)
    assert abs(here.log_density - exact) < ROUNDING * (1 + abs(exact))
    ours = draws(model, found.integral, DRAWS)
    theirs = posterior.sample(1, DRAWS)["prior"]
    for variable in found.integral.variables:
        drawn, by_hand = ours[variable.name], theirs[variable.name].to_numpy()[0]
        by_hand = by_hand.reshape(drawn.shape)
        for power in (1, 2):
            error = np.hypot((drawn**power).std(0), (by_hand**power).std(0)) / np.sqrt(DRAWS)
            distance = np.abs((drawn**power).mean(0) - (by_hand**power).mean(0))
            assert (distance <= 5 * error + 1e-12).all()
        if variable.kind is Kind.GAUSSIAN:
            continue
        with Precision.DOUBLE.active():
            values = np.asarray(variable.known_family.sufficient_statistics(jnp.asarray(drawn)))
        distance = np.abs(values.mean(0) - here.mean[variable.name])
        assert (distance <= 5 * values.std(0) / np.sqrt(DRAWS) + 1e-12).all()


@pytest.mark.slow
@each(["schools", "mixture_of_unknown_noise"], {"mixture_of_unknown_noise"})
def test_slopes_in_the_rest_are_those_of_brute_force(name):
    case = CASES[name]
    model, found = search(case.build)
    gaussian = tuple(n for n, kind in found.integrated.items() if kind is Kind.GAUSSIAN)
    (site,) = found.rest
    x, h = 1.7, 1e-3
    up, down, far_up, far_down = (
        mixed(model, gaussian, {site: np.array(x + k * h)}).log_evidence for k in (1, -1, 2, -2)
    )
    slope = (8 * (up - down) - (far_up - far_down)) / (12 * h)
    here = answers(model, found.integral, {site: np.array(x)})
    assert abs(here.gradient[site] - slope) < 1e-8 * (1 + abs(slope))  # h^4 of the differences, rounding / h


# Draws

DRAWN = {"crossed_plates", "hmm_with_a_regime", "ar1_around_a_mean"}


@each((*DISCRETE, *GAUSSIAN, *MIXED), DRAWN, IN_A_WHOLE_RUN)
def test_draws_have_the_moments_of_brute_force(name):
    model, found = search(CASES[name].build)
    rest = rest_of(model, found)
    gaussian = tuple(n for n, kind in found.integrated.items() if kind is Kind.GAUSSIAN)
    mean, second, order = moments(mixed(model, gaussian, rest))
    drawn = draws(model, found.integral, DRAWS, rest)
    assert all(drawn[n].shape[1:] == model.sites[n].shape for n in found.integrated)
    check_moments(np.stack([drawn[n][(slice(None), *i)] for n, i in order], -1).astype(float), mean, second)


@each(DISCRETE, DRAWN, IN_A_WHOLE_RUN)
def test_draws_are_possible_and_as_frequent_as_their_probability(name):
    model, found = search(CASES[name].build)
    table = mixed(model).discrete
    drawn = draws(model, found.integral, DRAWS)
    columns = [table.values[n].reshape(len(table.weights), -1) for n in table.values]
    rows = {tuple(row): weight for row, weight in zip(np.concatenate(columns, 1), table.weights, strict=True)}
    seen = np.concatenate([drawn[n].reshape(DRAWS, -1) for n in table.values], 1)
    weights = np.array([rows[tuple(row)] for row in seen])
    assert weights.min() > 0
    mean = (table.weights**2).sum()
    error = np.sqrt(((table.weights**3).sum() - mean**2) / DRAWS)
    assert abs(weights.mean() - mean) <= 5 * max(error, 0.0) + 1e-12


@pytest.mark.few(3)
@pytest.mark.slow
@each(DISCRETE, DRAWN, IN_A_WHOLE_RUN)
def test_most_probable_values_are_those_of_brute_force(name):
    model, found = search(CASES[name].build)
    _, best = mixed(model).discrete.most_probable()
    assert abs(model.log_joint(most_probable(model, found.integral)) - best) < ROUNDING * (1 + abs(best))


def test_most_probable_values_are_joint():
    """a = 1 is more probable than a = 0, but each of its continuations is less so."""

    def program():
        a = bernoulli("a", 0.6)
        with numpyro.plate("n", 2):
            bernoulli("b", jnp.where(a == 1, 0.5, 0.99))

    model = pdl.Model(program)
    found = most_probable(model, find(model).integral)
    assert found["a"] == 0
    assert found["b"].tolist() == [1, 1]


@pytest.mark.few(3)
@pytest.mark.slow
@each(GAUSSIAN, {"ar1_around_a_mean"}, IN_A_WHOLE_RUN)
def test_most_probable_values_of_gaussian_programs_are_means(name):
    model, found = search(CASES[name].build)
    rest = rest_of(model, found)
    exact = mixed(model, tuple(found.integrated), rest).gaussian
    size = 1 + max(np.abs(mean).max() for mean in exact.mean.values())
    for site, value in most_probable(model, found.integral, rest).items():
        np.testing.assert_allclose(value, exact.mean[site], atol=10 * ROUNDING * size)


# Terms whose elements are hard to tell apart


def third_order_beside_a_chain():
    def program(y):
        def step(carry, y_t):
            (a, b, c), w = carry
            z = bernoulli("z", 0.1 + 0.3 * a + 0.2 * b + 0.3 * c)
            w = bernoulli("w", 0.2 + 0.5 * w)
            normal("y", z + 2.0 * w, 1.0, obs=y_t)
            return ((b, c, z), w), None

        scan(step, ((0, 1, 0), 0), y)

    return pdl.Model(program, Y6[:5])


def states_that_enter_another_scan():
    def program(y):
        def first(z, _):
            z = bernoulli("z", 0.2 + 0.5 * z)
            return z, z

        def second(w, inputs):
            z_t, y_t = inputs
            w = bernoulli("w", 0.1 + 0.3 * w + 0.4 * z_t)
            normal("y", w, 1.0, obs=y_t)
            return w, None

        _, z = scan(first, 0, None, length=4)
        scan(second, 0, (z, y))

    return pdl.Model(program, Y6[:4])


def inputs_read_now_and_a_step_later():
    def program(y):
        with numpyro.plate("times", 4):
            b = bernoulli("b", 0.4)

        def step(carry, inputs):
            z, last = carry
            b_t, y_t = inputs
            z = bernoulli("z", 0.1 + 0.4 * z + 0.2 * last * b_t)
            normal("y", z, 1.0, obs=y_t)
            return (z, b_t), None

        scan(step, (0, 0), (b, y))

    return pdl.Model(program, Y6[:4])


def groups_read_in_each_step():
    def program(group, y):
        with numpyro.plate("groups", 2):
            mu = normal("mu", 0, 1)

        def step(x, inputs):
            group_t, y_t = inputs
            x = normal("x", 0.5 * x + mu[group_t], 1.0)
            normal("y", x, 1.0, obs=y_t)
            return x, None

        scan(step, 0.0, (group, y))

    return pdl.Model(program, np.array([0, 1, 1, 0, 1, 0]), Y6)


def plates_nested_both_ways():
    def program(y):
        with numpyro.plate("a", 3), numpyro.plate("b", 2):
            z = bernoulli("z", 0.3)
        with numpyro.plate("b", 2), numpyro.plate("a", 3):
            w = bernoulli("w", 0.4 + 0.3 * z.T)
            normal("y", w, 1.0, obs=y)

    return pdl.Model(program, Y6.reshape(3, 2))


def a_shorter_scan_than_its_order():
    def program(y):
        def step(carry, y_t):
            before, last = carry
            x = normal("x", 0.7 * before + 0.2 * last, 1.0)
            normal("y", x, 1.0, obs=y_t)
            return (last, x), None

        scan(step, (0.0, 1.0), y)

    return pdl.Model(program, Y6[:1])


def a_clock():
    def program(y):
        def step(carry, y_t):
            t, z = carry
            z = bernoulli("z", jnp.where(t % 2 == 0, 0.2, 0.6) + 0.2 * z)
            normal("y", z, 1.0 + t, obs=y_t)
            return (t + 1, z), None

        scan(step, (0, 0), y)

    return pdl.Model(program, Y6)


def a_regime_weighed_at_each_step():
    def program():
        regime = bernoulli("regime", 0.3)

        def step(_, x):
            z = bernoulli("z", 0.2)
            numpyro.factor("weight", 0.7 * regime * z)
            return None, x

        scan(step, None, None, length=6)

    return pdl.Model(program)


def neighbours_on_a_ring():
    def program(y):
        with numpyro.plate("n", 4):
            z = normal("z", 0, 1)
            normal("y", z + 0.5 * jnp.roll(z, 1), 1.0, obs=y)

    return pdl.Model(program, Y6[:4])


def scaled_latents():
    def program(y):
        with numpyro.handlers.scale(scale=2.0), numpyro.plate("n", 3):
            z = bernoulli("z", 0.3)
            x = normal("x", z, 1.0)
            normal("y", x, 1.0, obs=y)

    return pdl.Model(program, Y6[:3])


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        states_that_enter_another_scan,
        inputs_read_now_and_a_step_later,
        plates_nested_both_ways,
        a_shorter_scan_than_its_order,
        a_regime_weighed_at_each_step,
        pytest.param(third_order_beside_a_chain, marks=pytest.mark.slow),
        pytest.param(a_clock, marks=pytest.mark.slow),
        pytest.param(groups_read_in_each_step, marks=pytest.mark.slow),
        pytest.param(neighbours_on_a_ring, marks=pytest.mark.slow),
        pytest.param(scaled_latents, marks=pytest.mark.slow),
    ],
)
def test_programs_whose_elements_are_hard_to_tell_apart(build):
    model, found = search(build)
    assert set(found.integrated) == set(model.latents)
    check_against_brute_force(model, found.integral)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 12), marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("kind", RANDOM)
def test_random_programs_are_right_and_rarely_refused(kind, seeds):
    refused = []
    for seed in seeds:
        model = RANDOM[kind](np.random.default_rng(seed))
        found = find(model)
        refused += [seed] if found.reasons else []
        if found.integral is not None:
            check_against_brute_force(model, found.integral, rest_of(model, found))
    jax.clear_caches()  # nothing of it is compiled again
    assert len(refused) <= len(seeds) // 5, refused


# Laws


def grid(names, order):
    """Return a program over two plates; the order in which they are met must not matter."""
    row, column, unit = names

    def program(y):
        rows, columns = numpyro.plate("rows", 3, dim=-2), numpyro.plate("columns", 2, dim=-1)
        effects = {row: (rows, 0.3), column: (columns, 0.6)}
        found = {}
        for name in order:
            with effects[name][0]:
                found[name] = bernoulli(name, effects[name][1])
        with rows, columns:
            z = bernoulli(unit, 0.2 + 0.3 * found[row] + 0.4 * found[column])
            normal("y", 2.0 * z, 1.0, obs=y)

    return pdl.Model(program, Y6.reshape(3, 2))


@pytest.mark.slow
def test_order_of_plates_and_names_do_not_matter():
    models = [grid("abz", "ab"), grid("abz", "ba"), grid("zab", "az")]
    found = [find(model) for model in models]
    first, *others = (answers(m, f.integral) for m, f in zip(models, found, strict=True))
    for other in others:
        assert abs(other.log_density - first.log_density) < ROUNDING * abs(first.log_density)
    np.testing.assert_allclose(others[1].marginals["b"], first.marginals["z"], atol=ROUNDING)
    assert [sorted(sorted(v.merged) for v in f.integral.variables) for f in found] == 3 * [
        sorted(sorted(v.merged) for v in found[0].integral.variables)
    ]


def inner_plate_first(n):
    def program(y):
        columns, rows = numpyro.plate("columns", 2, dim=-1), numpyro.plate("rows", n, dim=-2)
        with columns:
            w = bernoulli("w", 0.3)
        with rows, columns:
            z = bernoulli("z", 0.2 + 0.5 * w)
            normal("y", 2.0 * z, 1.0, obs=y)

    return pdl.Model(program, np.resize(Y6, (n, 2)))


def chain(n):
    def program(y):
        def step(z, y_t):
            z = bernoulli("z", 0.2 + 0.5 * z)
            normal("y", 2.0 * z, 1.0, obs=y_t)
            return z, None

        scan(step, 0, y)

    return pdl.Model(program, np.resize(Y7, n))


def gaussian_chain(n):
    def program(y):
        def step(x, y_t):
            x = normal("x", 0.9 * x, 0.4)
            normal("y", x, 0.3, obs=y_t)
            return x, None

        scan(step, 0.0, y)

    return pdl.Model(program, np.resize(Y7, n))


def groups(n):
    def program(group, y):
        with numpyro.plate("groups", n // 4):
            alpha = normal("alpha", 0, 1)
        with numpyro.plate("n", n):
            normal("y", alpha[group], 1.0, obs=y)

    return pdl.Model(program, np.arange(n) // 4, np.resize(Y7, n))


def gaussian_mixture(n):
    def program(y):
        with numpyro.plate("n", n):
            z = bernoulli("z", 0.3)
            x = normal("x", 3.0 * z, 0.5)
            normal("y", x, 0.7, obs=y)

    return pdl.Model(program, np.resize(Y7, n))


def largest(jaxpr):
    """Return the most entries of any array in a traced function."""
    sizes = [
        int(np.prod(v.aval.shape)) for eqn in jaxpr.eqns for v in eqn.outvars if hasattr(v.aval, "shape")
    ]
    for eqn in jaxpr.eqns:
        for value in eqn.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    sizes.append(largest(inner))
    return max(sizes, default=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [inner_plate_first, chain]
    + [pytest.param(build, marks=pytest.mark.slow) for build in (gaussian_mixture, gaussian_chain, groups)],
)
def test_memory_is_linear_in_plates_and_chains(build):
    """A table of all pairs of elements would have 1e10 entries; the largest per element is of two states."""
    n, per_element = 100_000, 32
    model = build(n)
    found = find(model)
    assert set(found.integrated) == set(model.latents)
    with Precision.DOUBLE.active():
        arrays = model.arrays(Precision.DOUBLE)
        slope = jax.make_jaxpr(jax.grad(found.integral.log_density, allow_int=True))(arrays, {})
        drawn = jax.make_jaxpr(found.integral.draw)(jax.random.key(0), arrays, {})
    assert max(largest(slope.jaxpr), largest(drawn.jaxpr)) <= per_element * n
    assert np.isfinite(log_density(model, found.integral))


@pytest.mark.slow
def test_compiled_or_not():
    model, found = search(DISCRETE["crossed_plates"].build)
    with Precision.DOUBLE.active():
        arrays = model.arrays(Precision.DOUBLE)
        key = jax.random.key(3)
        plain = found.integral.log_density(arrays, {})
        draw = found.integral.draw(key, arrays, {})
        compiled = jax.jit(found.integral.draw)(key, arrays, {})
    assert abs(float(plain) - log_density(model, found.integral)) < ROUNDING * abs(float(plain))
    for name, value in draw.items():
        np.testing.assert_array_equal(value, compiled[name])


def by_group(group, y):
    def program(group, y):
        with numpyro.plate("groups", 3):
            z = bernoulli("z", 0.4)
        with numpyro.plate("n", len(y)):
            normal("y", 2.0 * z[group], 1.0, obs=y)

    return program, group, y


@pytest.mark.slow
def test_new_data_need_no_compilation_new_indices_another_integral():
    program, group, y = by_group(np.array([0, 1, 2, 0, 1, 2, 0]), Y7)
    model, same = pdl.Model(program, group, y), pdl.Model(program, group, y + 1.0)
    other = pdl.Model(program, group[::-1].copy(), y)
    first, second, third = (find(m).integral for m in (model, same, other))
    assert first == second
    assert hash(first) == hash(second)
    assert first != third
    log_density(model, first)
    with compilations() as count:
        there = log_density(same, second)
    assert count.value == 0
    assert abs(there - mixed(same).log_evidence) < ROUNDING * abs(there)
    there = log_density(other, third)
    assert abs(there - mixed(other).log_evidence) < ROUNDING * abs(there)


@pytest.mark.slow
@each(["log_scale", "bilinear", "discrete_child_of_a_gaussian", "imputed_normals"], {"log_scale"})
def test_what_is_integrated_beside_a_refused_site_is_right(name):
    model, found = search(NOT_EXACT[name].build)
    check_against_brute_force(model, found.integral, rest_of(model, found))
