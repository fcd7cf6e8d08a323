"""The log normaliser in JAX against the engine in NumPy, and both against pgmpy."""

import gzip
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import probdl as pdl
from probdl.exact.tables.elimination import TableElimination
from probdl.program.precision import Precision
from tests.exact.test_elimination import ROUNDING, random_case

FOLDER = Path(find_spec("pgmpy").submodule_search_locations[0]) / "utils" / "example_models"
SEEDS = [2, 5, 9]


def logs(tables):
    with np.errstate(divide="ignore"):
        return [np.log(table) for table in tables]


@pytest.fixture(autouse=True)
def double():
    with Precision.DOUBLE.active():
        yield


@pytest.mark.slow
@pytest.mark.parametrize("most", [2**27, 8])
@pytest.mark.parametrize("seed", SEEDS)
def test_value_and_derivatives(seed, most):
    case = random_case(seed, variables=5)
    engine = case.engine(max_table=most)
    value, marginals = jax.jit(jax.value_and_grad(lambda t: engine.log_normalizer(t, case.evidence)))(
        logs(case.tables)
    )
    expected = case.engine().infer(case.tables, case.evidence)
    assert float(value) == pytest.approx(expected.log_evidence, abs=ROUNDING)
    for found, table in zip(marginals, expected.factor_marginals, strict=True):
        np.testing.assert_allclose(found, table, atol=ROUNDING)


def ring(count, r):
    """A complete graph, of which all but three variables are held if no table has more than four entries."""
    names = [f"v{i}" for i in range(count)]
    scopes = [(a, b) for i, a in enumerate(names) for b in names[:i]]
    tables = [r.normal(size=(2, 2)) for _ in scopes]
    return TableElimination(dict.fromkeys(names, 2), scopes, max_table=4), scopes, tables


@pytest.mark.slow
def test_many_runs_against_enumeration():
    engine, scopes, tables = ring(9, np.random.default_rng(0))
    assert engine.cost().runs >= 64
    value, marginals = jax.jit(jax.value_and_grad(engine.log_normalizer))(tables)
    number = {name: v for v, name in enumerate(engine.sizes)}
    whole = np.zeros([2] * 9)
    for (a, b), table in zip(scopes, tables, strict=True):
        axes = [number[a], number[b]]
        turned = table if axes[0] < axes[1] else table.T
        whole += np.expand_dims(turned, tuple(v for v in range(9) if v not in axes))
    weights = np.exp(whole)
    assert float(value) == pytest.approx(np.log(weights.sum()), rel=ROUNDING)
    for (a, b), found in zip(scopes, marginals, strict=True):
        axes = [number[a], number[b]]
        pair = weights.sum(tuple(v for v in range(9) if v not in axes)) / weights.sum()
        np.testing.assert_allclose(found, pair if axes[0] < axes[1] else pair.T, atol=ROUNDING)


def test_what_is_compiled_does_not_grow_with_the_number_of_runs():
    r, lines = np.random.default_rng(0), []
    for states in (2, 4):
        sizes, scopes = {"a": states, "b": states, "c": states}, [("a", "b"), ("b", "c"), ("a", "c")]
        engine = TableElimination(sizes, scopes, max_table=states)
        tables = [r.normal(size=(states, states)) for _ in scopes]
        slope = jax.grad(engine.log_normalizer)
        lines.append((engine.cost().runs, len(str(jax.make_jaxpr(slope)(tables)).splitlines())))
    assert lines[1][0] == 4 * lines[0][0]
    assert lines[1][1] == lines[0][1]


def test_evidence_may_be_traced_and_mapped():
    case = random_case(5, variables=5, zeros=0.0)._replace(evidence={})
    engine, name = case.engine(), next(name for name, size in case.sizes.items() if size > 1)
    states = jnp.arange(case.sizes[name])
    found = jax.jit(jax.vmap(lambda s: engine.log_normalizer(logs(case.tables), {name: s})))(states)
    expected = [engine.log_evidence(case.tables, {name: int(s)}) for s in states]
    np.testing.assert_allclose(found, expected, atol=ROUNDING)


def test_tables_may_be_mapped_and_differentiated_through():
    engine = TableElimination({"a": 2, "b": 2}, [("a",), ("a", "b")])

    def total(strength):
        return engine.log_normalizer([jnp.zeros(2), strength * jnp.eye(2)])

    strengths = jnp.array([0.0, 0.5, 2.0])
    tanh = 1 / (1 + jnp.exp(-strengths))
    slopes, curvatures = jax.jit(jax.vmap(jax.value_and_grad(jax.grad(total))))(strengths)
    np.testing.assert_allclose(slopes, tanh, rtol=1e-12)
    np.testing.assert_allclose(curvatures, tanh * (1 - tanh), rtol=1e-12)


def test_what_is_impossible_has_no_derivatives_and_no_nan():
    engine = TableElimination({"a": 2, "b": 2, "c": 2}, [("a",), ("a", "b"), ("c",)])
    tables = logs([np.array([1.0, 0.0]), np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([0.5, 0.5])])
    run = jax.jit(jax.value_and_grad(lambda t: engine.log_normalizer(t, {"b": 1})))
    for given in (tables, [np.full(2, -np.inf), *tables[1:]]):
        value, derivatives = run(given)
        assert value == -np.inf
        assert all((np.asarray(table) == 0).all() for table in derivatives)


def test_derivatives_that_overflow_at_zeros_do_not_matter():
    engine = TableElimination({"mode": 2, "a": 2, "b": 2}, [("mode",), ("mode", "a"), ("mode", "b")])
    likely = np.array([[1e-200, 2e-200], [1.0, 1.0]])
    tables = logs([np.array([1.0, 0.0]), likely, likely])
    found = jax.jit(jax.grad(engine.log_normalizer))(tables)
    np.testing.assert_allclose(found[0], [1, 0])
    for table in found[1:]:
        np.testing.assert_allclose(table, [[1 / 3, 2 / 3], [0, 0]])


@pytest.mark.slow
def test_double_precision_outside_a_trace_whatever_the_flag():
    case = random_case(2, variables=5)
    with Precision.SINGLE.active():
        found = case.engine().log_normalizer(logs(case.tables), case.evidence)
    assert found.dtype == np.float64
    assert found == pytest.approx(case.engine().log_evidence(case.tables, case.evidence), abs=ROUNDING)


def test_single_precision_is_kept():
    with Precision.SINGLE.active():
        found = jax.jit(TableElimination({"a": 2}, [("a",)]).log_normalizer)([jnp.zeros(2)])
        assert found.dtype == jnp.float32
        assert float(found) == pytest.approx(np.log(2))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("name", "evidence"),
    [
        ("asia", {"xray": "yes", "dysp": "no"}),
        ("alarm", {"HRBP": "HIGH", "CO": "LOW", "BP": "HIGH"}),
    ],
)
def test_networks_against_pgmpy(name, evidence):
    from pgmpy.inference import VariableElimination
    from pgmpy.readwrite import BIFReader

    text = gzip.decompress((FOLDER / f"{name}.bif.gz").read_bytes()).decode()
    network = pdl.read_bif(text).program
    scopes = [(*network.parents[v], v) for v in network.variables]
    sizes = {v: len(network.states[v]) for v in network.variables}
    found = TableElimination(sizes, scopes, network.variables).infer(
        list(network.tables.values()), network.codes(**evidence)
    )
    theirs = BIFReader(string=text).get_model()
    exact = VariableElimination(theirs)
    for v in network.variables:
        if v not in evidence:
            factor = exact.query([v], evidence=evidence, show_progress=False)
            expected = [factor.get_value(**{v: state}) for state in network.states[v]]
            np.testing.assert_allclose(found.marginals[v], expected, atol=1e-9)
