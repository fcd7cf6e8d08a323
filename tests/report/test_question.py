import itertools
import random
import subprocess
import xml.etree.ElementTree as ET

import networkx as nx
import numpy as np
import pytest

from probdl.errors import CyclicGraph, SiteNotFound
from probdl.graphs.bayes_ball import reachable
from probdl.graphs.ground import Reach, ground
from probdl.program.sites import Site, SiteKind
from probdl.report.draw import Drawing, draw
from probdl.report.open_edges import homes_in, open_edges
from probdl.report.render import pure_program
from tests.graphs.templates import random_region, random_template

SVG = "{http://www.w3.org/2000/svg}"
WARM, COOL, DARK, VIOLET, INK = "#b84e00", "#0b66a8", "#343b44", "#7b3fa0", "#1b1f24"


def schools() -> nx.DiGraph:
    graph = nx.DiGraph(plates={"school": 8})
    graph.add_node("mu", site=Site("mu", SiteKind.LATENT))
    graph.add_node("sigma", site=Site("sigma", SiteKind.PARAM))
    for name, kind in (("theta", SiteKind.DETERMINISTIC), ("y", SiteKind.OBSERVED)):
        graph.add_node(name, site=Site(name, kind, (8,), plates=("school",), axes=(("school", 0),)))
    graph.add_edges_from([("mu", "theta"), ("theta", "y"), ("sigma", "y")])
    return graph


def collider() -> nx.DiGraph:
    return nx.DiGraph([("a", "c"), ("b", "c"), ("c", "d"), ("b", "e")])


def root(drawing: Drawing) -> ET.Element:
    return ET.fromstring(drawing.svg())


def fills(drawing: Drawing) -> dict[str, str]:
    nodes = (part for part in root(drawing).iter(f"{SVG}g") if part.get("class", "").startswith("node"))
    return {part.findtext(f"{SVG}title", ""): part[1].get("fill", "") for part in nodes}


def strokes(drawing: Drawing, kind: str) -> dict[str, tuple[str, str | None]]:
    parts = (part for part in root(drawing).iter(f"{SVG}g") if part.get("class", "").startswith(kind))
    return {
        part.findtext(f"{SVG}title", ""): (part[1].get("stroke", ""), part[1].get("stroke-dasharray"))
        for part in parts
    }


def rings(drawing: Drawing, colour: str) -> set[str]:
    return {
        part.findtext(f"{SVG}title", "")
        for part in root(drawing).iter(f"{SVG}g")
        for ring in part.findall(f"{SVG}ellipse[@class='ring']")
        if ring.get("stroke") == colour and part.get("class", "").startswith("node")
    }


def legend(drawing: Drawing) -> list[str]:
    return ["".join(part.itertext()) for part in root(drawing).iter(f"{SVG}g") if part.get("class") == "key"]


def test_a_question_colours_what_is_connected_and_what_is_not():
    drawing = draw(collider(), source="a", given="c")
    assert fills(drawing) == {"a": WARM, "b": "#fdeadb", "c": DARK, "d": "#f2f8fc", "e": "#fdeadb"}
    marks = strokes(drawing, "node")
    assert marks["a"][0] == marks["b"][0] == WARM
    assert marks["d"] == (COOL, "3.5 2.5")
    assert marks["e"][1] is None
    edges = {title: stroke for title, (stroke, _) in strokes(drawing, "edge").items()}
    assert edges == {"a → c": WARM, "b → c": WARM, "b → e": WARM, "c → d": INK}
    assert rings(drawing, VIOLET) == {"b", "c"}
    assert rings(drawing, WARM) == {"a"}


def test_the_legend_explains_what_is_in_the_picture_and_nothing_else():
    assert legend(draw(collider())) == legend(draw(collider(), highlight=["a"])) == []
    assert legend(draw(collider(), given="c")) == ["given"]
    assert legend(draw(collider(), source="a")) == [
        "asked from",
        "connected",
        "separated",
        "Markov blanket",
        "open path",
    ]
    assert legend(draw(collider(), source="a", target="e", given="d"))[-2:] == [
        "Markov blanket",
        "the path shown",
    ]
    assert "separates" in legend(draw(collider(), source="a", target="d", given="c"))


def test_one_path_is_shown_or_what_separates():
    joined = draw(collider(), source="a", target="e", given="d")
    widths = {
        part.findtext(f"{SVG}title"): part[1].get("stroke-width")
        for part in root(joined).iter(f"{SVG}g")
        if part.get("class") == "edge"
    }
    assert widths == {"a → c": "3.6", "b → c": "3.6", "b → e": "3.6", "c → d": "1.2"}
    assert str(joined).endswith(
        "One open path:\n"
        "a -> c <- b -> e\n"
        "c: collider, open since its descendant d is given (c -> d)\n"
        "b: fork, open since it is not given"
    )
    apart = draw(collider(), source="a", target="d", given=["c", "e"])
    assert rings(apart, COOL) == {"c", "d"}
    assert str(apart).endswith("a and d are separated by c.")
    assert str(draw(collider(), source="a", target="b")).endswith(
        "a and b are separated, even with nothing given."
    )


def test_elements_are_named_in_the_text_and_below_the_site():
    drawing = draw(schools(), source="theta[3]", given=["y[1:3]", "y[5]"])
    assert str(drawing).splitlines()[-2:] == [
        "Given y[1:3] and y[5], theta[3] may depend on mu, theta[:3], theta[4:], y[0], y[3:5] and y[6:].",
        "Markov blanket of theta[3]: mu, sigma and y[3].",
    ]
    labels = ["".join(text.itertext()) for text in root(drawing).iter(f"{SVG}text")]
    assert "[3] asked" in labels
    assert any(label.startswith("[1:3] given") or label.startswith("[1:3,5] given") for label in labels)
    assert fills(drawing)["y"] == "#efc6a3"  # observed, and some of it is connected


def test_fixed_sites_stay_as_they_are():
    drawing = draw(schools(), source="mu")
    assert fills(drawing)["sigma"] == INK
    assert "sigma" not in str(drawing).splitlines()[-2]
    assert fills(draw(schools(), source="sigma"))["sigma"] == WARM


def test_what_is_given_is_shown_without_a_question():
    drawing = draw(schools(), given=["mu", "y[0]"])
    assert fills(drawing)["mu"] == fills(drawing)["y"] == DARK
    assert str(drawing).endswith("\n\nGiven: mu and y[0].")
    assert str(draw(schools())) == str(draw(schools(), given=[]))


def test_highlights_come_before_the_colours_of_a_question():
    drawing = draw(collider(), source="a", highlight=["b", ("a", "c")])
    assert strokes(drawing, "node")["b"][0] == strokes(drawing, "edge")["a → c"][0] == "#d55e00"


def test_the_nodes_of_a_bare_graph_may_be_anything():
    graph = nx.DiGraph([(1, (2, "x")), ((2, "x"), None.__class__)])
    drawing = draw(graph, source=1, given=[(2, "x")], target=None.__class__)
    assert str(drawing).endswith("1 and <class 'NoneType'> are separated by (2, 'x').")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "pdf", "svg", "dot"])
@pytest.mark.parametrize("make", [schools, collider])
def test_every_format_takes_the_colours(tmp_path, make, suffix):
    names = list(make())
    drawing = draw(make(), source=names[0], target=names[-1], given=names[2])
    assert drawing.save(tmp_path / f"graph.{suffix}").stat().st_size > 500


@pytest.mark.slow
def test_png_and_svg_have_the_same_colours(tmp_path):
    from matplotlib.image import imread

    drawing = draw(collider(), source="a", given="c")
    pixels = (imread(drawing.save(tmp_path / "graph.png"))[..., :3] * 255).round().astype(int)
    seen = {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.unique(pixels.reshape(-1, 3), axis=0)}
    assert {WARM, COOL, DARK, "#fdeadb", "#f2f8fc"} <= seen


def test_graphviz_reads_the_colours():
    source = draw(collider(), source="a", given="c").source
    assert source.count(WARM) >= 5
    done = subprocess.run(
        [pure_program() or "", "-Tsvg"], input=source.encode(), capture_output=True, check=True
    )
    assert WARM.encode() in done.stdout


def test_errors_name_what_is_wrong():
    with pytest.raises(SiteNotFound, match="in draw; got 'thta'. Did you mean 'theta'?"):
        draw(schools(), source="thta")
    with pytest.raises(SiteNotFound, match="in draw; got 'thta'"):
        draw(schools(), given="thta")
    with pytest.raises(IndexError, match="got 'y\\[8\\]'"):
        draw(schools(), source="mu", given="y[8]")
    with pytest.raises(ValueError, match=r"Expected disjoint sets in draw; got 'theta\[0\]'"):
        draw(schools(), source="theta", given="theta[0]")
    with pytest.raises(ValueError, match=r"Expected disjoint sets in draw; got 'mu'"):
        draw(schools(), source="mu", target="mu")
    with pytest.raises(TypeError, match="Expected a source with the target mu in draw; got none."):
        draw(schools(), target="mu")
    with pytest.raises(CyclicGraph):
        draw(nx.DiGraph([("a", "b"), ("b", "a")]), source="a")


def edges_of_open_paths(dag: nx.DiGraph, sources: set, given: set) -> set:
    """Walk all open paths that leave the sources and end at something else that is not given."""
    opened = given.union(*(nx.ancestors(dag, node) for node in given))
    found = set()

    def walk(path, node, came_down, edges):
        steps = [(child, True) for child in dag.successors(node)]
        for other, down in steps + [(parent, False) for parent in dag.predecessors(node)]:
            if other in path or other in sources:
                continue
            if edges and (node not in opened if came_down and not down else node in given):
                continue
            longer = [*edges, (node, other) if down else (other, node)]
            if other not in given:
                found.update(longer)
            walk({*path, other}, other, down, longer)

    for source in sources:
        walk({source}, source, None, [])
    return found


def drawn_edges(graph: nx.DiGraph, sources, given) -> set:
    dag = ground(graph, sources, given, where="test", reach=Reach.ALL)
    closed = dag.given(1)
    reached = reachable(dag.parents, dag.children, dag.asked[0], closed)
    return open_edges(dag, homes_in(graph, dag), dag.asked[0], closed, reached)


def test_open_edges_are_those_of_all_open_paths():
    for seed in range(200):
        r = random.Random(seed)
        nodes = range(r.randint(2, 7))
        graph = nx.DiGraph()
        graph.add_nodes_from(nodes)
        graph.add_edges_from(edge for edge in itertools.combinations(nodes, 2) if r.random() < 0.4)
        sources = set(r.sample(nodes, r.choice([1, 1, 2])))
        given = {node for node in nodes if node not in sources and r.random() < 0.3}
        assert drawn_edges(graph, sources, given) == edges_of_open_paths(graph, sources, given), seed


@pytest.mark.slow
@pytest.mark.parametrize("exotic", [False, True], ids=["aligned and crossed", "lags, gathers, masks"])
def test_open_edges_of_folded_plates_are_those_of_all_elements(exotic):
    asked = 0
    for seed in range(400):
        r = random.Random(seed)
        template = random_template(r, exotic=exotic)
        elements = template.ground()
        if (
            len(elements) > 14
            or elements.number_of_edges() > 22
            or not nx.is_directed_acyclic_graph(elements)
        ):
            continue
        source, sources = random_region(r, template)
        regions = [random_region(r, template) for _ in range(r.randint(0, 3))]
        given = set[tuple]().union(*(some for _, some in regions))
        if sources & given:
            continue
        asked += 1
        expected = {(tail[0], head[0]) for tail, head in edges_of_open_paths(elements, sources, given)}
        assert drawn_edges(template.graph(), source, [name for name, _ in regions]) == expected, seed
    assert asked > 100
