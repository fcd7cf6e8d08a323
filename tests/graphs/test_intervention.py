"""Graph surgery against the graph of the model under the intervention, and against the unrolled graph."""

import random

import jax.numpy as jnp
import networkx as nx
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.errors import SiteNotFound
from probdl.graphs.elements import is_plated
from probdl.graphs.intervention import do
from probdl.graphs.separation import d_separated
from probdl.graphs.unroll import unroll
from tests.graphs.templates import elements_of, random_region, random_template
from tests.marks import exhaustive


def normal(name, *parameters, **settings):
    return numpyro.sample(name, dist.Normal(*parameters), **settings)


def hierarchy(y=None):
    mu, w = normal("mu", 0, 1), numpyro.param("w", 1.0)
    with numpyro.plate("n", 5):
        z = normal("z", mu, 1)
        k = numpyro.sample("k", dist.Poisson(jnp.exp(z)))
        t = numpyro.deterministic("t", z * w)
        normal("y", t + k, 1, obs=y)
    numpyro.factor("f", -(mu**2))


def crossed(y=None):
    students, questions = numpyro.plate("S", 3, dim=-2), numpyro.plate("Q", 4, dim=-1)
    with students:
        skill = normal("skill", 0, 1)
    with questions:
        hardness = normal("hardness", skill.mean(), 1)
    with students, questions:
        numpyro.sample("y", dist.Bernoulli(logits=skill - hardness), obs=y)


def state_space(y=None):
    q = numpyro.sample("q", dist.HalfNormal(1.0))

    def step(state, y_now):
        x = normal("x", state, q)
        normal("y", x, 1, obs=y_now)
        return x, None

    scan(step, 0.0, y, length=6)


def gathered(y=None):
    with numpyro.plate("g", 3):
        mean = normal("mean", 0, 1)
    with numpyro.plate("n", 4):
        x = normal("x", mean[np.array([0, 0, 2, 1])], 1)
    normal("y", x[2] + mean.sum(), 1, obs=y)


CASES = [
    (hierarchy, {"y": np.zeros(5)}),
    (crossed, {"y": np.zeros((3, 4))}),
    (state_space, {"y": np.zeros(6)}),
    (gathered, {"y": np.array(0.0)}),
]


def plain(value):
    """Put something that can be compared for what an attribute holds."""
    if isinstance(value, np.ndarray):
        return value.shape, value.tolist()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if hasattr(value, "positions"):
        return plain((dict(value.positions), value.where, value.axes))
    return value


def content(graph):
    return (
        graph.graph,
        [(node, plain(attributes)) for node, attributes in graph.nodes(data=True)],
        {(u, v): plain(attributes) for u, v, attributes in graph.edges(data=True)},
    )


@pytest.mark.parametrize(("program", "data"), CASES, ids=[program.__name__ for program, _ in CASES])
def test_the_graph_of_the_model_under_the_intervention(program, data):
    model = pdl.Model(program).condition(**data)
    graph = pdl.graph(model)
    before = content(graph)
    for name, site in model.sites.items():
        if site.kind is pdl.SiteKind.FACTOR:
            continue
        held = content(pdl.graph(model.do(**{name: np.ones(site.shape, site.dtype)})))
        assert content(do(graph, name)) == held, name
        if site.axes:
            assert content(do(graph, [f"{name}[{at}]" for at in range(site.shape[0])])) == held, name
            assert content(do(do(graph, f"{name}[0:2]"), f"{name}[1:]")) == held, name
    assert content(graph) == before


def test_several_sites():
    model = pdl.Model(hierarchy)
    values = {"z": np.zeros(5), "t": np.zeros(5)}
    assert content(do(pdl.graph(model), ["z", "t"])) == content(pdl.graph(model.do(**values)))


def test_some_elements():
    graph = pdl.graph(pdl.Model(hierarchy))
    held = do(graph, "z[3]")
    assert held.nodes["z"]["site"] == graph.nodes["z"]["site"]
    assert held.nodes["z"]["held"] == ("z[3]",)
    (read,) = held.edges["mu", "z"]["reads"]
    assert read.where.tolist() == [True, True, True, False, True]
    assert (
        content(held)[2].items()
        >= {edge: attributes for edge, attributes in content(graph)[2].items() if edge != ("mu", "z")}.items()
    )
    assert d_separated(held, "mu", "z[3]")
    assert not d_separated(held, "mu", "z[2]")
    assert do(held, "z[0:2]").nodes["z"]["held"] == ("z[:2]", "z[3]")
    assert do(graph, ["y[1]", "y[3]"]).edges["t", "y"]["aligned"] == {"n"}


def test_names_of_elements_follow_the_nesting_of_the_plates():
    def program():
        students, questions = numpyro.plate("S", 3, dim=-2), numpyro.plate("Q", 4, dim=-1)
        with students:
            skill = normal("skill", 0, 1)
        with questions, students:
            normal("y", skill, 1)

    held = unroll(do(pdl.graph(pdl.Model(program)), "y[3,1]"))
    assert [node for node in held if not held.pred[node] and not node.startswith("skill")] == ["y[3,1]"]


def test_an_edge_of_which_nothing_is_left_goes():
    graph = pdl.graph(pdl.Model(gathered))
    only_first = graph.copy()
    read = graph.edges["mean", "x"]["reads"][0]
    where = np.array([True, False, False, False])
    only_first.edges["mean", "x"]["reads"] = (type(read)(read.positions, where, read.axes),)
    assert only_first.has_edge("mean", "x")
    assert not do(only_first, "x[0]").has_edge("mean", "x")
    assert do(only_first, "x[1:]").has_edge("mean", "x")


def test_a_step_of_a_scan():
    held = unroll(do(pdl.graph(pdl.Model(state_space)), "x[3]"))
    assert not held.pred["x[3]"]
    assert set(held.pred["x[4]"]) == {"q", "x[3]"}
    assert set(held.pred["y[3]"]) == {"x[3]"}


def check_templates(seeds):
    partly = 0
    for seed in seeds:
        r = random.Random(seed)
        template = random_template(r)
        dag = template.ground()
        if not nx.is_directed_acyclic_graph(dag):
            continue
        named = [random_region(r, template) for _ in range(r.randint(1, 3))]
        held = set[tuple]().union(*(elements for _, elements in named))
        graph = template.graph()
        for name, _ in named if r.random() < 0.5 else ():
            graph = do(graph, name)
        after = do(graph, [name for name, _ in named])
        dag.remove_edges_from(list(dag.in_edges(held)))
        if not is_plated(graph):
            continue
        edges = {
            (parent, child)
            for u, v in unroll(after).edges
            for parent in elements_of(template, u)
            for child in elements_of(template, v)
        }
        assert edges == set(dag.edges), seed
        for site in template.sites:
            elements = {element for element in dag if element[0] == site}
            whole = elements <= held
            assert (after.nodes[site]["site"].kind is pdl.SiteKind.INTERVENED) == whole, seed
            said = set[tuple]().union(*(elements_of(template, n) for n in after.nodes[site].get("held", ())))
            assert said == (set() if whole else held & elements), seed
            partly += 0 < len(said) < len(elements)
    return partly


@pytest.mark.slow
def test_random_templates():
    assert check_templates(range(300)) > 100


@exhaustive
def test_thousands_of_random_templates():
    assert check_templates(range(1000, 6000)) > 1000


def test_a_bare_graph():
    graph = nx.DiGraph([("u", "x"), ("u", "y"), ("x", "y")])
    graph.nodes["x"]["colour"] = "red"
    held = do(graph, "x")
    assert list(held.edges) == [("u", "y"), ("x", "y")]
    assert held.nodes(data=True)["x"] == {"colour": "red"}
    assert graph.has_edge("u", "x")
    assert not do(graph, ["x", "y"]).edges - [("u", "x")]
    assert list(do(graph, ()).edges) == list(graph.edges)


def test_errors():
    graph = pdl.graph(pdl.Model(hierarchy))
    with pytest.raises(ValueError, match="Expected a site with a value in do; got 'f', a factor"):
        do(graph, "f")
    with pytest.raises(SiteNotFound, match="Expected a site of the program in do; got 'zz'"):
        do(graph, "zz")
    with pytest.raises(IndexError, match="Expected an index from 0 to 4 along 'n' in do"):
        do(graph, "z[5]")
    with pytest.raises(TypeError, match="directed graph in do"):
        do(nx.Graph([("a", "b")]), "a")


def test_held_elements_are_always_given():
    def program():
        with numpyro.plate("n", 5):
            x = normal("x", 0, 1)
            normal("y", x, 1)
            normal("z", x, 1)

    held = do(pdl.graph(pdl.Model(program)), ["x[3]", "x[0]"])
    assert d_separated(held, "y[3]", "z[3]")
    assert d_separated(held, "y[0]", "z[0]")
    assert not d_separated(held, "y[2]", "z[2]")
    assert not d_separated(held, "x[3]", "z[3]")
    elements = unroll(held)
    assert elements.nodes["x[3]"]["site"].kind is pdl.SiteKind.INTERVENED
    assert elements.nodes["x[2]"]["site"].kind is pdl.SiteKind.LATENT
    assert "held" not in elements.nodes["x[2]"]
