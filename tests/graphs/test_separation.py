"""Known graphs, programs with plates and scans, paths in words, and what bad questions are answered."""

import itertools
import json
from pathlib import Path

import jax.numpy as jnp
import networkx as nx
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl

KNOWN = json.loads((Path(__file__).parent / "data" / "separation.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "case", KNOWN["cases"], ids=lambda case: f"{case['graph']}-{case['x']}-{case['y']}-{case['z']}"
)
def test_known_graphs(case):
    graph = nx.DiGraph(map(tuple, KNOWN["graphs"][case["graph"]]))
    x, y, z = case["x"], case["y"], case["z"]
    assert pdl.d_separated(graph, x, y, z) == case["separated"]
    assert pdl.d_separated(graph, y, x, z) == case["separated"]
    assert (pdl.active_path(graph, x, y, z) is None) == case["separated"]
    assert pdl.d_connected(graph, x, z).isdisjoint(y) == case["separated"]


def plated(sites, edges, sizes):
    graph = nx.DiGraph(plates=dict(sizes))
    for name, plates in sites.items():
        graph.add_node(name, site=pdl.Site(name, pdl.SiteKind.LATENT, plates=tuple(plates)))
    for parent, child, aligned in edges:
        graph.add_edge(parent, child, aligned=frozenset(aligned))
    return graph


def names(template, regions):
    return [
        f"{r['site']}[{','.join(map(str, index))}]" if index else r["site"]
        for r in regions
        for index in itertools.product(*(r["index"].get(p, [":"]) for p in template["sites"][r["site"]]))
    ]


@pytest.mark.parametrize("size", [None, 10**9], ids=["as given", "a billion"])
@pytest.mark.parametrize("case", KNOWN["plate_cases"], ids=lambda case: case["template"])
def test_known_plates(case, size):
    """The answer is the same when every plate has a billion elements, of which few are looked at."""
    template = KNOWN["templates"][case["template"]]
    graph = plated(template["sites"], template["edges"], template["sizes"])
    if size:
        graph.graph["plates"] = dict.fromkeys(graph.graph["plates"], size)
    x, y, z = (names(template, case[role]) for role in "xyz")
    assert pdl.d_separated(graph, x, y, z) == case["separated"]


def eight_schools(y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, 1), obs=y)


def hidden_markov(length=6):
    def step(z, _):
        z = numpyro.sample("z", dist.Categorical(probs=jnp.eye(2)[z] * 0.8 + 0.1))
        numpyro.sample("x", dist.Normal(z, 1.0))
        return z, None

    scan(step, 0, None, length=length)


def radon(county):
    with numpyro.plate("group", 4):
        a = numpyro.sample("a", dist.Normal(0, 1))
    with numpyro.plate("house", len(county)):
        numpyro.sample("y", dist.Normal(a[county], 1))


def test_elements_of_plates():
    graph = pdl.graph(pdl.Model(eight_schools))
    assert not pdl.d_separated(graph, "theta[0]", "theta[1]")
    assert pdl.d_separated(graph, "theta[0]", "theta[1]", given=["mu", "tau"])
    assert pdl.d_separated(graph, "theta[0]", "theta[1:]", given=["mu", "tau"])
    assert pdl.d_separated(graph, "y[2:5]", "y[5:]", given="theta[2:5]")
    assert not pdl.d_separated(graph, "y[2:5]", "y[5:]", given="theta[2:4]")
    assert pdl.d_connected(graph, "theta[3]", given=["mu", "tau"]) == {"y[3]"}
    assert pdl.d_connected(graph, "y[3]", given="theta[3]") == frozenset()
    assert pdl.d_connected(graph, "y[3]", given="mu") == {"tau", "theta", "y[:3]", "y[4:]"}
    assert pdl.markov_blanket(graph, "theta[3]") == {"mu", "tau", "y[3]"}
    assert pdl.d_separated(graph, "y[-1]", "y[0]", given="theta[7]")


def test_chains():
    graph = pdl.graph(pdl.Model(hidden_markov))
    assert pdl.d_separated(graph, "z[3]", "z[5]", given="z[4]")
    assert not pdl.d_separated(graph, "z[3]", "z[5]", given="x[4]")
    assert pdl.d_separated(graph, "x[:3]", "x[4:]", given="z[3]")
    assert pdl.markov_blanket(graph, "z[3]") == {"z[2]", "z[4]", "x[3]"}
    assert pdl.parents(graph, "z[0]") == frozenset()


def test_a_long_chain_is_unrolled_as_far_as_it_matters():
    graph = pdl.graph(pdl.Model(hidden_markov))
    for node, site in graph.nodes(data="site"):
        graph.nodes[node]["site"] = pdl.Site(node, site.kind, (10**9,), scan="time", axes=site.axes)
    graph.graph["scans"] = {"time": 10**9}
    assert pdl.d_separated(graph, "z[3]", "z[5]", given="z[4]")
    assert pdl.markov_blanket(graph, "z[3]") == {"z[2]", "z[4]", "x[3]"}
    message = "needs 1,000,000,000 elements.*'time' is read with lags.*Ask about earlier"
    with pytest.raises(ValueError, match=message):
        pdl.d_separated(graph, "z[3]", "z[999999999]")


def test_gathers():
    graph = pdl.graph(pdl.Model(radon, np.array([0, 0, 1, 2, 3, 3])))
    assert pdl.d_separated(graph, "a[0]", "y[2:]")
    assert not pdl.d_separated(graph, "y[0]", "y[1]")
    assert pdl.d_separated(graph, "y[0]", "y[1]", given="a[0]")
    assert pdl.d_connected(graph, "a[3]") == {"y[4:]"}
    assert pdl.children(graph, "a[0]") == {"y[:2]"}


def test_constants_do_not_connect():
    def program():
        w = numpyro.param("w", 1.0)
        a = numpyro.sample("a", dist.Normal(w, 1))
        numpyro.sample("b", dist.Normal(w, 1))
        numpyro.sample("c", dist.Normal(a, 1))

    graph = pdl.graph(pdl.Model(program))
    assert pdl.d_separated(graph, "a", "b")
    assert not pdl.d_separated(graph, "w", "c")
    done = pdl.graph(pdl.Model(program).do(a=1.0))
    assert pdl.d_separated(done, "b", "c")


def test_paths_in_words():
    causes = [("season", "rain"), ("season", "sprinkler"), ("rain", "wet"), ("sprinkler", "wet")]
    graph = nx.DiGraph([*causes, ("wet", "slip")])
    assert str(pdl.active_path(graph, "rain", "sprinkler", given=["season", "slip"])) == (
        "rain -> wet <- sprinkler\nwet: collider, open since its descendant slip is given (wet -> slip)"
    )
    assert pdl.active_path(graph, "rain", "sprinkler", given="season") is None
    schools = pdl.graph(pdl.Model(eight_schools))
    assert (
        str(pdl.active_path(schools, "theta[0]", "theta[5]")).splitlines()[0] == "theta[0] <- mu -> theta[5]"
    )
    assert str(pdl.active_path(schools, "mu", "tau", given="y[4]")) == (
        "mu -> theta[4] <- tau\n"
        "theta[4]: collider, open since its descendant y[4] is given (theta[4] -> y[4])"
    )
    assert str(pdl.active_path(graph, "rain", "wet")) == "rain -> wet"


def test_a_graph_drawn_by_hand_reads_plates_as_a_textbook():
    graph = plated({"mu": [], "x": ["n"], "y": ["n"]}, [], {"n": 3})
    graph.add_edges_from([("mu", "x"), ("x", "y")])
    assert pdl.d_separated(graph, "x[0]", "y[1]", given="mu")
    assert not pdl.d_separated(graph, "x[0]", "y[0]", given="mu")


def test_names_that_look_like_elements():
    graph = nx.DiGraph([("x[0]", "x[1]"), ((1, 2), "x[1]")])
    assert pdl.d_separated(graph, "x[0]", (1, 2))
    assert not pdl.d_separated(graph, "x[0]", [(1, 2)], given="x[1]")
    assert pdl.parents(nx.DiGraph([(0, 1)]), 1) == {0}


GRAPH = nx.DiGraph([("theta", "y"), ("mu", "theta")])
SCHOOLS = plated({"mu": [], "theta": ["J"], "y": ["J", "N"]}, [("theta", "y", ["J"])], {"J": 8, "N": 1})
BAD = {
    "cycle": (
        lambda: pdl.d_separated(nx.DiGraph([(1, 2), (2, 3), (3, 1)]), 1, 2),
        pdl.CyclicGraph,
        r"got the cycle \d -> \d",
    ),
    "loop": (lambda: pdl.parents(nx.DiGraph([(1, 1)]), 1), pdl.CyclicGraph, "cycle 1 -> 1"),
    "misspelt": (
        lambda: pdl.d_separated(GRAPH, "thet", "y"),
        pdl.SiteNotFound,
        "in d_separated; got 'thet'. Did you mean 'theta'",
    ),
    "misspelt element": (
        lambda: pdl.children(SCHOOLS, "thta[3]"),
        pdl.SiteNotFound,
        "got 'thta'. Did you mean 'theta'",
    ),
    "given and asked": (
        lambda: pdl.d_separated(GRAPH, "mu", "y", ["y"]),
        ValueError,
        "Expected disjoint sets in d_separated; got 'y'",
    ),
    "elements overlap": (
        lambda: pdl.d_separated(SCHOOLS, "theta[2:5]", "mu", "theta[4]"),
        ValueError,
        r"got 'theta\[4\]' in two",
    ),
    "outside": (
        lambda: pdl.markov_blanket(SCHOOLS, "theta[8]"),
        IndexError,
        r"Expected an index from 0 to 7 along 'J'.*got 'theta\[8\]'",
    ),
    "below": (lambda: pdl.markov_blanket(SCHOOLS, "theta[-9]"), IndexError, "from 0 to 7"),
    "slice outside": (lambda: pdl.markov_blanket(SCHOOLS, "theta[2:9]"), IndexError, "from 0 to 7"),
    "empty slice": (lambda: pdl.markov_blanket(SCHOOLS, "theta[5:2]"), IndexError, "got none"),
    "too many": (
        lambda: pdl.parents(SCHOOLS, "theta[1,2]"),
        IndexError,
        r"has the axes \[J\]; got 'theta\[1,2\]'",
    ),
    "no plates": (
        lambda: pdl.parents(SCHOOLS, "mu[1]"),
        IndexError,
        "has no plates; got 'mu.1.'. Write 'mu'",
    ),
    "no number": (lambda: pdl.parents(SCHOOLS, "theta[a]"), ValueError, "Expected an index or start:stop"),
    "undirected": (
        lambda: pdl.d_connected(nx.Graph([(1, 2)]), 1),
        TypeError,
        "got an undirected Graph. Give each edge a direction",
    ),
    "a model": (lambda: pdl.d_connected(pdl.Model(eight_schools), "mu"), TypeError, r"Write graph\(model\)"),
    "aligned loop": (
        lambda: pdl.parents(plated({"x": ["n"]}, [("x", "x", ["n"])], {"n": 2}), "x"),
        pdl.CyclicGraph,
        r"x\[0\] -> x\[0\]",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_questions(name):
    ask, error, message = BAD[name]
    with pytest.raises(error, match=message) as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_a_cycle_added_later_is_found():
    """The check of a graph is remembered only as long as the graph stays the same."""
    graph = nx.DiGraph([("a", "b"), ("b", "c")])
    assert not pdl.d_separated(graph, "a", "c")
    graph.add_edge("c", "a")
    with pytest.raises(pdl.CyclicGraph):
        pdl.d_separated(graph, "a", "c")
    view = nx.DiGraph([("a", "b"), ("b", "c")]).subgraph(["a", "b"])
    assert not pdl.d_separated(view, "a", "b")


def test_layers_are_no_trouble():
    """47 nodes in layers of two have millions of paths."""
    graph = nx.DiGraph([((i, a), (i + 1, b)) for i in range(23) for a in (0, 1) for b in (0, 1)])
    asked = [
        pdl.d_separated(graph, (0, 0), (0, 1)),
        pdl.d_separated(graph, (0, 0), (23, 0), [(9, 0), (9, 1)]),
    ]
    assert asked == [True, True]
    assert pdl.active_path(graph, (0, 0), (23, 1)) is not None
