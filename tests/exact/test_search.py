"""What is found to be integrable, and the reasons for what is not: never a wrong number."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.exact.programs.search import find
from probdl.exact.programs.variables import Kind
from tests.exact import programs
from tests.exact.integrals import ROUNDING, kinds_of, log_density, search
from tests.exact.programs import CONJUGATE, DISCRETE, GAUSSIAN, MIXED, NOT_EXACT, Y6
from tests.marks import by_name

EXACT = {**DISCRETE, **GAUSSIAN, **MIXED, **CONJUGATE}
EVERYDAY = {
    *list(DISCRETE)[::5],
    "hierarchical_regression",
    "mixture_of_factor_analysers",
    "mixture_of_unknown_means",
    "dirichlet_rows_of_an_observed_chain",
    "gamma_poisson",
}
REASONS = {
    "floor_of_a_gaussian": r"'y' is not smooth in it \(rounding\)",
    "where_on_a_gaussian": "log density of 'y' is not quadratic in 'x'",
    "absolute_value_of_a_gaussian": "log density of 'y' is not quadratic in 'x'",
    "stopped_gradient": r"'y' is not smooth in it \(stop_gradient\)",
    "where_far_away": "log density of 'y' is not quadratic in 'x'",
    "bilinear": "log density of 'y' is not quadratic in 'u' and 'v'",
    "exponential_of_a_gaussian": "log density of 'y' is not quadratic in 'a'",
    "log_scale": "log density of 'x' is not quadratic in 'a'",
    "quartic": "log density of 'quartic' is not quadratic in 'x'",
    "logistic_regression": "log density of 'y' is not quadratic in 'w'",
    "robust_likelihood": "log density of 'y' is not quadratic in 'x'",
    "cauchy_prior": "log density of 'x' is not quadratic in 'x'",
    "truncated_prior": "not conjugate: TruncatedNormal prior",
    "half_cauchy_scale": "not conjugate: HalfCauchy prior",
    "infinite_support": r"support is not finite \(Poisson\)",
    "subsampled_plate": "plate 'n' is subsampled",
    "discrete_child_of_a_gaussian": "log density of 'z' is not quadratic in 'x'",
    "too_large_a_table": "reads more than one 'z' along 'n': together, 'z' would have 1.1e\\+12 states",
    "polynomial_through_a_scan": "log density of 'y' is not quadratic in 'w'",
    "imputed_normals": "its distribution given the rest is improper",
    "clipped_proportion": r"'y' is not smooth in it \(a maximum or minimum\)",
    "rate_with_a_floor": r"'y' is not smooth in it \(a maximum or minimum\)",
    "first_derivative_by_hand": r"'y' has no second derivative in it: a first derivative .* \(custom_vjp\)",
    "loop_of_unknown_length": "'y' has no second derivative in it: a loop whose length is not known",
}
REFUSED = {
    "schools": "not conjugate: HalfCauchy prior",
    "mixture_of_unknown_noise": "not conjugate: HalfNormal prior",
    "rates_of_an_unknown_rate": "would not be conjugate any more|not conjugate to the terms that read it",
    "semiconjugate": "not conjugate to the terms that read it: Gamma prior",
}


def each(names, everyday, whole=None):
    """Parametrise by name."""
    return pytest.mark.parametrize("name", by_name(list(names), everyday, whole))


def normal(name, *parameters, **options):
    return numpyro.sample(name, dist.Normal(*parameters), **options)


@pytest.mark.few(9)
@pytest.mark.slow
@each(EXACT, EVERYDAY, whole={n for n, case in EXACT.items() if case.refused})  # others: test_integral.py
def test_what_each_case_says_is_integrated(name):
    model, found = search(EXACT[name].build)
    assert found.integrated == kinds_of(EXACT[name])
    assert set(found.integrated) | set(found.reasons) == set(model.latents)
    assert found.rest == tuple(name for name in model.latents if name in found.reasons)


@pytest.mark.slow
@each(NOT_EXACT, {*NOT_EXACT} - {"imputed_normals", "logistic_regression", "log_scale"})
def test_what_is_in_the_way_is_named(name):
    case = NOT_EXACT[name]
    _, found = search(case.build)
    assert found.integrated == kinds_of(case)
    assert set(found.reasons) == set(case.refused)
    (site,) = case.refused
    assert re.search(REASONS[name], found.reasons[site])


@pytest.mark.slow
@each(REFUSED, {"mixture_of_unknown_noise", "semiconjugate"})
def test_what_is_left_of_exact_programs_has_a_reason(name):
    _, found = search(EXACT[name].build)
    (site,) = found.rest
    assert re.search(REFUSED[name], found.reasons[site])


def many(build, n):
    """Return the model of a mixed case with more data than can be enumerated."""
    model = build()
    return pdl.Model(model.program, np.resize(Y6, n))


@pytest.mark.parametrize(
    ("build", "labels", "mean"),
    [(programs.mixture_of_unknown_means, "z", "mu"), (programs.outliers, "odd", "mu")],
)
def test_mixtures_of_exponentially_many_components_keep_the_mean(build, labels, mean):
    found = find(many(build, 30))
    assert found.integrated == {labels: Kind.DISCRETE}
    assert f"are joined by '{mean}'" in found.reasons[mean]


# Masks, flat priors, derivatives that lie


def masked_states():
    def program(y, exists):
        with numpyro.plate("n", len(y)), handlers.mask(mask=exists):
            x = normal("x", 0, 1)
            normal("y", x, 1.0, obs=y)

    return pdl.Model(program, Y6[:4], np.array([True, False, True, True]))


def masked_priors():
    def program(y, known):
        with numpyro.plate("n", len(y)):
            with handlers.mask(mask=known):
                x = normal("x", 0, 1)
            normal("y", x, 1.0, obs=y)

    return pdl.Model(program, Y6[:4], np.array([True, False, True, True]))


def flat(name):
    return numpyro.sample(name, dist.ImproperUniform(dist.constraints.real, (), ()))


def two_flat_priors_and_their_sum():
    return pdl.Model(lambda y: normal("y", flat("a") + flat("b"), 1.0, obs=y), 1.0)


def curved_upward():
    def program():
        numpyro.factor("upward", 2.0 * normal("a", 0, 1) ** 2)

    return pdl.Model(program)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "stay"),
    [(masked_states, {"x"}), (two_flat_priors_and_their_sum, {"b"}), (curved_upward, {"a"})],
)
def test_what_has_no_finite_integral_stays(build, stay):
    _, found = search(build)
    assert set(found.rest) == stay
    why = "its distribution given the rest is improper, or scales are so far apart that digits are lost"
    assert found.reasons == dict.fromkeys(stay, why)


@pytest.mark.slow
def test_a_masked_prior_is_flat():
    model, found = search(masked_priors)
    seen = np.array([0, 2, 3])
    exact = -0.5 * np.sum(Y6[seen] ** 2 / 2 + np.log(2 * np.pi * 2))  # N(0, 2) each; the flat one gives 1
    assert abs(log_density(model, found.integral) - exact) < ROUNDING * abs(exact)


@jax.custom_jvp
def wavy(x):
    return x + jnp.sin(x)


@jax.custom_jvp
def wavy_throughout(x):
    return x + jnp.sin(x)


wavy.defjvp(lambda primals, tangents: (wavy(*primals), tangents[0]))
wavy_throughout.defjvp(lambda primals, tangents: (primals[0], tangents[0]))


@pytest.mark.slow
@pytest.mark.parametrize("function", [wavy, wavy_throughout])
def test_derivatives_that_are_given_by_hand_are_not_believed(function):
    model = pdl.Model(lambda y: normal("y", function(normal("x", 0, 1)), 1.0, obs=y), 1.0)
    found = find(model)
    assert found.integral is None
    assert found.reasons == {"x": "a term is quadratic near zero only"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: jnp.sqrt(x**2), "log density of 'y' is not quadratic in 'x'"),
        (lambda x: 1.0 * x.astype(int), "'y' is not smooth in it .rounding"),
        (lambda x: jnp.maximum(x, -50.0), "log density of 'y' is not quadratic in 'x'"),
        (lambda x: jax.lax.cond(x > 0, lambda: x, lambda: 2 * x), "not quadratic in 'x'"),
        (lambda x: jnp.sort(jnp.stack([x, 0.0]))[0], "log density of 'y' is not quadratic in 'x'"),
        (lambda x: jnp.array([0.0, 1.0])[jnp.int32(x > 0)], "'y' is not smooth in it"),
        (
            lambda x: jax.lax.fori_loop(0, 3, lambda i, z: z * x, x),
            "log density of 'y' is not quadratic in 'x'",
        ),
    ],
)
def test_kinks_and_powers_are_found(function, reason):
    model = pdl.Model(lambda y: normal("y", function(normal("x", 0, 1)), 1.0, obs=y), 1.0)
    found = find(model)
    assert found.integral is None
    assert re.search(reason, found.reasons["x"])


def test_only_what_is_asked_for():
    model = MIXED["discrete_and_gaussian_apart"].model
    assert find(model, ["z"]).integrated == {"z": Kind.DISCRETE}
    assert find(model, kinds=frozenset({Kind.GAUSSIAN})).integrated == {"bias": Kind.GAUSSIAN}
    nothing = find(model, [])
    assert nothing.integral is None
    assert nothing.rest == ("bias",)


def test_a_table_that_is_the_same_at_every_step_is_counted_once():
    """Transitions of all steps would have 4e8 entries: more than a table may have."""

    def program(y):
        def step(z, y_t):
            move = dist.CategoricalProbs(jnp.full(200, 1 / 200) + 0.001 * (jnp.arange(200) == z))
            z = numpyro.sample("z", move)
            numpyro.sample("y", dist.Normal(z, 1.0), obs=y_t)
            return z, None

        scan(step, jnp.array(0), y)

    assert find(pdl.Model(program, np.zeros(10_000))).integrated == {"z": Kind.DISCRETE}
