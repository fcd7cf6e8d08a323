"""d-separation against networkx: on random DAGs, and on the full unrolling of random plated graphs."""

import itertools
import random

import networkx as nx
import pytest

from probdl.errors import CyclicGraph
from probdl.graphs.separation import Junction, active_path, d_connected, d_separated
from tests.graphs.templates import elements_of, random_region, random_template


def separated_by_moralization(dag, x, y, given):
    """Lauritzen's criterion: separation in the moral graph of the ancestors."""
    named = set(x) | set(y) | set(given)
    kept = named.union(*(nx.ancestors(dag, node) for node in named))
    moral = nx.moral_graph(dag.subgraph(kept))
    moral.remove_nodes_from(given)
    return not any(set(y) & set(nx.node_connected_component(moral, node)) for node in x)


def separated(dag, x, y, given):
    answer = separated_by_moralization(dag, x, y, given)
    if dag.number_of_nodes() <= 40:
        assert nx.is_d_separator(dag, set(x), set(y), set(given)) == answer
    return answer


def random_dag(r):
    nodes = list(range(r.randint(2, 9)))
    dag = nx.DiGraph()
    dag.add_nodes_from(nodes)
    dag.add_edges_from(edge for edge in itertools.combinations(nodes, 2) if r.random() < 0.35)
    return nx.relabel_nodes(dag, dict(zip(nodes, r.sample(nodes, len(nodes)), strict=True)))


def random_sets(r, nodes):
    roles = {node: r.choice("xyzz...") for node in nodes}
    return [{node for node in nodes if roles[node] == role} for role in "xyz"]


def check_path(dag, path, x, y, given):
    """A path is active by definition: checked node by node."""
    assert path.nodes[0] in x
    assert path.nodes[-1] in y
    assert len(set(path.nodes)) == len(path.nodes)
    for (a, b), forward in zip(itertools.pairwise(path.nodes), path.forward, strict=True):
        assert dag.has_edge(*((a, b) if forward else (b, a)))
    for i, passage in enumerate(path.passages, start=1):
        assert passage.node == path.nodes[i]
        into = path.forward[i - 1] + (not path.forward[i])
        assert passage.junction is (
            Junction.COLLIDER if into == 2 else Junction.CHAIN if into else Junction.FORK
        )
        if passage.junction is Junction.COLLIDER:
            assert passage.opened_by[0] == passage.node
            assert passage.opened_by[-1] in given
            assert all(dag.has_edge(a, b) for a, b in itertools.pairwise(passage.opened_by))
        else:
            assert passage.node not in given
            assert passage.opened_by == ()


def check_random_dags(seeds):
    for seed in seeds:
        r = random.Random(seed)
        dag = random_dag(r)
        x, y, given = random_sets(r, dag)
        answer = separated(dag, x, y, given) if x and y else True
        assert d_separated(dag, x, y, given) == answer, seed
        path = active_path(dag, x, y, given)
        assert (path is None) == answer, seed
        if path is not None:
            check_path(dag, path, x, y, given)
        if x:
            rest = set(dag) - x - given
            assert d_connected(dag, x, given) == {v for v in rest if not separated(dag, x, {v}, given)}


def check_templates(seeds, *, exotic, every=1):
    """Ask each template; of every few, compare also all that is connected."""
    asked = 0
    for seed in seeds:
        r = random.Random(seed)
        template = random_template(r, exotic=exotic)
        regions = [
            [random_region(r, template) for _ in range(n)] for n in (1, r.randint(1, 2), r.randint(0, 3))
        ]
        names = [[name for name, _ in some] for some in regions]
        x, y, given = (set[tuple]().union(*(elements for _, elements in some)) for some in regions)
        if x & y or x & given or y & given:
            continue
        dag, graph = template.ground(), template.graph()
        if not nx.is_directed_acyclic_graph(dag):
            with pytest.raises(CyclicGraph):
                d_connected(graph, names[0])
            continue
        asked += 1
        answer = separated(dag, x, y, given)
        assert d_separated(graph, *names) == answer, seed
        path = active_path(graph, *names)
        assert (path is None) == answer, seed
        if path is not None:
            check_path(dag, _as_elements(template, path), x, y, given)
        if asked % every:
            continue
        connected = [elements_of(template, name) for name in d_connected(graph, names[0], names[2])]
        found = set[tuple]().union(*connected)
        assert sum(map(len, connected)) == len(found), "the names overlap"
        assert found == {
            v for v in set(dag) - x - given if not separated_by_moralization(dag, x, {v}, given)
        }, seed
    return asked


def _as_elements(template, path):
    """Put (site, index) for the names of a path."""

    def element(name):
        return next(iter(elements_of(template, name)))

    passages = tuple(
        type(p)(element(p.node), p.junction, tuple(map(element, p.opened_by))) for p in path.passages
    )
    return type(path)(tuple(map(element, path.nodes)), path.forward, passages)


def test_random_dags():
    check_random_dags(range(300))


@pytest.mark.slow
def test_random_plates():
    assert check_templates(range(200), exotic=False) > 70


@pytest.mark.slow
def test_random_lags_gathers_and_masks():
    assert check_templates(range(200), exotic=True) > 70


@pytest.mark.slow
def test_five_thousand_random_dags():
    check_random_dags(range(1000, 6000))


@pytest.mark.slow
@pytest.mark.parametrize("exotic", [False, True], ids=["aligned and crossed", "lags, gathers, masks"])
def test_five_thousand_random_templates(exotic):
    assert check_templates(range(10_000, 23_000), exotic=exotic, every=4) > 5000
