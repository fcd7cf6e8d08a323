"""Draws of a model's own prior pass through its own graph, and not through one that lacks an edge."""

import jax.numpy as jnp
import networkx as nx
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl


def schools():
    mu = numpyro.sample("mu", dist.Normal(0, 2))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    with numpyro.plate("school", 3):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, 1))


def chain():
    def step(z, _):
        z = numpyro.sample("z", dist.Normal(0.8 * z, 1))
        numpyro.sample("x", dist.Normal(z, 1))
        return z, None

    scan(step, 0.0, None, length=3)


def sprinkler():
    rain = numpyro.sample("rain", dist.Bernoulli(0.3))
    sprinkler = numpyro.sample("sprinkler", dist.Bernoulli(0.4))
    wet = numpyro.sample("wet", dist.Bernoulli(jnp.clip(0.1 + 0.5 * rain + 0.4 * sprinkler, 0, 0.95)))
    numpyro.sample("slippery", dist.Bernoulli(0.1 + 0.7 * wet))


def groups():
    with numpyro.plate("group", 2):
        a = numpyro.sample("a", dist.Normal(0, 1))
    with numpyro.plate("row", 4):
        numpyro.sample("y", dist.Normal(a[np.array([0, 0, 1, 1])], 1))


PROGRAMS = {"plates": schools, "scan": chain, "discrete": sprinkler, "index": groups}
CUT = {"plates": ("mu", "theta"), "scan": ("z", "x"), "discrete": ("rain", "wet"), "index": ("a", "y")}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_own_draws_pass_and_a_missing_edge_is_found(name):
    model = pdl.Model(PROGRAMS[name])
    graph, draws = pdl.graph(model), model.sample(3, 1500)
    report = pdl.check_independencies(graph, draws, max_statements=25, key=1)
    assert report.passed, str(report)
    assert len(report.statements) == len(report.table) > 0
    wrong = nx.DiGraph(graph)
    wrong.remove_edge(*CUT[name])
    report = pdl.check_independencies(wrong, draws, max_statements=40, key=1)
    assert not report.passed
    assert set(report.failed) <= set(report.statements)


def test_a_data_frame_and_a_mapping_say_the_same():
    import pandas as pd

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 400))
    columns = {"a": a, "b": b, "c": a + b + rng.normal(size=400)}
    graph = nx.DiGraph([("a", "c"), ("b", "c")])
    test = pdl.PartialCorrelation()
    tables = [
        pdl.check_independencies(graph, data, test=test).table for data in (columns, pd.DataFrame(columns))
    ]
    assert tables[0].equals(tables[1])
    assert list(tables[0]["statement"]) == ["a ⫫ b"]


def test_adding_tests_never_makes_a_p_value_smaller():
    rng = np.random.default_rng(1)
    data = dict(zip("abcd", rng.normal(size=(4, 300)), strict=True))
    graph = nx.DiGraph()
    graph.add_nodes_from("abcd")
    table = pdl.check_independencies(graph, data, test=pdl.PartialCorrelation()).table
    assert len(table) == 6
    assert (table["adjusted"] >= table["p_value"]).all()


BAD = {
    "no node": (lambda g: pdl.check_independencies(g, {"q": np.zeros(50)}), ValueError),
    "few rows": (
        lambda g: pdl.check_independencies(g, {"a": np.arange(9.0), "b": np.arange(9.0)}),
        ValueError,
    ),
    "no data": (lambda g: pdl.check_independencies(g, 3), TypeError),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data(name):
    ask, error = BAD[name]
    with pytest.raises(error, match="Expected .*; got .*"):
        ask(nx.DiGraph([("a", "c"), ("b", "c")]))
