"""Graphs from text and back: dagitty, DOT, and how they are told apart."""

import gzip
import string
from importlib.util import find_spec
from pathlib import Path

import jax.numpy as jnp
import networkx as nx
import numpy as np
import numpyro
import numpyro.distributions as dist
import pydot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.graphs.bif import read_bif
from probdl.graphs.dagitty import to_dagitty
from probdl.graphs.formats import graph_from

FOLDER = Path(find_spec("pgmpy").submodule_search_locations[0]) / "utils" / "example_models"
DIAGRAMS = {
    "Acid_1996": (18, 22),
    "Didelez_2010": (7, 11),
    "Kampen_2014": (12, 24),
    "M-bias": (5, 5),
    "Polzer_2012": (14, 69),
    "Schipf_2010": (7, 14),
    "Sebastiani_2005": (36, 60),
    "Shrier_2008": (13, 19),
    "Thoemmes_2013": (13, 14),
    "confounding": (5, 7),
    "mediator": (4, 5),
    "paths": (17, 19),
}
ROLES = ("exposure", "outcome", "adjusted", "latent", "selected")
letters = string.ascii_letters + string.digits + "_.[]{},;=-> <\"'/#*éλ"
names = st.text(letters, min_size=1, max_size=8).filter(lambda name: name not in ("graph", "node"))
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def dags(draw, words=names):
    nodes = draw(st.lists(words, max_size=8, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    graph = nx.DiGraph()
    graph.add_nodes_from(rng.permutation(nodes).tolist())
    pairs = [(a, b) for i, b in enumerate(nodes) for a in nodes[:i] if rng.random() < 0.4]
    graph.add_edges_from(pairs)
    for _, attributes in graph.nodes(data=True):
        attributes |= {role: True for role in ROLES if rng.random() < 0.2}
        if rng.random() < 0.5:
            attributes["pos"] = draw(st.tuples(numbers, numbers))
    for *_, attributes in graph.edges(data=True):
        attributes |= draw(st.dictionaries(words.filter(lambda word: word not in (*ROLES, "pos")), words))
    return graph


def same(a, b):
    assert list(a.nodes(data=True)) == list(b.nodes(data=True))
    assert list(a.edges(data=True)) == list(b.edges(data=True))


@pytest.mark.slow
@settings(deadline=None, max_examples=100, derandomize=True)
@given(dags())
def test_what_dagitty_is_told_is_read_again(graph):
    same(graph_from(to_dagitty(graph)), graph)


@pytest.mark.parametrize("name", sorted(DIAGRAMS))
def test_published_diagrams_are_read_and_written(name):
    graph = graph_from(FOLDER / f"{name}.txt")
    assert (len(graph), graph.number_of_edges()) == DIAGRAMS[name]
    again = graph_from(to_dagitty(graph))
    same(again, graph)
    assert again.graph == graph.graph


def test_roles_and_places_are_attributes():
    graph = graph_from(FOLDER / "Thoemmes_2013.txt")
    assert graph.nodes["x"] == {"exposure": True, "pos": (0.084, 0.942)}
    assert graph.nodes["e0"]["latent"]
    assert graph.nodes["s2"]["adjusted"]
    assert graph.edges["e2", "y"] == {"pos": (0.949, 0.690)}


EDGES = {
    "dag{x->y}": {"xy"},
    "dag { x -> y <- z }": {"xy", "zy"},
    "DAG name { a -> b -> c; a->c\n}": {"ab", "bc", "ac"},
    "dag { {a b} -> c -> {d; e} }": {"ac", "bc", "cd", "ce"},
    "dag { {a -> b} -> c }": {"ab", "ac", "bc"},
    "dag { x <- {a {b c}} }": {"ax", "bx", "cx"},
    "dag { // a -> b\n c -> d # d -> e\n /* e\n -> f */ }": {"cd"},
    'dag { "->" -> "//" }': {("->", "//")},
    "dag { 1 -> 2.5 -> dag }": {("1", "2.5"), ("2.5", "dag")},
    "dag { a -> b a -> b [beta=-0.3] }": {"ab"},
    'dag { bb="0,0,1,1" a -> b }': {"ab"},
    "dag { }": set(),
}


@pytest.mark.parametrize("text", EDGES)
def test_statements_of_dagitty_mean_their_edges(text):
    assert set(graph_from(text).edges) == {tuple(pair) for pair in EDGES[text]}


def test_attributes_of_dagitty_have_short_names_and_separators():
    graph = graph_from('dag { x [e, l] y [o;a] z [selected weight="3" pos="1, -2.5"] x -> y [beta=-0.3] }')
    assert graph.nodes["x"] == {"exposure": True, "latent": True}
    assert graph.nodes["y"] == {"outcome": True, "adjusted": True}
    assert graph.nodes["z"] == {"selected": True, "weight": "3", "pos": (1.0, -2.5)}
    assert graph.edges["x", "y"] == {"beta": "-0.3"}


def test_a_bidirected_edge_is_a_latent_common_cause():
    graph = graph_from("dag { a <-> b <-> L1; a -> b }")
    assert set(graph.edges) == {("a", "b"), ("L2", "a"), ("L2", "b"), ("L3", "b"), ("L3", "L1")}
    assert [node for node in graph if graph.nodes[node].get("latent")] == ["L2", "L3"]


ERRORS = {
    "dag { a -> }": "Expected a name on line 1; got '}'",
    "dag {\n a -- b }": "edges ->, <- or <-> of a DAG on line 2; got 'a -- b'. Direct the edge",
    "dag {\n\n a @-> b }": "edges ->, <- or <-> of a DAG on line 3",
    "dag { a\n [pos=x] }": "a position of two numbers on line 2; got 'x'. Write it as pos=\"1,2\"",
    "dag {\n node -> b }": "a name that dagitty allows on line 2; got 'node'",
    "dag { a -> b": "Expected a name on line 1; got the end of the text",
    "dag { a\n % b }": "Expected dagitty's language on line 2; got '%'",
    "dag { } x": "Expected the end of the text on line 1; got 'x'",
    "dag { a, b }": "Expected a name on line 1; got ','",
    "dag { a [exposure }": "Expected a name on line 1; got '}'",
    "pdag { a -- b }": "begin with digraph, dag or network; got a text that begins with 'pdag'",
    "<graphml>{}": "got a text that begins with '<graphml>'",
    "digraph {\n a -> b;\n b -> ] }": r"Expected DOT on line 3; got 'b -> \] }'",
    "digraph { a -> b } x": "Expected DOT on line 1",
    "graph { a -- b }": "Expected a digraph, .* got an undirected graph. Write `digraph`",
    "digraph { a } digraph { b }": "Expected one digraph; got 2",
}


@pytest.mark.parametrize("text", ERRORS)
def test_errors_name_the_line(text):
    with pytest.raises(ValueError, match=ERRORS[text]):
        graph_from(text)


@pytest.mark.parametrize("text", ["digraph { a -> b -> c -> b }", "dag { a -> b -> c -> b }"])
def test_cycles_are_listed(text):
    with pytest.raises(pdl.CyclicGraph, match="b -> c -> b|c -> b -> c"):
        graph_from(text)
    with pytest.raises(pdl.CyclicGraph, match="a -> a"):
        graph_from("dag { a -> a }")


def factor_model(y):
    x = numpyro.sample("x", dist.Normal(0, 1))
    d = numpyro.deterministic("d", 2 * x)
    numpyro.factor("f", -x)
    numpyro.sample("y", dist.Normal(d, 1), obs=y)


def test_sites_are_latent_observed_or_selected():
    graph = graph_from(to_dagitty(pdl.graph(pdl.Model(factor_model, np.array(1.0)))))
    assert dict(graph.nodes(data=True)) == {"x": {"latent": True}, "d": {}, "f": {"selected": True}, "y": {}}
    assert set(graph.edges) == {("x", "d"), ("x", "f"), ("d", "y")}


def chain():
    def step(state, _):
        return numpyro.sample("x", dist.Normal(state, 1)), None

    scan(step, jnp.zeros(()), None, length=4)


def test_a_lag_has_to_be_unrolled_for_dagitty():
    with pytest.raises(ValueError, match=r"got the cycle x -> x. Write .*, to_dagitty\(unroll\(graph\)\)"):
        to_dagitty(pdl.graph(pdl.Model(chain)))
    with pytest.raises(ValueError, match="got the cycle .*. Remove one of its edges"):
        to_dagitty(nx.DiGraph([("a", "b"), ("b", "a")]))


def test_graphs_that_dagitty_cannot_say_are_refused():
    with pytest.raises(TypeError, match="Expected a networkx.DiGraph; got Graph"):
        to_dagitty(nx.Graph([("a", "b")]))
    with pytest.raises(TypeError, match="Expected names as nodes; got 1, of type int"):
        to_dagitty(nx.DiGraph([(1, 2)]))
    with pytest.raises(ValueError, match="other than 'graph' and 'node', .*; got 'node'"):
        to_dagitty(nx.DiGraph([("node", "a")]))
    for name in ("a\nb", "a\\"):
        with pytest.raises(ValueError, match="without line breaks and no backslash at the end"):
            to_dagitty(nx.DiGraph([(name, "a")]))


def test_only_text_numbers_and_roles_are_written():
    graph = nx.DiGraph()
    graph.add_node("x", latent=False, weight=0.5, many=[1, 2], flag=True, pos=np.array([1e-7, 2.0]))
    assert to_dagitty(graph) == 'dag {\nx [weight="0.5",flag,pos="0.0000001,2"]\n}\n'


words = st.text(string.ascii_letters + string.digits + "_[],;=-> <é", min_size=1, max_size=8)


@pytest.mark.slow
@settings(deadline=None, max_examples=25, derandomize=True)
@given(dags(words))
def test_dot_as_pydot_writes_it_is_read(graph):
    written = pydot.Dot("G", graph_type="digraph")
    for node in graph:
        written.add_node(pydot.Node(f'"{node}"'))
    for parent, child in graph.edges:
        written.add_edge(pydot.Edge(f'"{parent}"', f'"{child}"', color="red"))
    found = graph_from(written.to_string())
    assert list(found) == list(graph)
    assert list(found.edges(data=True)) == [(*edge, {"color": "red"}) for edge in graph.edges]


def test_dot_is_flattened_and_loses_its_quotes():
    graph = graph_from(r"""// a comment
    strict digraph "G x" {
      rankdir=LR; node [shape=box]; graph [label="two words"]
      a -> b -> "c d" [color=red, weight=2]  # another
      "x:3":p1:n -> "q\"t":s; p:q -> a
      subgraph cluster_0 { label=<<b>x</b>>; {e; f -> g} -> h; i [style="", bare] }
      {a b} -> {c; d}
      "node" [label=-1.5]
    }""")
    assert graph.graph == {"rankdir": "LR", "label": "two words"}
    assert list(graph) == ["a", "b", "c d", "x:3", 'q"t', "p", "e", "f", "g", "h", "i", "c", "d", "node"]
    assert {f"{a}>{b}" for a, b in graph.edges} == {
        *("a>b", "b>c d", 'x:3>q"t', "p>a", "e>h", "f>g", "f>h", "g>h", "a>c", "a>d", "b>c", "b>d"),
    }
    assert graph.edges["b", "c d"] == {"color": "red", "weight": "2"}
    assert graph.nodes["i"] == {"style": "", "bare": True}
    assert graph.nodes["node"] == {"label": "-1.5"}


def test_the_dot_of_a_drawing_is_read(tmp_path):
    pdl.draw(pdl.graph(pdl.Model(factor_model, np.array(1.0)))).save(tmp_path / "graph.dot")
    found = graph_from(tmp_path / "graph.dot")
    assert {f"n{i}" for i in range(4)} <= set(found)


def test_a_network_is_a_graph_of_sites():
    graph = graph_from(FOLDER / "asia.bif.gz")
    expected = pdl.graph(read_bif(FOLDER / "asia.bif.gz"))
    assert set(graph.edges) == set(expected.edges)
    assert graph.nodes["asia"]["site"].is_latent


def test_text_and_files_are_the_same(tmp_path):
    text = "dag { x -> y }"
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "a.gz").write_bytes(gzip.compress(text.encode()))
    for source in (text, tmp_path / "a.txt", str(tmp_path / "a.txt"), tmp_path / "a.gz"):
        assert set(graph_from(source).edges) == {("x", "y")}
    for missing in ("a.dot", tmp_path / "a.dot"):
        with pytest.raises(FileNotFoundError, match=r"a.dot', which does not exist. Check the path"):
            graph_from(missing)
