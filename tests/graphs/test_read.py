"""The reader against programs whose graphs are known."""

import jax.numpy as jnp
import networkx as nx
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax import lax
from numpyro.contrib.control_flow import scan

import probdl as pdl
from tests.graphs.graph_programs import CASES


def read(program, *args, **kwargs):
    return pdl.graph(pdl.Model(program, *args, **kwargs))


def normal(name, *parameters):
    return numpyro.sample(name, dist.Normal(*parameters))


def members(graph):
    found = {}
    for name, site in graph.nodes(data="site"):
        for plate in site.plates:
            found.setdefault(plate, set()).add(name)
    return found


@pytest.mark.parametrize("name", CASES)
def test_known_programs(name):
    case = CASES[name]()
    graph = read(case["model"], *case["args"], **case["kwargs"])
    edges = case["edges"]
    if edges == "eqx":
        edges = {(node, "y") for node in graph if node != "y"}
    assert set(graph.edges) == edges
    assert type(graph) is nx.DiGraph
    if case["plates"] is not None:
        assert members(graph) == case["plates"]


def test_nodes_carry_sites_in_order_of_declaration():
    def program(y):
        w = numpyro.param("w", 1.0)
        with numpyro.plate("n", 3):
            x = normal("x", w, 1)
            d = numpyro.deterministic("d", 2 * x)
            numpyro.sample("y", dist.Poisson(jnp.exp(d)), obs=y)
        numpyro.factor("f", -w)

    graph = read(program, np.zeros(3, int))
    kinds = {name: site.kind.value for name, site in graph.nodes(data="site")}
    assert kinds == {"w": "param", "x": "latent", "d": "deterministic", "y": "observed", "f": "factor"}
    assert graph.graph == {"plates": {"n": 3}, "scans": {}}
    assert graph.nodes["y"]["site"].distribution == "Poisson"
    assert graph.nodes["x"]["site"].shape == (3,)


def test_a_state_space_model_has_a_lag():
    def program(y):
        q = numpyro.sample("q", dist.HalfNormal(1.0))

        def step(state, y_now):
            x = normal("x", state, q)
            numpyro.sample("y", dist.Normal(x, 1), obs=y_now)
            return x, None

        scan(step, 0.0, y)

    graph = read(program, np.zeros(500))
    assert graph.graph["scans"] == {"time": 500}
    assert set(graph.edges) == {("q", "x"), ("x", "x"), ("x", "y")}
    assert graph.edges["x", "x"]["shifted"] == {"time": (-1,)}
    assert graph.edges["x", "y"]["aligned"] == {"time"}


def test_second_order_lag_and_deterministic_sites_inside_a_scan():
    def program():
        def step(states, _):
            before, earlier = states
            x = normal("x", 0.5 * before + 0.1 * earlier, 1)
            d = numpyro.deterministic("d", jnp.exp(x))
            normal("y", d, 1)
            return (x, before), None

        scan(step, (0.0, 0.0), None, length=9)

    graph = read(program)
    assert set(graph.edges) == {("x", "x"), ("x", "d"), ("d", "y")}
    assert graph.edges["x", "x"]["shifted"] == {"time": (-2, -1)}


def test_a_reversed_scan_looks_ahead():
    def program(y):
        def step(state, _):
            x = normal("x", state, 1)
            return x, None

        scan(step, 0.0, y, reverse=True)

    assert read(program, np.zeros(4)).edges["x", "x"]["shifted"] == {"time": (1,)}


def test_plates_inside_a_scan_stay_aligned():
    def program(y):
        with numpyro.plate("g", 4):
            s = numpyro.sample("s", dist.HalfNormal(1.0))

        def step(state, y_now):
            with numpyro.plate("g", 4):
                x = normal("x", state, s)
                numpyro.sample("y", dist.Normal(x, 1), obs=y_now)
            return x, None

        scan(step, jnp.zeros(4), y)

    graph = read(program, np.zeros((5, 4)))
    assert graph.edges["x", "x"]["aligned"] == {"g"}
    assert graph.edges["x", "x"]["shifted"] == {"time": (-1,)}
    assert graph.edges["x", "y"]["aligned"] == {"g", "time"}
    assert graph.edges["s", "x"]["aligned"] == {"g"}


SHIFTS = {
    "lag by concatenation": (lambda x: jnp.concatenate([jnp.zeros(1), x[:-1]]), (-1,)),
    "lag by padding": (lambda x: jnp.pad(x[1:], (0, 1)), (1,)),
    "lag by update": (lambda x: jnp.zeros(6).at[2:].set(x[:-2]), (-2,)),
    "band": (lambda x: x + jnp.pad(x[:-1], (1, 0)), (-1, 0)),
}


@pytest.mark.parametrize("name", SHIFTS)
def test_shifts(name):
    function, offsets = SHIFTS[name]

    def program():
        with numpyro.plate("n", 6):
            x = normal("x", 0, 1)
            normal("y", function(x), 1)

    assert read(program).edges["x", "y"]["shifted"] == {"n": offsets}


CROSSED = {
    "mean": lambda x: x - x.mean(),
    "cumulative sum": jnp.cumsum,
    "sort": jnp.sort,
    "dense matrix": lambda x: jnp.ones((40, 40)) @ x,
    "loop": lambda x: lax.scan(lambda c, e: (c + e, c + e), 0.0, x)[1],
}


@pytest.mark.parametrize("name", CROSSED)
def test_crossed(name):
    def program():
        with numpyro.plate("n", 40):
            x = normal("x", 0, 1)
            normal("y", CROSSED[name](x), 1)

    edge = read(program).edges["x", "y"]
    assert edge["crossed"] == {"n"}
    assert not edge["aligned"]


def test_a_plate_of_a_thousand_million_costs_nothing():
    def program():
        with numpyro.plate("n", 10**9):
            x = normal("x", 0, 1)
            normal("y", x, 1)

    graph = read(program)
    assert graph.edges["x", "y"]["aligned"] == {"n"}
    assert graph.graph["plates"] == {"n": 10**9}


def test_joint_reads_of_two_plates_are_kept():
    def program():
        with numpyro.plate("r", 3, dim=-2), numpyro.plate("c", 4, dim=-1):
            x = normal("x", 0, 1)
            normal("y", jnp.pad(x[:-1], ((1, 0), (0, 0))) + jnp.pad(x[:, :-1], ((0, 0), (1, 0))), 1)

    edge = read(program).edges["x", "y"]
    assert edge["shifted"] == {"r": (-1, 0), "c": (-1, 0)}
    assert {tuple(r.positions.values()) for r in edge["reads"]} == {(-1, 0), (0, -1)}


def test_an_intervention_cuts_the_parents():
    def program():
        a = normal("a", 0, 1)
        b = normal("b", a, 1)
        normal("c", b, 1)

    graph = pdl.graph(pdl.Model(program).do(b=1.0))
    assert set(graph.edges) == {("b", "c")}
    assert graph.nodes["b"]["site"].kind is pdl.SiteKind.INTERVENED


def test_conditioning_and_obs_give_the_same_graph():
    def program(y=None):
        a = normal("a", 0, 1)
        numpyro.sample("y", dist.Normal(a, 1), obs=y)

    by_obs, by_condition = read(program, y=np.array(1.0)), pdl.graph(pdl.Model(program).condition(y=1.0))
    assert dict(by_obs.nodes(data="site")) == dict(by_condition.nodes(data="site"))
    assert set(by_obs.edges) == set(by_condition.edges)


def test_branching_on_a_latent_names_the_site_and_the_remedy():
    def program():
        a = normal("a", 0, 1)
        b = normal("b", 0, 1)
        normal("c", a, 1)
        if b > 0:
            normal("d", b, 1)

    with pytest.raises(ValueError, match=r"value of site 'b' in Python.*Use `jnp\.where`.*condition on 'b'"):
        read(program)


def test_branching_on_data_is_allowed():
    def program(y):
        a = normal("a", 0, 1)
        if jnp.sum(y) > 1:
            normal("b", a, 1)

    assert set(read(program, jnp.ones(3)).edges) == {("a", "b")}


def test_duplicate_names():
    def program():
        normal("a", 0, 1)
        normal("a", 0, 1)

    with pytest.raises(ValueError, match="every site and plate to have its own name; got 'a' twice"):
        read(program)


def test_no_array_is_computed(monkeypatch):
    import jax

    def program(x, y):
        w = normal("w", 0, 1)
        k = x @ x.T
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Normal(k.sum(1) * w, 1), obs=y)

    computed = []
    original = jax._src.dispatch.apply_primitive
    monkeypatch.setattr(
        jax._src.dispatch, "apply_primitive", lambda *a, **k: computed.append(a) or original(*a, **k)
    )
    graph = read(program, jnp.ones((2000, 2000)), jnp.ones(2000))
    assert set(graph.edges) == {("w", "y")}
    assert not computed


def test_zeros_in_data_are_coincidences_and_zeros_in_the_program_are_not():
    def program(x, y):
        a, b, c = (normal(name, 0, 1) for name in "abc")
        numpyro.sample("y", dist.Normal(a * x + b * 0.0 + c * jnp.zeros(3), 1), obs=y)

    assert set(read(program, np.zeros(3), np.zeros(3)).edges) == {("a", "y")}


def test_a_one_hot_design_is_a_gather():
    def program(design):
        with numpyro.plate("group", 3):
            a = normal("a", 0, 1)
        with numpyro.plate("n", 4):
            normal("y", design @ a, 1)

    edge = read(program, np.eye(3)[[0, 2, 1, 1]]).edges["a", "y"]
    np.testing.assert_array_equal(edge["gathered"]["group"][0], [0, 2, 1, 1])
    assert read(program, np.zeros((4, 3))).edges["a", "y"]["crossed"] == {"group"}


def test_parameters_of_lower_and_of_higher_rank_than_the_site():
    def program():
        rows, columns = numpyro.plate("r", 3, dim=-2), numpyro.plate("c", 3, dim=-1)
        with rows:
            scale = numpyro.sample("scale", dist.HalfNormal(1.0))
        with columns:
            mean = normal("mean", 0, 1)
            rate = numpyro.sample("rate", dist.HalfNormal(1.0))
            numpyro.sample("v", dist.MultivariateNormal(jnp.zeros(2), rate[:, None, None] * jnp.eye(2)))
        with rows, columns:
            normal("y", mean, scale)
            normal("z", mean, 1)

    graph = read(program)
    assert graph.edges["mean", "z"]["aligned"] == {"c"}
    assert graph.edges["mean", "y"]["aligned"] == {"c"}
    assert graph.edges["scale", "y"]["aligned"] == {"r"}
    assert graph.edges["rate", "v"]["aligned"] == {"c"}
