import itertools

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probdl.program.sites import Site, SiteKind
from probdl.report.diagram import Direction
from probdl.report.draw import draw
from probdl.report.render import arrange
from probdl.report.scene import Rectangle, Scene, outline

PLATES = ("A", "B", "C", "D")


def scene_of(memberships, links=(), direction=Direction.DOWN) -> Scene:
    graph = nx.DiGraph(plates={plate: 3 for plate in PLATES})
    for i, plates in enumerate(memberships):
        graph.add_node(f"x_{i}", site=Site(f"x_{i}", SiteKind.LATENT, plates=tuple(sorted(plates))))
    graph.add_edges_from((f"x_{a}", f"x_{b}") for a, b in links)
    return arrange(draw(graph, direction=direction).diagram)


def assert_boxes_hold_their_members(scene: Scene) -> None:
    marks = list(zip(scene.diagram.marks, scene.centres, strict=True))
    for box in scene.diagram.boxes:
        sides = [frame.sides for frame in scene.frames if frame.box == box]
        for i, (mark, centre) in enumerate(marks):
            if i in box.members:
                assert any(side.holds(centre, mark.width, mark.height) for side in sides)
            else:
                assert not any(side.touches(centre, mark.width, mark.height) for side in sides)
    for (mark, centre), (other, place) in itertools.combinations(marks, 2):
        assert not outline(mark, centre).touches(place, other.width, other.height)
    page = Rectangle(0.0, 0.0, scene.width, scene.height)
    assert all(page.holds(centre, mark.width, mark.height) for mark, centre in marks)


@st.composite
def families(draw_: st.DrawFn):
    count = draw_(st.integers(1, 9))
    memberships = draw_(st.lists(st.sets(st.sampled_from(PLATES)), min_size=count, max_size=count))
    pairs = list(itertools.combinations(range(count), 2))
    links = draw_(st.lists(st.sampled_from(pairs), unique=True, max_size=10)) if pairs else []
    return memberships, links, draw_(st.sampled_from(Direction))


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(families())
def test_boxes_hold_their_members_and_no_other(family):
    assert_boxes_hold_their_members(scene_of(*family))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(families())
def test_many_boxes_hold_their_members_and_no_other(family):
    assert_boxes_hold_their_members(scene_of(*family))


def test_crossed_plates_are_one_box_each():
    scene = scene_of([{"A"}, {"B"}, {"A", "B"}], [(0, 2), (1, 2)])
    assert_boxes_hold_their_members(scene)
    assert len(scene.frames) == 2
    left, right = sorted((frame.sides for frame in scene.frames), key=lambda sides: sides.left)
    assert left.left < right.left < left.right < right.right


@pytest.mark.slow
def test_three_crossing_plates_are_one_box_each():
    regions = [set(group) for size in (1, 2, 3) for group in itertools.combinations("ABC", size)]
    for memberships in ([{"A"}, {"B"}, {"C"}, {"A", "B", "C"}], regions):
        scene = scene_of(memberships, [(i, len(memberships) - 1) for i in range(3)])
        assert_boxes_hold_their_members(scene)
        assert len(scene.frames) == 3


def test_a_large_crossing_graph_holds_its_boxes():
    links = [(i // 2, i) for i in range(1, 80)]
    assert_boxes_hold_their_members(scene_of([set("AB"[i % 2 : 1 + i % 3]) for i in range(80)], links))


@pytest.mark.slow
def test_a_picture_is_the_same_each_time():
    family = [{"A"}, {"B"}, {"A", "B"}, {"C"}, {"B", "C"}], [(0, 2), (1, 2), (3, 4)]
    assert scene_of(*family) == scene_of(*family)
