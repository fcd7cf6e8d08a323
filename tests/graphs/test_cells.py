"""Plates that fall into cells: masks, elements read alone, elements held by `do`."""

import itertools

import jax.numpy as jnp
import networkx as nx
import numpyro
import numpyro.distributions as dist
import pytest

import probdl as pdl
from tests.graphs.test_inversion import assert_i_map


def masked():
    u = numpyro.sample("u", dist.Normal(0, 1))
    mask = jnp.arange(8) >= 3
    with numpyro.plate("n", 8):
        x = numpyro.sample("x", dist.Normal(jnp.where(mask, u, 0.0), 1))
        numpyro.sample("y", dist.Normal(x, 1), obs=jnp.zeros(8))


def read_alone(size=6):
    u = numpyro.sample("u", dist.Normal(0, 1))
    with numpyro.plate("n", size):
        x = numpyro.sample("x", dist.Normal(u, 1))
        numpyro.sample("y", dist.Normal(x, 1))
    numpyro.sample("s", dist.Normal(x[0], 1))


GRAPHS = {
    "masked": lambda: pdl.graph(pdl.Model(masked)),
    "read alone": lambda: pdl.graph(pdl.Model(read_alone)),
    "held": lambda: pdl.do(pdl.graph(pdl.Model(read_alone)), "x[2]"),
    "masked and held": lambda: pdl.do(pdl.graph(pdl.Model(masked)), "x[1]"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_inverses_are_i_maps(name):
    graph = GRAPHS[name]()
    latents = ["u", "x"]
    inverse, flat = pdl.unroll(pdl.faithful_inverse(graph, latents)), pdl.unroll(graph)
    held = {node for node, site in flat.nodes(data="site") if site.kind is pdl.SiteKind.INTERVENED}
    flat.remove_nodes_from(held)
    inverse.remove_nodes_from(held)
    assert_i_map(flat, inverse, {node for node in flat if node.partition("[")[0] in latents})


@pytest.mark.parametrize("kind", ["local", "pairwise", "minimal"])
@pytest.mark.parametrize("name", GRAPHS)
def test_statements_hold_and_leave_out_what_is_held(name, kind):
    graph = GRAPHS[name]()
    held = {name for _, names in graph.nodes(data="held", default=()) for name in names}
    for found in pdl.independencies(graph, kind):
        assert pdl.d_separated(graph, found.x, found.y, found.given), str(found)
        assert held.isdisjoint((*found.x, *found.y, *found.given))


def test_the_rest_of_a_cell_is_independent_of_its_first_element():
    masked_ones = {found.x: found.y for found in pdl.independencies(GRAPHS["masked"]())}
    assert set(masked_ones[("x[0]",)]) == {"u", "x[1:]", "y[1:]"}
    assert set(masked_ones[("x[3]",)]) == {"x[:3]", "x[4:]", "y[:3]", "y[4:]"}
    alone = {found.x: found.y for found in pdl.independencies(GRAPHS["read alone"]())}
    assert set(alone[("x[1]",)]) == {"s", "x[0]", "x[2:]", "y[0]", "y[2:]"}


def test_pairs_of_a_large_plate_with_cells():
    graph = pdl.graph(pdl.Model(read_alone, 10**5))
    found = [str(statement) for statement in itertools.islice(pdl.independencies(graph, "pairwise"), 200)]
    assert len(found) < 40
    assert "x[1] ⫫ x[2] | u" in found


def test_params_and_factors_are_not_summed_out():
    def program():
        w = numpyro.param("w", 1.0)
        x = numpyro.sample("x", dist.Normal(w, 1))
        y = numpyro.sample("y", dist.Normal(x, w))
        numpyro.sample("z", dist.Normal(y, w))
        numpyro.factor("f", x * y)

    found = pdl.elimination_order(pdl.graph(pdl.Model(program)))
    assert set(found.order) == {"x", "y", "z"}
    assert (found.width, found.lower_bound) == (1, 1)


def test_views_are_graphs_too():
    graph = nx.DiGraph([("u", "x"), ("u", "y"), ("x", "y"), ("y", "w")])
    view = graph.subgraph(["u", "x", "y"])
    assert list(pdl.backdoor_sets(view, "x", "y")) == [{"u"}]
    assert pdl.d_connected(view, "u") == {"x", "y"}


def test_several_edges_between_two_nodes_are_refused():
    with pytest.raises(TypeError, match="got a MultiDiGraph. Write networkx.DiGraph"):
        pdl.d_separated(nx.MultiDiGraph([("a", "b")]), "a", "b")


def test_where_elements_cannot_be_told_apart_it_says_so():
    graph = GRAPHS["held"]()
    with pytest.raises(ValueError, match=r"got 'x\[2\]'. Write factorization\(unroll\(graph\)\)"):
        pdl.factorization(graph)
    with pytest.raises(ValueError, match=r"Write explore\(unroll\(graph\)\)"):
        pdl.explore(graph)
    assert "do(x[2])" in pdl.factorization(pdl.unroll(graph)).text


def test_stars_are_inverted_quickly():
    graph = nx.DiGraph([(i, "y") for i in range(200)])
    assert pdl.faithful_inverse(graph).number_of_edges() == 200 * 199 // 2 + 200
