"""How long does the page of an explorer take for a question on 200 nodes, beside a frame of a 60 Hz display?

    uv run python -m benchmarks.explorer

Asks 40 questions in headless Chromium and prints the median, each with all that is drawn anew. The graph is
random, each node with one to three parents among the 25 before it; up to 39 nodes are given.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import networkx as nx

from probdl.report.explorer import explore
from tests.report.chromium import Chromium

NODES = 200
FRAME_MILLISECONDS = 1000 / 60
TIMED = """
(async () => {
    const { state, update, data } = explorer, count = data.names.length, spent = [];
    for (let i = 0; i < 40; i++) {
        const pick = k => (i * 37 + k * 61) % count;
        const given = new Set(Array.from({ length: i }, (_, k) => pick(k + 3)));
        given.delete(pick(1));
        given.delete(pick(2));
        await new Promise(requestAnimationFrame);
        const start = performance.now();
        Object.assign(state, { source: pick(1), target: pick(2), given });
        update();
        document.body.getBoundingClientRect();
        spent.push(performance.now() - start);
    }
    return spent.sort((a, b) => a - b)[20];
})()
"""


def random_graph(r: random.Random) -> nx.DiGraph:
    """Return a directed acyclic graph of `NODES` nodes."""
    graph = nx.DiGraph()
    for i in range(NODES):
        graph.add_node(i)
        graph.add_edges_from((j, i) for j in r.sample(range(max(0, i - 25), i), min(i, r.choice([1, 2, 3]))))
    return graph


def main() -> None:
    """Print the median and its ratio to a frame."""
    with tempfile.TemporaryDirectory() as place:
        page = explore(random_graph(random.Random(1))).save(Path(place) / "page.html")
        browser = Chromium(Path(place) / "profile")
        try:
            browser.open(page)
            spent = browser.run(TIMED)
        finally:
            browser.close()
    print(f"{NODES} nodes: {spent:.1f} ms a question, {spent / FRAME_MILLISECONDS:.2f} of a frame")


if __name__ == "__main__":
    main()
