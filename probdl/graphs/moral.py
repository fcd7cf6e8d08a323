"""The undirected graphs of a model: moral graph and factor graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probdl.graphs.elements import kinds
from probdl.graphs.factorization import factorization
from probdl.graphs.ground import Ground, Node
from probdl.graphs.unroll import few_elements
from probdl.program.sites import SiteKind

if TYPE_CHECKING:
    import networkx as nx


def moral_graph(graph: nx.DiGraph) -> nx.Graph:
    """Return the moral graph: parents of a common child are joined, directions dropped.

    Args:
        graph: The graph of a program, or any acyclic directed graph.

    Returns:
        The graph of the same nodes with their attributes. In a graph with plates, two nodes are joined if
        any of their elements are; the node attribute `joined` says whether elements of the node are joined
        among themselves. `moral_graph(unroll(graph))` is that of the elements.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.
        ValueError: If lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> moral_graph(nx.DiGraph([("a", "c"), ("b", "c")])).has_edge("a", "b")
        True

    Source:
        Lauritzen & Spiegelhalter (1988); Bishop (2006), §8.3.4.
    """
    import networkx as nx

    dag = few_elements(graph, "moral_graph")
    moral = nx.Graph(**graph.graph)
    moral.add_nodes_from(graph.nodes.data())
    for node, others in married(dag).items():
        site = dag.labels.site(node)
        for other in map(dag.labels.site, others):
            if other == site:
                moral.nodes[site]["joined"] = True
            else:
                moral.add_edge(site, other)
    return moral


def married(dag: Ground) -> dict[Node, set[Node]]:
    """Return who is whose neighbour in the moral graph of a finite DAG.

    Args:
        dag: The DAG.

    Returns:
        The neighbours of each node.
    """
    around: dict[Node, set[Node]] = {node: set() for node in dag.nodes}
    for node in dag.nodes:
        family = {node, *dag.parents[node]}
        for member in family:
            around[member] |= family
    for node, others in around.items():
        others.discard(node)
    return around


def factor_graph(graph: nx.DiGraph) -> nx.Graph:
    """Return the factor graph: variables on one side, the factors of the joint distribution on the other.

    Args:
        graph: The graph of a program, or any acyclic directed graph.

    Returns:
        A bipartite graph. Variables are the nodes of `graph` with their attributes and `bipartite=0`; a
        factor is a node named as `factorization` writes it, such as "p(x | mu, tau)", with `bipartite=1`
        and `factor`, its data. Params and sites held by `do` are no variables: they are in the names.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.

    Example:
        >>> import networkx as nx
        >>> found = factor_graph(nx.DiGraph([("mu", "x"), ("tau", "x")]))
        >>> [node for node, side in found.nodes(data="bipartite") if side == 1]
        ['p(mu)', 'p(tau)', 'p(x | mu, tau)']

    Source:
        Kschischang, Frey & Loeliger (2001), doi:10.1109/18.910572.
    """
    import networkx as nx

    of = kinds(graph)
    hidden = (SiteKind.PARAM, SiteKind.INTERVENED, SiteKind.FACTOR)
    result = nx.Graph(**graph.graph)
    for node, attributes in graph.nodes.data():
        if of.get(node) not in hidden:
            result.add_node(node, **attributes, bipartite=0)
    for factor in factorization(graph).factors:
        result.add_node(str(factor), bipartite=1, factor=factor)
        for term in (factor.child, *factor.parents):
            if term.kind not in hidden:
                result.add_edge(str(factor), term.node)
    return result
