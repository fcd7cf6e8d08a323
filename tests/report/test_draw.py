import re
import xml.etree.ElementTree as ET

import networkx as nx
import numpy as np
import pytest

from probdl.errors import SiteNotFound
from probdl.graphs.moral import factor_graph, moral_graph
from probdl.program.sites import Site, SiteKind
from probdl.report.draw import Direction, Drawing, draw

SVG = "{http://www.w3.org/2000/svg}"
ODD_NAMES = ["<b>", "a:b", '"q"', "a\nb", "x\\N", "ünï", "日本語", "&amp;", "", "$x_1$", "n0", "\x00", "]]>"]


def graph_of(sites, edges=(), plates=None, scans=None) -> nx.DiGraph:
    graph = nx.DiGraph(plates=plates or {}, scans=scans or {})
    for site in sites:
        graph.add_node(site.name, site=site)
    for tail, head, *shifted in edges:
        graph.add_edge(tail, head, aligned=frozenset(), shifted=shifted[0] if shifted else {})
    return graph


def site(name, kind=SiteKind.LATENT, plates=(), scan=None, distribution="Normal") -> Site:
    return Site(name, kind, plates=plates, scan=scan, distribution=distribution)


def eight_schools() -> nx.DiGraph:
    sites = [
        site("mu"),
        site("tau", distribution="HalfCauchy"),
        site("theta", plates=("school",)),
        site("y", SiteKind.OBSERVED, ("school",)),
    ]
    return graph_of(sites, [("mu", "theta"), ("tau", "theta"), ("theta", "y")], {"school": 8})


def crossed() -> nx.DiGraph:
    sites = [site("th", plates=("S",)), site("d", plates=("Q",)), site("y", SiteKind.OBSERVED, ("S", "Q"))]
    return graph_of(sites, [("th", "y"), ("d", "y")], {"S": 400, "Q": 20})


def parts(drawing: Drawing, kind: str) -> list[ET.Element]:
    root = ET.fromstring(drawing.svg())
    return [group for group in root.iter(f"{SVG}g") if group.get("class", "").split()[0] == kind]


def titles(drawing: Drawing, kind: str) -> list[str]:
    return [part.findtext(f"{SVG}title") or "" for part in parts(drawing, kind)]


def words(element: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in element.iter(f"{SVG}text")]


@pytest.mark.parametrize("make", [eight_schools, crossed])
def test_every_node_and_edge_is_drawn_once(make):
    graph = make()
    drawing = draw(graph)
    assert titles(drawing, "node") == list(graph)
    assert titles(drawing, "edge") == [f"{tail} → {head}" for tail, head in graph.edges]
    assert drawing.source.count(" -> ") == graph.number_of_edges()


def test_each_kind_has_its_shape():
    graph = graph_of([site(kind.value, kind) for kind in SiteKind])
    shapes = {
        part.get("class", "").split()[1]: [child.tag.removeprefix(SVG) for child in part]
        for part in parts(draw(graph), "node")
    }
    assert shapes["latent"] == shapes["observed"] == ["title", "ellipse", "text"]
    assert shapes["deterministic"] == ["title", "ellipse", "ellipse", "text"]
    assert shapes["factor"] == ["title", "rect", "text"]
    fills = {part.get("class", "").split()[1]: part[1].get("fill") for part in parts(draw(graph), "node")}
    assert fills["latent"] == "#ffffff" != fills["observed"]
    assert fills["param"] == fills["intervened"] == fills["factor"] != fills["latent"]


def test_edges_of_factors_have_no_arrow():
    graph = graph_of([site("a"), site("b"), site("f", SiteKind.FACTOR)], [("a", "f"), ("b", "f"), ("a", "b")])
    arrows = [part.find(f"{SVG}polygon") is not None for part in parts(draw(graph), "edge")]
    assert arrows == [False, True, False] or arrows == [not draws for draws in (True, False, True)]
    assert [title.endswith("→ f") for title in titles(draw(graph), "edge")] == [not arrow for arrow in arrows]


def test_plates_carry_name_and_size():
    assert titles(draw(eight_schools()), "box") == ["school = 8"]
    assert sorted(titles(draw(crossed()), "box")) == ["Q = 20", "S = 400"]


def test_a_scan_is_dashed_and_its_lags_are_labelled():
    sites = [site("x", scan="time"), site("y", SiteKind.OBSERVED, scan="time")]
    graph = graph_of(sites, [("x", "x", {"time": (-1,)}), ("x", "y")], scans={"time": 6})
    drawing = draw(graph)
    (box,) = parts(drawing, "box")
    loop, straight = parts(drawing, "edge")
    assert box.findtext(f"{SVG}title") == "time = 0..5"
    assert box[1].get("stroke-dasharray")
    assert loop[1].get("stroke-dasharray")
    assert words(loop) == ["t−1"]
    assert straight[1].get("stroke-dasharray") is None


def test_lags_that_make_a_cycle_are_drawn():
    sites = [site("a", scan="time"), site("b", scan="time")]
    graph = graph_of(sites, [("a", "b"), ("b", "a", {"time": (-2, -1)})], scans={"time": 9})
    drawing = draw(graph)
    assert titles(drawing, "edge") == ["a → b", "b → a"]
    assert "b  latent  Normal  [time=0..8]  ← a" in str(drawing)
    assert "a  latent  Normal  [time=0..8]  ← b[t−1, t−2]" in str(drawing)


def test_networks_are_grouped_under_their_name():
    sites = [site("net/l1.kernel", SiteKind.PARAM), site("net/l1.bias", SiteKind.PARAM)]
    sites += [site("vae$params", SiteKind.PARAM), site("alone/z"), site("x", SiteKind.OBSERVED)]
    drawing = draw(graph_of(sites, [(s.name, "x") for s in sites[:-1]]))
    assert sorted(titles(drawing, "box")) == ["net", "vae"]
    labels = ["".join(words(part)) for part in parts(drawing, "node")]
    assert labels == ["l1.kernel", "l1.bias", "params", "alone/z", "x"]


def test_a_network_that_would_cross_a_plate_gets_no_box():
    sites = [site("net/a", plates=("p",)), site("net/b"), site("z", plates=("p",))]
    assert titles(draw(graph_of(sites, plates={"p": 2})), "box") == ["p = 2"]


def test_distributions_are_written_on_request():
    drawing, bare = draw(eight_schools(), distributions=True), draw(eight_schools())
    assert [words(part)[1:] for part in parts(drawing, "node")] == [
        ["Normal"],
        ["HalfCauchy"],
        ["Normal"],
        ["Normal"],
    ]
    assert all(len(words(part)) == 1 for part in parts(bare, "node"))


def test_highlight_colours_nodes_and_edges():
    drawing = draw(eight_schools(), highlight=["theta", ("theta", "y")])
    coloured = [
        part.findtext(f"{SVG}title")
        for kind in ("node", "edge")
        for part in parts(drawing, kind)
        if part[1].get("stroke") == "#d55e00"
    ]
    assert coloured == ["theta", "theta → y"]
    assert drawing.source.count("#d55e00") == 2


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("make", [eight_schools, crossed])
def test_children_stand_below_or_to_the_right(make, direction):
    places = {}
    for part in parts(draw(make(), direction=direction), "node"):
        ellipse = part[1]
        places[part.findtext(f"{SVG}title")] = float(
            ellipse.get("cy" if direction is Direction.DOWN else "cx", 0)
        )
    assert all(places[tail] < places[head] for tail, head in make().edges)


@pytest.mark.slow
@pytest.mark.parametrize("is_crossed", [False, True])
def test_odd_names_are_drawn_as_such(is_crossed):
    graph = graph_of(
        [site(name, plates=("<p>", "q")[i % 3 : 2] if is_crossed else ()) for i, name in enumerate(ODD_NAMES)]
        + ([site("both", plates=("<p>", "q")), site("first", plates=("<p>",))] if is_crossed else []),
        [(ODD_NAMES[0], name) for name in ODD_NAMES[1:]],
        {"<p>": 2, "q": 3},
    )
    drawing = draw(graph, distributions=True)
    shown = [name.replace("\n", "\\n").replace("\x00", "\\x00") for name in graph]
    assert titles(drawing, "node") == shown
    assert set(re.findall(r"^\s*(\w+) \[", drawing.source, re.MULTILINE)) <= {
        "graph",
        "node",
        "edge",
        *(f"n{i}" for i in range(len(graph))),
        *(f"{letter}{i}" for letter in "fc" for i in range(9)),
    }
    assert all(name in str(drawing) for name in shown)


@pytest.mark.parametrize(
    "graph",
    [
        nx.DiGraph(),
        nx.DiGraph([(1, 2), ((3, "x"), 2), (None.__class__, 1)]),
        nx.DiGraph([("a", "b"), ("b", "c"), ("c", "a"), ("a", "a")]),
        nx.gn_graph(30, seed=0),
    ],
)
def test_bare_graphs_are_drawn(graph):
    drawing = draw(graph)
    assert len(titles(drawing, "node")) == len(graph)
    assert len(titles(drawing, "edge")) == graph.number_of_edges()


def test_the_graph_may_change_after_it_was_drawn():
    graph = eight_schools()
    drawing = draw(graph)
    graph.remove_node("y")
    assert "y" in titles(drawing, "node")


def test_attributes_of_edges_may_be_arrays():
    graph = eight_schools()
    graph.edges["theta", "y"]["gathered"] = {"school": np.array([0, 1, 1])}
    assert draw(graph).svg()


def test_misspelt_highlights_are_named():
    with pytest.raises(SiteNotFound, match="in highlight; got 'thta'. Did you mean 'theta'?"):
        draw(eight_schools(), highlight=["thta"])
    with pytest.raises(SiteNotFound, match="got 'muu'. Did you mean 'mu'?"):
        draw(eight_schools(), highlight=[("muu", "theta")])
    with pytest.raises(
        ValueError, match=r"got \('y', 'theta'\). Write \('theta', 'y'\): the parent comes first."
    ):
        draw(eight_schools(), highlight=[("y", "theta")])
    with pytest.raises(ValueError, match=r"got \('mu', 'y'\). The parents of 'y': theta."):
        draw(eight_schools(), highlight=[("mu", "y")])
    with pytest.raises(TypeError, match=r"got the string 'theta'. Write highlight=\['theta'\]."):
        draw(eight_schools(), highlight="theta")


def test_a_model_is_refused_with_the_remedy():
    with pytest.raises(
        TypeError, match=r"Expected a networkx.DiGraph; got str. Write draw\(graph\(model\)\)"
    ):
        draw("model")  # pyright: ignore[reportArgumentType]


def test_two_names_never_look_the_same():
    labels = ["".join(words(part)) for part in parts(draw(nx.DiGraph([("x1", "x_1"), ("y", "x1")])), "node")]
    assert labels == ["x1", "x_1", "y"]


def test_undirected_graphs_have_no_arrows():
    graph = nx.DiGraph([("a", "c"), ("b", "c")])
    moral, factors = draw(moral_graph(graph)), draw(factor_graph(graph))
    assert not any(link.has_arrow for drawing in (moral, factors) for link in drawing.diagram.links)
    assert len(moral.diagram.links) == 3
    assert "■ p(c | a, b)" in str(factors)
    assert "— a" in str(moral)
    with pytest.raises(TypeError, match="Expected a directed graph in draw with a question"):
        draw(moral_graph(graph), source="a")
