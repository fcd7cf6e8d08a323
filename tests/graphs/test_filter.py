"""Graphs as filters: a model's own draws pass, those of another do not, whatever form the data have."""

import jax.numpy as jnp
import networkx as nx
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from numpyro.contrib.control_flow import scan
from scipy.signal import lfilter
from statsmodels.stats.multitest import multipletests

import probdl as pdl
from probdl.errors import SiteNotFound
from probdl.graphs.conditional_independence import Outcome, PartialCorrelation
from probdl.graphs.elements import find_region
from probdl.graphs.filter import check_independencies
from probdl.graphs.independence import Independence
from probdl.graphs.measured import measure
from probdl.program.datatree import tree
from probdl.program.sites import Site, SiteKind
from tests.graphs.graph_programs import CASES

CHAIN = nx.DiGraph([("a", "b"), ("b", "c"), ("c", "d")])
COLLIDER = nx.DiGraph([("x", "z"), ("y", "z")])


def normal(name, *parameters, **options):
    return numpyro.sample(name, dist.Normal(*parameters), **options)


def schools(y=None):
    mu, tau = normal("mu", 0, 5), numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 3):
        theta = normal("theta", mu, tau)
        normal("y", theta, 10, obs=y)


def walk():
    q = numpyro.sample("q", dist.HalfNormal(1))

    def step(state, _):
        x = normal("x", state, q)
        normal("y", x, 1)
        return x, None

    scan(step, 0.0, None, length=3)


def groups():
    index = jnp.array([0, 0, 1])
    with numpyro.plate("group", 2):
        rate = numpyro.sample("rate", dist.Gamma(2, 1))
    with numpyro.plate("row", 3):
        numpyro.sample("y", dist.Poisson(rate[index]))


def chain_data(n=500, seed=0):
    noise = np.random.default_rng(seed).normal(size=(4, n))
    a = noise[0]
    b = a + noise[1]
    c = b + noise[2]
    return {"a": a, "b": b, "c": c, "d": c + noise[3]}


def always(p_value):
    def test(x, y, given, key):
        return Outcome(1.0, p_value, 0.5)

    return test


# A model's own draws pass, another's do not.


@pytest.mark.slow
@pytest.mark.parametrize("program", [schools, walk, groups])
def test_draws_from_a_model_pass_through_its_graph(program):
    model = pdl.Model(program)
    report = check_independencies(pdl.graph(model), model.sample(0, 500), max_statements=12)
    assert report.passed, report
    assert len(report.table) >= 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "edge"), [(schools, ("tau", "theta")), (walk, ("x", "x")), (groups, ("rate", "y"))]
)
def test_draws_do_not_pass_through_a_graph_that_lacks_an_edge(program, edge):
    model = pdl.Model(program)
    graph = pdl.graph(model)
    graph.remove_edge(*edge)
    report = check_independencies(graph, model.sample(0, 500), max_statements=8)
    named = {find_region(graph, name, "test").node for s in report.failed for name in (*s.x, *s.y, *s.given)}
    assert not report.passed
    assert named & set(edge)


@pytest.mark.slow
def test_the_failure_is_the_edge_that_was_added_to_the_world():
    data = chain_data()
    data["d"] = data["d"] + data["a"]
    assert str(check_independencies(CHAIN, data, "pairwise").failed[0]) == "a ⫫ d | c"


@pytest.mark.slow
def test_direction_matters_where_it_can_be_seen():
    x, y, noise = np.random.default_rng(1).normal(size=(3, 500))
    data = {"x": x, "y": y, "z": x + y + noise}
    assert check_independencies(COLLIDER, data).passed
    for edges in ([("x", "z"), ("z", "y")], [("z", "x"), ("z", "y")]):
        assert not check_independencies(nx.DiGraph(edges), data).passed


SAMPLED = [name for name in CASES if name != "improper_dynamic_support"]


@pytest.mark.few(10)
@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLED)
def test_draws_of_all_known_programs_pass(name):
    case = CASES[name]()
    model = pdl.Model(case["model"], *case["args"], **case["kwargs"])
    report = check_independencies(pdl.graph(model), model.sample(1, 1000), max_statements=40)
    assert report.passed, report


@pytest.mark.slow
def test_most_edges_of_known_programs_are_missed_when_they_are_gone():
    found = []
    for name in (
        "crossed_plates_irt",
        "discrete_enum_gmm",
        "plate_gather",
        "plate_subsample",
        "numpyro_cond",
    ):
        case = CASES[name]()
        model = pdl.Model(case["model"], *case["args"], **case["kwargs"])
        graph, draws = pdl.graph(model), model.sample(1, 1000)
        for edge in graph.edges:
            without = graph.copy()
            without.remove_edge(*edge)
            found.append(not check_independencies(without, draws, max_statements=15).passed)
    assert np.mean(found) >= 0.9


# Forms of data.


def plated():
    """A graph of y in two plates, the inner one along the first axis, with an event of two numbers."""
    site = Site("y", SiteKind.LATENT, (2, 3, 2), event_dim=1, plates=("b", "a"), axes=(("a", 0), ("b", 1)))
    graph = nx.DiGraph(plates={"a": 2, "b": 3})
    graph.add_node("x", site=Site("x", SiteKind.LATENT))
    graph.add_node("y", site=site)
    return graph


def test_elements_are_found_by_the_names_of_plates_not_by_the_order_of_axes():
    values = np.random.default_rng(2).normal(size=(50, 2, 3, 2))
    graph = plated()
    measured = measure(graph, {"y": values})
    for name, expected in [("y[2,1]", values[:, 1, 2]), ("y[1:,0]", values[:, 0, 1:]), ("y", values)]:
        columns = measured.of(find_region(graph, name, "test"))
        assert np.array_equal(columns, expected.reshape(50, -1))
    assert measured.of(find_region(graph, "x", "test")) is None


@pytest.mark.slow
def test_a_scan_comes_first_in_names_and_in_axes():
    def program():
        def step(state, _):
            with numpyro.plate("n", 2):
                x = normal("x", state, 1)
            return x, None

        scan(step, jnp.zeros(2), None, length=3)

    model = pdl.Model(program)
    graph, draws = pdl.graph(model), model.sample(0, 50)
    expected = draws["prior"]["x"].transpose("chain", "draw", "time", "n").to_numpy()[0, :, 2, 1]
    assert np.array_equal(measure(graph, draws).of(find_region(graph, "x[2,1]", "test"))[:, 0], expected)


@pytest.mark.slow
def test_frames_mappings_and_draws_say_the_same():
    model = pdl.Model(schools)
    graph, draws = pdl.graph(model), model.sample(0, 200)
    arrays = {name: draws["prior"][name].to_numpy()[0] for name in ("mu", "tau", "theta", "y")}
    frame = {name: arrays[name] for name in ("mu", "tau")}
    frame |= {f"{name}[{i}]": arrays[name][:, i] for name in ("theta", "y") for i in range(3)}
    reports = [
        check_independencies(graph, data, test=PartialCorrelation())
        for data in (draws, arrays, pd.DataFrame(frame), frame)
    ]
    for report in reports[1:]:
        pd.testing.assert_frame_equal(report.table, reports[0].table)


def test_categories_are_codes_and_truth_values_are_numbers():
    r = np.random.default_rng(3)
    rain, sprinkler = r.random((2, 400)) < 0.4
    wet = pd.Categorical(np.where(rain | sprinkler, "wet", "dry"))
    data = pd.DataFrame({"x": rain, "y": sprinkler, "z": wet})
    assert check_independencies(COLLIDER, data).passed
    assert not check_independencies(nx.DiGraph([("x", "z"), ("z", "y")]), data).passed


def test_many_columns_of_a_side_are_thinned_and_all_of_the_given_are_kept():
    shapes = []

    def test(x, y, given, key):
        shapes.append((x.shape[1], y.shape[1], given.shape[1]))
        return Outcome(0.0, 1.0, 0.0)

    r = np.random.default_rng(4)
    data = {"x": r.normal(size=(50, 9)), "y": r.normal(size=(50, 2)), "z": r.normal(size=(50, 7))}
    statement = Independence(("x",), ("y",), ("z",))
    check_independencies(COLLIDER, data, statements=[statement], test=test)
    assert shapes == [(4, 2, 7)]
    report = check_independencies(COLLIDER, data, statements=[statement], test=test, max_given=6)
    assert report.notes == ("1 statement left out: more than 6 columns are given: see max_given.",)
    report = check_independencies(COLLIDER, data, statements=[statement])
    assert report.notes == (
        "1 statement left out: 50 rows are too few for a regression on all that is given.",
    )


# What is not there.


def test_statements_about_what_was_not_measured_are_counted():
    data = chain_data()
    del data["b"]
    report = check_independencies(CHAIN, data)
    assert [str(s) for s in report.statements] == ["a ⫫ d | c"]
    assert report.notes == ("3 statements left out: no data of b.",)


def test_rows_with_gaps_are_left_out_where_they_matter():
    data = pd.DataFrame(chain_data())
    data.loc[:99, "a"] = np.nan
    data.loc[150:160, "d"] = np.inf
    data.loc[200:209, "b"] = np.nan
    rows = check_independencies(CHAIN, data, test=always(1.0)).table.set_index("statement")["n"]
    assert dict(rows) == {"a ⫫ c | b": 390, "b ⫫ d | c": 479, "a ⫫ d | b": 379, "a ⫫ d | c": 389}


def test_constants_are_neither_tested_nor_given():
    data = chain_data() | {"b": np.ones(500), "d": np.zeros(500)}
    report = check_independencies(CHAIN, data, test=PartialCorrelation())
    assert [str(s) for s in report.statements] == ["a ⫫ c | b"]
    assert "the data of d do not vary" in str(report)


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        ({"p": np.zeros(50)}, ValueError, "Expected data with columns named like nodes"),
        (pd.DataFrame({"x": np.arange(10.0)}), ValueError, "at least 40 independent rows .* got 10"),
        ({"x": np.zeros(50), "y": np.zeros(40)}, ValueError, "as many rows of each node"),
        (pd.DataFrame({"x": ["a"] * 50}), TypeError, "numbers or categories in column 'x'"),
        ({"x": np.array(["a"] * 50)}, TypeError, "Expected numbers for 'x'"),
        ([1, 2, 3], TypeError, "Expected a data frame, a mapping of arrays"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, kind, message):
    with pytest.raises(kind, match=message):
        check_independencies(COLLIDER, data)


def test_shapes_that_do_not_fit_are_refused():
    for data, message in [
        ({"y": np.zeros((50, 3))}, r"Expected values of shape \(50, 2, 3, 2\) for 'y'"),
        ({"y[0:2,0]": np.zeros(50)}, "Expected one element a column"),
    ]:
        with pytest.raises(ValueError, match=message):
            check_independencies(plated(), data)
    with pytest.raises(IndexError, match="index from 0 to 2"):
        check_independencies(plated(), {"y[7,0]": np.zeros(50)})


def test_names_that_are_slips_of_the_pen_are_refused():
    graph = nx.DiGraph([("income", "spending")])
    with pytest.raises(SiteNotFound, match="Did you mean 'income'"):
        check_independencies(graph, {"incomes": np.zeros(50), "spending": np.zeros(50)})
    with pytest.raises(SiteNotFound, match="Did you mean 'income'"):
        check_independencies(
            graph, {"spending": np.zeros(50)}, statements=[Independence(("incom",), ("spending",))]
        )
    report = check_independencies(graph, {"id": np.arange(50), "spending": np.zeros(50)})
    assert report.notes[0] == "No nodes of the graph: id."


# Posterior draws.


def posterior(values, observed):
    sites = {name: Site(name, SiteKind.LATENT, np.shape(v)[2:]) for name, v in values.items()}
    seen = {name: Site(name, SiteKind.OBSERVED) for name in observed}
    draws = tree({"posterior": values}, sites)
    draws["observed_data"] = tree({"o": dict.fromkeys(observed, 1.0)}, seen, leading=())["o"].to_dataset()
    return draws


def test_of_posterior_draws_only_what_holds_given_the_data_is_asked():
    r = np.random.default_rng(5)
    x, e = r.normal(size=(2, 2, 400))
    w = r.normal(size=(2, 400))
    draws = posterior({"x": x, "y": 1 - x + 0.3 * e, "w": w}, ["z"])
    graph = nx.DiGraph([("x", "z"), ("y", "z"), ("z", "w")])
    report = check_independencies(graph, draws)
    assert [str(s) for s in report.statements] == ["x ⫫ w | z", "y ⫫ w | z"]
    assert report.passed
    prior = check_independencies(graph, {"x": x.ravel(), "y": (1 - x + 0.3 * e).ravel()})
    assert [str(s) for s in prior.failed] == ["x ⫫ y"]


@pytest.mark.slow
def test_a_result_of_inference_passes_through_its_graph():
    def program(y=None):
        mu = normal("mu", 0, 1)
        with numpyro.plate("n", 3):
            x = normal("x", mu, 1)
            normal("y", x, 1, obs=y)

    model = pdl.Model(program, np.array([2.0, 1.0, -1.0]))
    result = pdl.infer(model, pdl.NUTS(num_warmup=200, num_samples=400, num_chains=4), key=0)
    report = check_independencies(pdl.graph(model), result)
    assert [str(s) for s in report.statements] == ["x[0] ⫫ x[1] | mu, y"]
    assert report.passed
    without = pdl.graph(model)
    without.remove_edge("mu", "x")
    assert "x[0] ⫫ x[1] | y" in [str(s) for s in check_independencies(without, result).failed]


def autocorrelated(seed, correlation=0.95, length=4000):
    noise = np.random.default_rng(seed).normal(size=(2, 2, length))
    x, y = lfilter([1.0], [1.0, -correlation], noise)
    return posterior({"x": x, "y": y}, [])


@pytest.mark.slow
def test_draws_are_thinned_until_they_are_independent():
    graph = nx.DiGraph()
    graph.add_nodes_from("xy")
    found = [check_independencies(graph, autocorrelated(seed)).table["p_value"][0] for seed in range(30)]
    assert np.mean(np.array(found) < 0.05) <= 0.2  # 99.9 % of a binomial
    report = check_independencies(graph, autocorrelated(0))
    assert 40 <= report.table["n"][0] < 300
    assert report.notes[0].startswith("Used is 1 draw of ")


# The report.


def test_p_values_are_adjusted_as_benjamini_and_yekutieli_say():
    report = check_independencies(CHAIN, chain_data(), test=PartialCorrelation())
    expected = multipletests(report.table["p_value"], method="fdr_by")[1]
    assert report.table["adjusted"].to_numpy() == pytest.approx(expected)
    assert list(report.table) == ["statement", "test", "n", "effect", "statistic", "p_value", "adjusted"]


def test_a_report_says_what_fails():
    data = chain_data(2000)
    data["c"] = data["c"] + 2 * data["a"]
    data["d"] = data["c"] + np.random.default_rng(6).normal(size=2000)
    report = check_independencies(CHAIN, data, "pairwise", test=PartialCorrelation())
    assert [str(s) for s in report.failed] == ["a ⫫ c | b"]
    assert str(report).splitlines()[0] == "1 of 3 independencies fails at level 0.05."
    assert "a ⫫ c | b PartialCorrelation 2000" in str(report)
    assert repr(report) == str(report)
    assert not report.passed


def test_a_report_without_statements_says_so():
    full = nx.DiGraph([("a", "b")])
    report = check_independencies(full, {"a": np.arange(50.0), "b": np.arange(50.0)})
    assert report.passed
    assert str(report) == "No independency was tested."


def test_the_test_ends_after_as_many_statements_as_asked():
    report = check_independencies(CHAIN, chain_data(), test=always(0.5), max_statements=2)
    assert len(report.table) == 2
    assert report.notes == ("Only the first 2 statements were tested: raise max_statements.",)
    assert not check_independencies(CHAIN, chain_data(), test=always(0.5), max_statements=4).notes


def test_a_test_of_ones_own_is_used_and_checked():
    report = check_independencies(CHAIN, chain_data(), test=always(0.0))
    assert set(report.table["test"]) == {"test"}
    assert len(report.failed) == len(report.statements) == 4
    with pytest.raises(ValueError, match="Expected a p-value from 0 to 1 from test; got nan"):
        check_independencies(CHAIN, chain_data(), test=always(np.nan))


@pytest.mark.slow
def test_a_key_repeats_a_report():
    tables = [check_independencies(CHAIN, chain_data(200), key=key).table for key in (0, 0, 1)]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not tables[0].equals(tables[2])
