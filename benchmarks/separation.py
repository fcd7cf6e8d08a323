"""How fast is d-separation beside pyAgrum, networkx and pgmpy, and a minimal separator beside networkx?

Random DAGs in which each node has two parents among the thousand before it, and layered ones, whose many
paths take some algorithms exponential time. Each query gives the mean time of some random questions: nothing
given, a tenth of the nodes given, half of them given (where most pairs are separated). A tool that
takes too long on one size is not asked again about larger ones. Our first question to a graph
includes the check that it has no cycle, as building a DAG does in pyAgrum; it is shown on its own.

    uv run --group benchmarks python benchmarks/separation.py
"""

import random
import time
from collections.abc import Callable
from itertools import pairwise

import networkx as nx

import probdl as pdl

TOO_LONG = 5.0
QUESTIONS = 12


def random_dag(size: int, r: random.Random) -> nx.DiGraph:
    """Return a DAG in which each node has two parents among the thousand before it."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(size))
    for node in range(1, size):
        graph.add_edges_from((r.randrange(max(0, node - 1000), node), node) for _ in range(2))
    return graph


def layered_dag(layers: int) -> nx.DiGraph:
    """Return layers of two nodes, each joined to both of the next, and one node at the end."""
    pairs = pairwise(range(layers))
    graph = nx.DiGraph([(2 * i + a, 2 * j + b) for i, j in pairs for a in (0, 1) for b in (0, 1)])
    graph.add_edge(2 * layers - 1, 2 * layers)
    return graph


def questions(graph: nx.DiGraph, share: float, r: random.Random) -> list[tuple[int, int, set[int]]]:
    """Draw pairs of nodes, with a share of the others given."""
    nodes = sorted(graph)
    found = []
    for _ in range(QUESTIONS):
        x, y = r.sample(nodes, 2)
        found.append((x, y, {v for v in r.sample(nodes, int(share * len(nodes))) if v not in (x, y)}))
    return found


def ours(graph: nx.DiGraph) -> Callable[[int, int, set[int]], bool]:
    """Ask probdl."""
    return lambda x, y, given: pdl.d_separated(graph, x, y, given)


def by_networkx(graph: nx.DiGraph) -> Callable[[int, int, set[int]], bool]:
    """Ask networkx."""
    return lambda x, y, given: nx.is_d_separator(graph, {x}, {y}, given)


def by_pyagrum(graph: nx.DiGraph) -> Callable[[int, int, set[int]], bool]:
    """Ask pyAgrum."""
    import pyagrum  # pyright: ignore[reportMissingImports]

    dag = pyagrum.DAG()
    for node in sorted(graph):
        dag.addNodeWithId(node)
    for parent, child in graph.edges:
        dag.addArc(parent, child)
    return lambda x, y, given: dag.dSeparation(x, y, given)


def by_pgmpy(graph: nx.DiGraph) -> Callable[[int, int, set[int]], bool]:
    """Ask pgmpy."""
    from pgmpy.base import DAG

    dag = DAG()
    dag.add_nodes_from(graph)
    dag.add_edges_from(graph.edges)
    return lambda x, y, given: not dag.is_dconnected(x, y, observed=list(given))


PEERS = {"probdl": ours, "pyAgrum": by_pyagrum, "networkx": by_networkx, "pgmpy": by_pgmpy}


def mean_time(
    ask: Callable[..., object], asked: list[tuple[int, int, set[int]]]
) -> tuple[float, list[object]]:
    """Return the mean time of some questions in seconds, and the answers; stop when it takes too long."""
    times, answers = [], []
    for question in asked:
        started = time.perf_counter()
        answers.append(ask(*question))
        times.append(time.perf_counter() - started)
        if sum(times) > TOO_LONG:
            break
    return sum(times) / len(times), answers


def separation(name: str, graph: nx.DiGraph, tired: set[str]) -> None:
    """Print one row for each share of given nodes."""
    for share in (0.0, 0.1, 0.5):
        asked = questions(graph, share, random.Random(1))
        row, expected = {}, None
        for peer, make in PEERS.items():
            if peer in tired:
                continue
            ask = make(graph)
            ask(*asked[0]) if peer != "networkx" else None
            row[peer], answers = mean_time(ask, asked)
            expected = expected or answers
            if answers != expected[: len(answers)]:
                raise ValueError(f"{peer} answers otherwise on {name}")
            if row[peer] > TOO_LONG / QUESTIONS * 4:
                tired.add(peer)
        cells = [f"{row[peer] * 1e3:10.3f}" if peer in row else f"{'-':>10}" for peer in PEERS]
        ratio = row["probdl"] / row["pyAgrum"]
        count = sum(map(bool, expected or ()))
        print(f"{name:<22}{share:>6.0%} {count:>4}/{QUESTIONS}{''.join(cells)}{ratio:9.2f}")


def separators() -> None:
    """Print how long a minimal separator takes."""
    print("\nminimal separator, ms        probdl  networkx     ratio")
    for size in (100, 1_000, 3_000):
        graph = random_dag(size, random.Random(2))
        pairs = [(x, y, set()) for x, y, _ in questions(graph, 0.0, random.Random(3))]
        pairs = [(x, y, z) for x, y, z in pairs if not graph.has_edge(x, y) and not graph.has_edge(y, x)][:4]
        mine, found = mean_time(lambda x, y, _, g=graph: pdl.minimal_separator(g, x, y), pairs)
        theirs, other = mean_time(lambda x, y, _, g=graph: nx.find_minimal_d_separator(g, x, y), pairs)
        agree = all((a is None) == (b is None) for a, b in zip(found, other, strict=False))
        if not agree:
            raise ValueError(f"networkx finds other separators at {size}")
        print(f"random {size:>8}      {mine * 1e3:10.2f}{theirs * 1e3:10.2f}{mine / theirs:10.3f}")


def plates() -> None:
    """Print how long a question to elements of a plate takes."""
    print("\na plate of n elements, ms: theta[0] against theta[1], given mu")
    for size in (10, 10**5, 10**9):
        graph = nx.DiGraph(plates={"n": size})
        for name in ("mu", "theta", "y"):
            own = () if name == "mu" else ("n",)
            graph.add_node(name, site=pdl.Site(name, pdl.SiteKind.LATENT, plates=own))
        graph.add_edges_from([("mu", "theta"), ("theta", "y")])
        asked = [(0, 1, set[int]())] * 20
        taken, _ = mean_time(lambda *_, g=graph: pdl.d_separated(g, "theta[0]", "theta[1]", "mu"), asked)
        print(f"n = {size:>13,} {taken * 1e3:8.3f}")


def main() -> None:
    """Print the table; a ratio below one means that we are faster than pyAgrum."""
    print("d-separation, ms a question   separated" + "".join(f"{p:>10}" for p in PEERS) + "    ratio")
    tired: set[str] = set()
    layered = layered_dag(23)
    separation(f"layered {len(layered)}", layered, tired)
    tired.discard("pgmpy")
    for size in (100, 1_000, 10_000, 100_000):
        graph = random_dag(size, random.Random(0))
        started = time.perf_counter()
        pdl.d_separated(graph, 0, 1)
        first = time.perf_counter() - started
        separation(f"random {size}", graph, tired)
        print(f"    first question, with the check for cycles: {first * 1e3:.2f} ms")
    separators()
    plates()


if __name__ == "__main__":
    main()
