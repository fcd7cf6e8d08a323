"""M-steps in closed form: found however a program is written, and at the maximum of the bound."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.distributions import constraints

import probdl as pdl
from probdl.inference.em.closed import closed
from probdl.inference.em.expected import Expected, Seen
from probdl.inference.em.m_step import m_step
from probdl.inference.em.stepping import Stepping
from probdl.program.member import Data
from probdl.program.naturals import members
from probdl.program.parameters import Parameters
from probdl.program.precision import Precision
from tests.marks import by_name

R = np.random.default_rng(0)
N, D, K = 24, 3, 2
ROWS = R.normal(size=(N, D)) * [1.0, 30.0, 0.1] + [0.0, 100.0, 5.0]
COUNTS = R.poisson(3.0, size=(N, D))
BITS = R.integers(0, 2, size=(N, D))
CLASSES = R.integers(0, 3, size=N)
MATRICES = np.stack([np.diag(ROWS.var(0)), 2 * np.diag(ROWS.var(0))])


def param(name, value, constraint=constraints.real):
    return numpyro.param(name, jnp.asarray(value, float), constraint=constraint)


def states():
    return numpyro.sample("z", dist.Categorical(param("weights", [0.4, 0.6], constraints.simplex)))


def means():
    return param("means", ROWS[:K])


def full(x):
    covariances = param("covariances", MATRICES, constraints.positive_definite)
    mean = means()
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.MultivariateNormal(mean[z], covariances[z]), obs=x)


def precisions(x):
    matrices = param("precisions", np.linalg.inv(MATRICES), constraints.positive_definite)
    mean = means()
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.MultivariateNormal(mean[z], precision_matrix=matrices[z]), obs=x)


def tied(x):
    covariance = param("covariance", MATRICES[0], constraints.positive_definite)
    mean = means()
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.MultivariateNormal(mean[z], covariance), obs=x)


def diagonal(x):
    mean, variances = means(), param("variances", ROWS.var(0) * np.ones((K, 1)), constraints.positive)
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.Normal(mean[z], jnp.sqrt(variances[z])).to_event(1), obs=x)


def spherical(x):
    mean, scales = means(), param("scales", [20.0, 40.0], constraints.positive)
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.Normal(mean[z], scales[z][:, None]).to_event(1), obs=x)


def columns(x):
    mean = means()
    with numpyro.plate("N", N, dim=-2):
        z = states()
        with numpyro.plate("D", D, dim=-1):
            numpyro.sample("x", dist.Normal(mean[z[:, 0], None, :][:, 0], 30.0), obs=x)


def one_mean(x):
    """One mean for components of different spread: no mean over places, so no closed form."""
    mean, scales = param("mean", 0.0), param("scales", [20.0, 40.0], constraints.positive)
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.Normal(mean, scales[z]), obs=x[:, 1])


def bits(x):
    with numpyro.plate("N", N):
        z = states()
        chances = param("chances", R.uniform(0.2, 0.8, (K, D)), constraints.unit_interval)
        numpyro.sample("x", dist.Bernoulli(chances[z]).to_event(1), obs=x)


def odds(x):
    logits = param("logits", R.normal(size=(D, K)))
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.Bernoulli(logits=logits.T[z]).to_event(1), obs=x)


def counts(x):
    rates = param("rates", [1.0, 5.0], constraints.positive)
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.Poisson(rates[z][:, None]).to_event(1), obs=x)


def log_rates(x):
    logs = param("logs", [0.0, 1.0])
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.Poisson(jnp.exp(logs[z])), obs=x[:, 0])


def waits(x):
    typical = param("typical", [1.0, 5.0], constraints.positive)
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.Exponential(1 / typical[z]), obs=1.0 + x[:, 0])


def classes(x):
    table = param("table", R.dirichlet(np.ones(3), K), constraints.simplex)
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.Categorical(table[z]), obs=x)


def coin(x):
    chance, mean = param("chance", 0.3, constraints.unit_interval), param("means", [0.0, 50.0])
    with numpyro.plate("N", N):
        z = numpyro.sample("z", dist.Bernoulli(chance))
        numpyro.sample("x", dist.Normal(mean[z], 30.0), obs=x[:, 1])


def chain(x):
    moves = param("moves", [[0.7, 0.3], [0.2, 0.8]], constraints.simplex)
    mean, scales = means(), param("scales", ROWS.std(0), constraints.positive)

    def emit(name, z, seen):
        numpyro.sample(name, dist.Normal(mean[z], scales).to_event(1), obs=seen)

    def step(before, seen):
        z = numpyro.sample("z", dist.Categorical(moves[before]))
        emit("x", z, seen)
        return z, None

    first = numpyro.sample("first", dist.Categorical(moves[0]))
    emit("x_first", first, x[0])
    scan(step, first, x[1:])


def lines(x):
    """A regression on the state: its slope is no argument, its noise waits for it."""
    slope, noise = param("slope", 1.0), param("noise", 30.0, constraints.positive)
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.Normal(slope * z, noise), obs=x[:, 1])


def bounded(x):
    """Means that have to be positive: the mean of the data need not be."""
    mean = param("means", [1.0, 50.0], constraints.positive)
    with numpyro.plate("N", N):
        z = states()
        numpyro.sample("x", dist.Normal(mean[z], 30.0), obs=x[:, 1])


PROGRAMS = {
    "full": (full, ROWS, {"weights", "means", "covariances"}),
    "precisions": (precisions, ROWS, {"weights", "means", "precisions"}),
    "tied": (tied, ROWS, {"weights", "means", "covariance"}),
    "diagonal": (diagonal, ROWS, {"weights", "means", "variances"}),
    "spherical": (spherical, ROWS, {"weights", "means", "scales"}),
    "columns": (columns, ROWS, {"weights", "means"}),
    "one mean": (one_mean, ROWS, {"weights"}),
    "bits": (bits, BITS, {"weights", "chances"}),
    "odds": (odds, BITS, {"weights", "logits"}),
    "counts": (counts, COUNTS, {"weights", "rates"}),
    "log rates": (log_rates, COUNTS, {"weights", "logs"}),
    "waits": (waits, COUNTS, {"weights", "typical"}),
    "classes": (classes, CLASSES, {"weights", "table"}),
    "coin": (coin, ROWS, {"chance", "means"}),
    "chain": (chain, ROWS, {"moves", "means", "scales"}),
    "bounded": (bounded, ROWS, {"weights"}),
    "lines": (lines, ROWS, {"weights"}),
}
EVERYDAY = ("full", "bits", "chain", "lines")
WHOLE = ("spherical", "columns", "one mean", "counts", "bounded")


@functools.cache
def prepared(name):
    program, data, _ = PROGRAMS[name]
    model, method = pdl.Model(program, data), pdl.EM()
    with Precision.DOUBLE.active():
        parameters = Parameters.of(model, method.estimated(model))
        plain = Expected(method._found(model).integral, parameters)
        arrays = model.arrays(Precision.DOUBLE)
        expected, seen = plain.collapsing(model, arrays)
        rule = closed(expected, model, seen)
        start = np.asarray(parameters.start(arrays, jax.random.key(0)))
    return plain, Seen(arrays, {}), expected, seen, rule, start


@pytest.mark.parametrize("name", by_name([*PROGRAMS], EVERYDAY, WHOLE))
def test_which_params_have_a_closed_form(name):
    *_, rule, _ = prepared(name)
    assert {*rule.names} == PROGRAMS[name][2]


@pytest.mark.parametrize("name", by_name([*PROGRAMS], EVERYDAY, WHOLE))
def test_sums_of_data_say_what_all_data_say(name):
    plain, whole, expected, seen, _, start = prepared(name)
    assert expected.collapsed
    there = start + 0.1 * np.random.default_rng(1).normal(size=start.shape)

    def looked(expected, seen):
        @jax.jit
        def run(start, there):
            found = expected.e_step(seen, start)
            gain = expected.bound(seen, there, found.weights) - expected.bound(seen, start, found.weights)
            slope = jax.grad(lambda x: expected.bound(seen, x, found.weights))(there)
            return found.objective, gain, slope

        return run(start, there)

    with Precision.DOUBLE.active():
        for found, wanted in zip(looked(expected, seen), looked(plain, whole), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9 * abs(np.asarray(wanted)).max())


@pytest.mark.parametrize("name", by_name([*PROGRAMS], EVERYDAY, WHOLE))
def test_the_slope_of_the_bound_is_zero_after_the_step(name):
    plain, whole, expected, seen, rule, start = prepared(name)
    own = plain.parameters.layout.places(rule.names)
    with Precision.DOUBLE.active():
        start = jnp.asarray(start)
        found = expected.e_step(seen, start)
        after, promise = m_step(expected, rule, 50, seen, start, found)
        slope = jax.grad(lambda x: plain.bound(whole, x, plain.e_step(whole, start).weights))
        before, there = np.asarray(slope(start)), np.asarray(slope(after))
        gain = float(plain.objective(whole, after) - found.objective)
    assert abs(there[own]).max() < 1e-9 * abs(before[own]).max()
    assert float(promise) > 0
    assert own.size < start.size or float(promise) <= gain * (1 + 1e-12)  # else Newton's, of a quadratic
    assert gain >= 0


def sharp(x):
    mean, scales = param("means", [0.0, 1e6]), param("scales", [1.0, 1.0], constraints.positive)
    with numpyro.plate("N", len(x)):
        z = states()
        numpyro.sample("x", dist.Normal(mean[z], scales[z]), obs=x)


@pytest.mark.slow
def test_a_component_that_is_too_sharp_for_sums_of_data_is_fitted_by_all_of_them():
    x = np.concatenate([1e6 + 1e-3 * R.normal(size=40), R.normal(size=40)])
    result = pdl.infer(pdl.Model(sharp, x), pdl.EM(), key=0)
    assert result.status is pdl.Status.OK
    groups = x[40:], x[:40]
    np.testing.assert_allclose(result.parameters["means"], [g.mean() for g in groups], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(result.parameters["scales"], [g.std() for g in groups], rtol=1e-6)


@pytest.mark.slow
def test_one_restart_whose_sums_are_not_exact_goes_on_alone():
    x = np.concatenate([1e6 + 1e-3 * R.normal(size=40), R.normal(size=40)])
    model, method = pdl.Model(sharp, x), pdl.EM()
    with Precision.DOUBLE.active():
        parameters = Parameters.of(model, method.estimated(model))
        plain, arrays = Expected(method._found(model).integral, parameters), model.arrays(Precision.DOUBLE)
        places = {"means": [0.0, 1e6], "weights": [0.5, 0.5]}
        starts = np.stack(
            [
                parameters.position(arrays, {k: jnp.asarray(v) for k, v in (places | {"scales": s}).items()})
                for s in ([1e5, 1e5], [1.0, 1e-3])
            ]
        )

        def stepped(positions):
            steps = Stepping(plain, model, Seen(arrays, {}), 10)
            return steps._lossy, steps(positions, np.ones(len(positions), bool))

        lossy, both = stepped(starts)
        assert lossy == {1}
        for i in (0, 1):
            alone = stepped(starts[i : i + 1])[1]
            for found, expected in zip(both, alone, strict=True):
                np.testing.assert_allclose(found[i], expected[0], rtol=1e-9)


@pytest.mark.parametrize(
    "around", [handlers.scale(scale=2.0), handlers.mask(mask=np.arange(N - 1) % 3 > 0)], ids=["scale", "mask"]
)
@pytest.mark.parametrize("program", [chain, bits])
def test_data_that_are_scaled_or_masked_are_not_summed(program, around):
    def within(x):
        with around:
            program(x)

    plain, changed = pdl.Model(program, PROGRAMS[program.__name__][1]), pdl.Model(within, ROWS)
    if program is bits:
        changed = pdl.Model(lambda x: bits_of(x, around), BITS)
    for model, names in ((plain, {"x"}), (changed, set())):
        found = {site.name for site in members(model, model.arrays(Precision.DOUBLE))}
        assert found & {"x"} == names


def bits_of(x, around):
    with numpyro.plate("N", N - 1):
        z = states()
        with around:
            numpyro.sample("x", dist.Bernoulli(jnp.full((K, D), 0.5)[z]).to_event(1), obs=x[1:])


def test_impossible_data_are_impossible_in_sums_too():
    model = pdl.Model(log_rates, COUNTS)
    (site,) = members(model, model.arrays(Precision.DOUBLE))
    assert np.isneginf(site.log_base(Data(), jnp.array([-1.0, 0.5, 2.0]))).tolist() == [True, True, False]


@pytest.mark.parametrize("program", [bits, odds])
def test_a_bit_that_is_always_the_same_in_a_component_ends_no_fit(program):
    groups = np.repeat([[1, 1, 0], [0, 0, 0]], N // 2, 0)
    groups[::3, 2] = 1
    result = pdl.infer(pdl.Model(program, groups), pdl.EM(), key=0)
    assert result.status is pdl.Status.OK
    name = "chances" if program is bits else "logits"
    found = result.parameters[name] if program is bits else 1 / (1 + np.exp(-result.parameters[name].T))
    means = [rows.mean(0) for rows in (groups[: N // 2], groups[N // 2 :])]
    for wanted in means:
        assert any(np.allclose(wanted, row, atol=1e-6) for row in found)


def letters(x):
    """A chain whose alphabet may be longer than what is seen of it."""
    count = x["alphabet"].shape[0]
    start = 1.0 + np.outer([1.0, -1.0], np.linspace(-0.9, 0.9, 4))
    start = np.concatenate([start, np.full((2, count - 4), 0.5)], 1)
    table = param("table", start / start.sum(1, keepdims=True), constraints.simplex)
    moves = param("moves", [[0.7, 0.3], [0.4, 0.6]], constraints.simplex)

    def step(before, seen):
        z = numpyro.sample("z", dist.CategoricalProbs(moves[before]))
        numpyro.sample("x", dist.CategoricalProbs(table[z]), obs=seen)
        return z, None

    scan(step, 0, x["seen"])


@pytest.mark.slow
def test_letters_that_are_never_seen_change_nothing():
    seen = np.tile([0, 1, 3, 2, 0, 3], 10)
    found = [
        pdl.infer(
            pdl.Model(letters, {"seen": seen, "alphabet": np.arange(count)}), pdl.EM(tolerance=1e-9), key=0
        )
        for count in (4, 7)
    ]
    assert [result.status for result in found] == [pdl.Status.OK] * 2
    short, long = (result.parameters["table"] for result in found)
    np.testing.assert_allclose(long[:, :4], short, atol=1e-5)
    np.testing.assert_allclose(long[:, 4:], 0, atol=1e-15)
    np.testing.assert_allclose(*(result.data.attrs["objective"] for result in found), rtol=1e-9)


@pytest.mark.parametrize("row", [[0.5, 0.5, 0, 0], [0, 0, 1, 0], [0.1, 0, 0, 0.9], [1e-12, 1, 0, 1e-9]])
def test_probabilities_of_zero_are_moved_inside_and_no_further(row):
    probabilities = np.array(row) / np.sum(row)

    def program(x):
        table = param("table", np.full(4, 0.25), constraints.simplex)
        numpyro.sample("x", dist.CategoricalProbs(table), obs=x)

    model = pdl.Model(program, np.array(1))
    with Precision.DOUBLE.active():
        parameters, arrays = Parameters.of(model, ["table"]), model.arrays(Precision.DOUBLE)
        position = parameters.position(arrays, {"table": jnp.asarray(probabilities)})
        back = parameters.values(arrays, position)["table"]
    assert np.isfinite(position).all()
    assert (np.asarray(back) > 0).all()
    np.testing.assert_allclose(back, probabilities, rtol=1e-6, atol=1e-15)
