import networkx as nx

from probdl.program.sites import Site, SiteKind
from probdl.report.text import draw_text


def test_sites_are_aligned_and_parents_come_first():
    graph = nx.DiGraph(plates={"school": 8}, scans={"time": 6})
    graph.add_node("y", site=Site("y", SiteKind.OBSERVED, plates=("school",), distribution="Normal"))
    graph.add_node("theta", site=Site("theta", SiteKind.LATENT, plates=("school",), distribution="Normal"))
    graph.add_node("mu", site=Site("mu", SiteKind.LATENT, distribution="Cauchy"))
    graph.add_node("x", site=Site("x", SiteKind.LATENT, scan="time", distribution="Normal"))
    graph.add_node("penalty", site=Site("penalty", SiteKind.FACTOR))
    graph.add_edges_from([("theta", "y"), ("mu", "theta"), ("mu", "penalty")])
    graph.add_edge("x", "x", shifted={"time": (-1,)})
    assert draw_text(graph).splitlines() == [
        "○ mu       latent    Cauchy",
        "○ theta    latent    Normal  [school=8]   ← mu",
        "● y        observed  Normal  [school=8]   ← theta",
        "○ x        latent    Normal  [time=0..5]  ← x[t−1]",
        "■ penalty  factor                         ← mu",
    ]


def test_names_stay_on_their_line():
    assert draw_text(nx.DiGraph([("a\nb", "日本語")])).splitlines() == [
        "○ a\\nb    latent",
        "○ 日本語  latent  ← a\\nb",
    ]


def test_an_empty_graph_says_so():
    assert draw_text(nx.DiGraph()) == "(no sites)"


def test_a_cycle_is_listed():
    assert len(draw_text(nx.DiGraph([("a", "b"), ("b", "a")])).splitlines()) == 2
