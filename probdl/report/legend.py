"""The line below a picture that says what its colours stand for."""

from __future__ import annotations

from dataclasses import replace

from probdl.program.sites import SiteKind
from probdl.report.diagram import Diagram, Mark
from probdl.report.labels import Label, Run, line_width
from probdl.report.roles import Role, Trail
from probdl.report.scene import MARGIN, Key, Point, Scene, shifted

TEXT_SIZE = 11.0
SAMPLE = 12.0
REACH = 13.0
SPACE = 12.0
ROW = 23.0
LEAST_WIDTH = 262.0
GAP = 6.0
ROLES = (Role.SOURCE, Role.CONNECTED, Role.SEPARATED, Role.GIVEN)


def with_legend(scene: Scene) -> Scene:
    """Write below a picture what its colours stand for, where it answers a question.

    Args:
        scene: The picture.

    Returns:
        The picture with its legend; it is wider only if it was narrower than one entry.
    """
    entries = _entries(scene.diagram)
    if not entries:
        return scene
    widths = [2.0 * REACH + line_width((Run(text),), TEXT_SIZE) + SPACE for _, text in entries]
    room = max(scene.width, LEAST_WIDTH) - 2.0 * MARGIN + SPACE
    if sum(widths) > room:
        widths = [max(widths)] * len(entries)
    columns = next((n for n in range(len(entries), 1, -1) if sum(widths[:n]) <= room), 1)
    width = max(scene.width, sum(widths[:columns]) - SPACE + 2.0 * MARGIN)
    left = (width - sum(widths[:columns]) + SPACE) / 2.0 + REACH
    keys = []
    for i, (sample, text) in enumerate(entries):
        row, column = divmod(i, columns)
        at = Point(left + sum(widths[:column]), scene.height + GAP + (row + 0.5) * ROW)
        keys.append(Key(sample, at, text))
    moved = shifted(scene, (width - scene.width) / 2.0, 0.0)
    return replace(moved, width=width, height=keys[-1].at.y + 0.5 * ROW + MARGIN / 2.0, legend=tuple(keys))


def text_at(key: Key) -> Point:
    """Return where the text of an entry begins.

    Args:
        key: The entry.

    Returns:
        A point of the base line.
    """
    return Point(key.at.x + REACH + 1.0, key.at.y + 0.34 * TEXT_SIZE)


def _entries(diagram: Diagram) -> list[tuple[Mark | Trail, str]]:
    marks, trails = diagram.marks, {link.trail for link in diagram.links}
    roles = {mark.role for mark in marks}
    entries: list[tuple[Mark | Trail, str]] = [
        (_sample(role, is_ringed=role is Role.SOURCE), role.value) for role in ROLES if role in roles
    ]
    ringed = {mark.role for mark in marks if mark.is_ringed}
    for role, text in ((Role.CONNECTED, "asked about"), (Role.SEPARATED, "asked about")):
        entries += [(_sample(role, is_ringed=True), text)] if role in ringed else []
    entries += [(_sample(Role.GIVEN, is_ringed=True), "separates")] if Role.GIVEN in ringed else []
    if any(mark.is_in_blanket for mark in marks):
        entries.append((_sample(Role.PLAIN, is_in_blanket=True), "Markov blanket"))
    entries += [(trail, trail.value) for trail in (Trail.OPEN, Trail.PATH) if trail in trails]
    return entries


def _sample(role: Role, *, is_ringed: bool = False, is_in_blanket: bool = False) -> Mark:
    size = SAMPLE - (3.0 if is_ringed else 4.0 if is_in_blanket else 0.0)
    look = (role, is_ringed, is_in_blanket)
    return Mark(None, SiteKind.LATENT, Label(()), "", TEXT_SIZE, size, size, *look)
