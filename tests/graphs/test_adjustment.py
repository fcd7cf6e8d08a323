"""Back-door, adjustment and front-door sets: known graphs, and all subsets of random ones."""

import itertools
import random
from dataclasses import replace

import networkx as nx
import numpyro
import numpyro.distributions as dist
import pytest

import probdl as pdl
from probdl.errors import CyclicGraph, SiteNotFound
from probdl.graphs.adjustment import adjustment_sets, is_adjustment_set, smallest_adjustment_set
from probdl.graphs.backdoor import backdoor_sets, is_backdoor_set, smallest_backdoor_set
from probdl.graphs.frontdoor import frontdoor_sets, is_frontdoor_set, smallest_frontdoor_set
from probdl.graphs.unroll import unroll
from tests.graphs import causal_oracles
from tests.graphs.causal_oracles import family, minimal, random_dag, random_question
from tests.graphs.templates import elements_of, random_region, random_template
from tests.marks import exhaustive

CRITERIA = {
    "backdoor": (causal_oracles.backdoor, backdoor_sets, smallest_backdoor_set, is_backdoor_set),
    "adjustment": (causal_oracles.adjustment, adjustment_sets, smallest_adjustment_set, is_adjustment_set),
    "frontdoor": (causal_oracles.frontdoor, frontdoor_sets, smallest_frontdoor_set, is_frontdoor_set),
}


def dag(text):
    """Read "a -> b <- c; d"."""
    graph = nx.DiGraph()
    for chain in text.split(";"):
        words = chain.split()
        graph.add_nodes_from(words[::2])
        for a, arrow, b in zip(words[::2], words[1::2], words[2::2], strict=False):
            graph.add_edge(*((a, b) if arrow == "->" else (b, a)))
    return graph


def sets(found):
    return {"".join(sorted(one)) for one in found}


# Pearl (2009), figure 3.4: Xi, Xj, X1 to X6 and Y as i, j, 1 to 6 and y
FIGURE_3_4 = dag("1 -> 3 -> i -> 6 -> y; 1 -> 4 <- 2; 4 -> i; 4 -> y; 2 -> 5 -> y")
M_BIAS = dag("x <- a -> m <- b -> y <- x")
BUTTERFLY = dag("x <- a -> m <- b -> y <- x; x <- m -> y")
SMOKING = dag("smoke <- gene -> cancer; smoke -> tar -> cancer")


def test_figure_3_4_of_causality():
    assert is_backdoor_set(FIGURE_3_4, "i", "y", ["3", "4"])
    assert is_backdoor_set(FIGURE_3_4, "i", "y", ["4", "5"])
    assert not is_backdoor_set(FIGURE_3_4, "i", "y", "4")
    assert not is_backdoor_set(FIGURE_3_4, "i", "y", ["3", "4", "6"])
    assert sets(backdoor_sets(FIGURE_3_4, "i", "y")) == {"14", "24", "34", "45"}
    assert len(smallest_backdoor_set(FIGURE_3_4, "i", "y") or ()) == 2
    assert sets(frontdoor_sets(FIGURE_3_4, "i", "y")) == {"6"}


def test_m_bias_and_butterfly():
    assert sets(backdoor_sets(M_BIAS, "x", "y")) == {""}
    assert not is_backdoor_set(M_BIAS, "x", "y", "m")
    assert sets(backdoor_sets(M_BIAS, "x", "y", include="m")) == {"am", "bm"}
    assert sets(backdoor_sets(BUTTERFLY, "x", "y")) == {"am", "bm"}
    assert next(backdoor_sets(BUTTERFLY, "x", "y", restrict="m"), None) is None


def test_smoking():
    assert list(frontdoor_sets(SMOKING, "smoke", "cancer")) == [{"tar"}]
    assert smallest_frontdoor_set(SMOKING, "smoke", "cancer") == {"tar"}
    assert not is_frontdoor_set(SMOKING, "smoke", "cancer", ["tar", "gene"])
    assert not is_backdoor_set(SMOKING, "smoke", "cancer", "tar")
    assert smallest_backdoor_set(SMOKING, "smoke", "cancer") == {"gene"}
    hidden = SMOKING.copy()
    hidden.nodes["gene"]["latent"] = True
    assert smallest_backdoor_set(hidden, "smoke", "cancer") is None
    assert smallest_adjustment_set(hidden, "smoke", "cancer") is None
    assert smallest_frontdoor_set(hidden, "smoke", "cancer") == {"tar"}
    assert smallest_backdoor_set(hidden, "smoke", "cancer", restrict="gene") == {"gene"}


def test_a_mediator_that_is_confounded_in_a_roundabout_way():
    """p keeps v out of the set, so that v lets q reach y, and q confounds z."""
    graph = dag("x -> z -> y; z <- q -> v -> y; v <- p -> y")
    assert list(frontdoor_sets(graph, "x", "y", restrict=["v", "z"])) == []
    assert list(frontdoor_sets(graph, "x", "y", restrict=["q", "z"])) == [{"q", "z"}]


def test_nothing_to_adjust_and_nothing_that_helps():
    assert list(backdoor_sets(dag("x -> y"), "x", "y")) == [frozenset()]
    assert list(frontdoor_sets(dag("x -> y"), "x", "y")) == []
    assert list(frontdoor_sets(dag("x; y"), "x", "y")) == [frozenset()]
    assert list(backdoor_sets(dag("y -> x"), "x", "y")) == []
    assert list(adjustment_sets(dag("y -> x"), "x", "y")) == []
    assert list(backdoor_sets(dag("y -> m -> x"), "x", "y")) == [{"m"}]
    assert list(frontdoor_sets(dag("y -> x"), "x", "y")) == [frozenset()]
    assert list(backdoor_sets(dag("x -> m -> y"), "x", "y", include="m")) == []
    assert smallest_frontdoor_set(dag("x -> m -> y"), "x", "y", include="m") == {"m"}


def test_descendants_of_x_serve_where_they_are_off_the_causal_paths():
    graph = dag("x1 -> y; x1 -> c -> x2 -> y")
    assert list(adjustment_sets(graph, ["x1", "x2"], "y")) == [frozenset()]
    assert set(adjustment_sets(graph, "x2", "y")) == {frozenset({"c"}), frozenset({"x1"})}
    graph = dag("x1 -> c -> z -> x2 -> y; z <- u -> y; x1 -> y")
    assert list(backdoor_sets(graph, ["x1", "x2"], "y", restrict=["c", "z"])) == []
    assert list(adjustment_sets(graph, ["x1", "x2"], "y", restrict=["c", "z"])) == [{"c", "z"}]


def test_sets_come_one_by_one():
    layers = [(f"{i}{k}", f"{i + 1}{m}") for i in range(40) for k, m in itertools.product("ab", repeat=2)]
    graph = nx.DiGraph([("00", "0a"), ("00", "0b"), ("0a", "x"), *layers, ("40a", "y"), ("40b", "y")])
    graph.add_edges_from([("u", "x"), ("u", "0a")])
    assert all(
        is_backdoor_set(graph, "x", "y", one) for one in itertools.islice(backdoor_sets(graph, "x", "y"), 50)
    )


def check_random_dags(seeds):
    several = dict.fromkeys(CRITERIA, 0)
    for seed in seeds:
        r = random.Random(seed)
        graph = random_dag(r)
        x, y, include, allowed = random_question(r, graph)
        if not x or not y or x & y:
            continue
        z = {node for node in graph if node not in x | y and r.random() < 0.4}
        for name, (criterion, listed, smallest, is_one) in CRITERIA.items():
            every = family(criterion, graph, x, y, include, allowed)
            least = minimal(every)
            found = list(listed(graph, x, y, include=include, restrict=allowed))
            assert len(found) == len(set(found)), (seed, name)
            assert set(found) == least, (seed, name)
            best = smallest(graph, x, y, include=include, restrict=allowed)
            assert (best in least) == bool(least), (seed, name)
            assert best is None or len(best) == min(map(len, least)), (seed, name)
            assert is_one(graph, x, y, z) == criterion(graph, x, y, z), (seed, name)
            assert all(is_one(graph, x, y, one) for one in every[:3]), (seed, name)
            several[name] += len(least) > 1
    return several


@pytest.mark.slow
def test_random_dags():
    hard = [1146, 1926, 3579]  # in these a search for front-door sets must go back
    assert min(check_random_dags([*range(250), *hard]).values()) > 1


@exhaustive
def test_thousands_of_random_dags():
    assert min(check_random_dags(range(1000, 4000)).values()) > 20


def read(program, **data):
    return pdl.graph(pdl.Model(program, **data))


def normal(name, *parameters, **settings):
    return numpyro.sample(name, dist.Normal(*parameters), **settings)


def pairs():
    """Five pairs a[i] -> b[i] between x and y."""
    with numpyro.plate("n", 5):
        a = normal("a", 0, 1)
        b = normal("b", a, 1)
    x = normal("x", a.sum(), 1)
    normal("y", x + b.sum(), 1)


def test_exchangeable_elements_are_taken_together():
    graph = read(pairs)
    assert set(backdoor_sets(graph, "x", "y")) == {frozenset({"a"}), frozenset({"b"})}
    assert len(list(backdoor_sets(unroll(graph), "x", "y"))) == 2**5
    assert is_backdoor_set(graph, "x", "y", ["a[0]", "b[1:]"])
    assert not is_backdoor_set(graph, "x", "y", ["a[0]", "b[2:]"])
    assert set(backdoor_sets(graph, "x", "y", restrict=["a[0]", "b[1:]", "b[0]"])) == {
        frozenset({"a[0]", "b[1:]"}),
        frozenset({"b"}),
    }
    assert next(backdoor_sets(graph, "x", "y", restrict=["a[0]", "b[2:]"]), None) is None


@pytest.mark.parametrize("sizes", [(5, 2), (2, 5)])
def test_the_smallest_set_has_fewest_elements(sizes):
    def program():
        h = normal("h", 0, 1)
        with numpyro.plate("n", sizes[0]):
            a = normal("a", h, 1)
        with numpyro.plate("m", sizes[1]):
            b = normal("b", h, 1)
        x = normal("x", a.sum(), 1)
        with numpyro.plate("k", sizes[0]):
            c = normal("c", x, 1)
        d = normal("d", c.sum(), 1)
        with numpyro.plate("l", sizes[1]):
            e = normal("e", d, 1)
        normal("y", e.sum() + b.sum(), 1)

    graph = read(program)
    graph.nodes["h"]["latent"] = graph.nodes["d"]["latent"] = True
    assert set(backdoor_sets(graph, "x", "y")) == {frozenset({"a"}), frozenset({"b"})}
    small = "a" if sizes[0] < sizes[1] else "b"
    assert smallest_backdoor_set(graph, "x", "y") == smallest_adjustment_set(graph, "x", "y") == {small}
    assert set(frontdoor_sets(graph, "x", "y")) == {frozenset({"c"}), frozenset({"e"})}
    assert smallest_frontdoor_set(graph, "x", "y") == ({"c"} if sizes[0] < sizes[1] else {"e"})
    assert smallest_backdoor_set(graph, "x", "y", restrict=["h", "a", "b"]) == {"h"}


def test_elements_and_steps():
    def units():
        with numpyro.plate("n", 1000):
            u = normal("u", 0, 1)
            x = normal("x", u, 1)
            m = normal("m", x, 1)
            normal("y", m + u, 1)

    graph = read(units)
    assert list(backdoor_sets(graph, "x[3]", "y[3]")) == [{"u[3]"}]
    assert list(backdoor_sets(graph, "x", "y")) == [{"u"}]
    assert list(backdoor_sets(graph, "x[3]", "y[4]")) == [frozenset()]
    assert list(frontdoor_sets(graph, "x[3]", "y[3]")) == [{"m[3]"}]

    def walk():
        from numpyro.contrib.control_flow import scan

        def step(state, _):
            u = normal("u", state, 1)
            x = normal("x", u, 1)
            normal("y", x + u, 1)
            return u, None

        scan(step, 0.0, None, length=6)

    graph = read(walk)
    assert set(backdoor_sets(graph, "x[2]", "y[2]")) == {frozenset({"u[2]"})}
    assert set(backdoor_sets(graph, "x[2]", "y[4]")) == {frozenset({f"u[{t}]"}) for t in (2, 3, 4)}


def selected():
    """A factor selects by what z is confounded with."""
    p = normal("p", 0, 1)
    x = normal("x", 0, 1)
    z = normal("z", x + p, 1)
    normal("y", z + p, 1)
    numpyro.factor("f", p)


def test_what_is_always_given():
    def program(below):
        w = numpyro.param("w", 1.0)
        u = normal("u", w, 1)
        x = normal("x", u, 1)
        y = normal("y", x + u + w, 1)
        numpyro.factor("f", y if below else u)

    above = read(program, below=False)
    assert list(backdoor_sets(above, "x", "y")) == [{"u"}]
    assert list(backdoor_sets(above, "x", "y", include="w")) == [{"u", "w"}]
    assert list(frontdoor_sets(read(selected), "x", "y")) == []
    below = read(program, below=True)
    for listed, smallest, is_one in (rest for _, *rest in CRITERIA.values()):
        assert list(listed(below, "x", "y")) == []
        assert smallest(below, "x", "y") is None
        assert not is_one(below, "x", "y", "u")


def random_kinds(r, template, graph, named):
    """Make params of some sites without parents and factors of some without children."""
    held = set()
    for site in set(template.sites) - {name.partition("[")[0] for name in named}:
        kind = (
            pdl.SiteKind.FACTOR
            if not list(graph.successors(site))
            else pdl.SiteKind.PARAM
            if not list(graph.predecessors(site))
            else None
        )
        if kind is not None and r.random() < 0.2:
            graph.nodes[site]["site"] = replace(graph.nodes[site]["site"], kind=kind)
            held |= elements_of(template, site)
    return held


def orbits(template, dag, named):
    """Classes of elements that no name and no edge tells apart; for templates without exotic reads."""
    marks = {axis: [[] for _ in range(size)] for axis, size in template.sizes.items()}
    for name in named:
        found = elements_of(template, name)
        for place, axis in enumerate(template.sites[name.partition("[")[0]]):
            inside = {index[place] for _, index in found}
            for at, mark in enumerate(marks[axis]):
                mark.append(at in inside)
    classes = {}
    for site, index in dag:
        key = [tuple(marks[axis][at]) for axis, at in zip(template.sites[site], index, strict=True)]
        classes.setdefault((site, *key), set()).add((site, index))
    return list(classes.values())


def check_templates(seeds, *, exotic, most):
    asked = 0
    for seed in seeds:
        r = random.Random(seed)
        template = random_template(r, exotic=exotic)
        dag = template.ground()
        if not 4 <= len(dag) <= most or not nx.is_directed_acyclic_graph(dag):
            continue
        graph = template.graph()
        (x_name, x), (y_name, y), (some, include) = (random_region(r, template) for _ in range(3))
        if x & y:
            continue
        held = random_kinds(r, template, graph, [x_name, y_name])
        holds = [some] if r.random() < 0.3 and not include & (x | y | held) else []
        include = include if holds else set()
        restrict, allowed = None, set(dag)
        if r.random() < 0.4:
            regions = [random_region(r, template) for _ in range(r.randint(1, 4))]
            restrict, allowed = [name for name, _ in regions], set().union(*(part for _, part in regions))
        classes = orbits(template, dag, [x_name, y_name, *holds, *(restrict or ())])
        asked += 1

        def elements(names, template=template):
            return frozenset().union(*(elements_of(template, name) for name in names))

        for name, (criterion, listed, smallest, is_one) in CRITERIA.items():
            every = family(criterion, dag, x, y, include, allowed, held)
            least = minimal(every)
            found = [elements(one) for one in listed(graph, x_name, y_name, include=holds, restrict=restrict)]
            assert len(found) == len(set(found)), (seed, name)
            assert set(found) <= least, (seed, name)
            assert bool(found) == bool(least), (seed, name)
            if not exotic:
                alike = [one for one in every if all(part <= one or not part & one for part in classes)]
                assert set(found) == minimal(alike), (seed, name)
            best = smallest(graph, x_name, y_name, include=holds, restrict=restrict)
            assert (best is None) == (not least), (seed, name)
            assert best is None or len(elements(best)) == min(map(len, least)), (seed, name)
            z = [random_region(r, template) for _ in range(r.randint(0, 3))]
            chosen = set().union(*(part for _, part in z))
            if not chosen & (x | y | held):
                answer = is_one(graph, x_name, y_name, [part for part, _ in z])
                assert answer == criterion(dag, x, y, chosen, held), (seed, name)
    return asked


@pytest.mark.slow
@pytest.mark.parametrize("exotic", [False, True], ids=["aligned and crossed", "lags, gathers, masks"])
def test_random_templates(exotic):
    assert check_templates(range(300), exotic=exotic, most=9) > 30


@exhaustive
@pytest.mark.parametrize("exotic", [False, True], ids=["aligned and crossed", "lags, gathers, masks"])
def test_thousands_of_random_templates(exotic):
    assert check_templates(range(1000, 4000), exotic=exotic, most=11) > 500


@pytest.mark.parametrize("listed", [backdoor_sets, adjustment_sets, frontdoor_sets])
def test_errors(listed):
    with pytest.raises(SiteNotFound, match=f"in {listed.__name__}; got 'zz'"):
        listed(dag("x -> y"), "x", "zz")
    with pytest.raises(ValueError, match=f"disjoint sets in {listed.__name__}; got 'x'"):
        listed(dag("x -> y"), "x", ["x", "y"])
    with pytest.raises(ValueError, match="disjoint sets"):
        listed(dag("x -> y"), "x", "y", include="y")
    with pytest.raises(CyclicGraph, match="x -> y -> x|y -> x -> y"):
        listed(dag("x -> y -> x"), "x", "y")
    with pytest.raises(IndexError, match=r"no plates; got 'a\[0\]'"):
        listed(dag("x -> y <- a"), "x", "a[0]")
    with pytest.raises(IndexError, match="Expected an index from 0 to 4"):
        listed(read(pairs), "x", "b[5]")
