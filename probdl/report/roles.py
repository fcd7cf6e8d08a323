"""What the parts of a picture are to a question, and so how they are coloured."""

from __future__ import annotations

import enum
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

Edge = tuple[Hashable, Hashable]


class Role(enum.Enum):
    """What a site is to the question that a picture answers."""

    PLAIN = "not asked about"
    HIGHLIGHT = "highlighted"
    SOURCE = "asked from"
    CONNECTED = "connected"
    SEPARATED = "separated"
    GIVEN = "given"


class Trail(enum.Enum):
    """What an edge is to the question that a picture answers."""

    PLAIN = "not asked about"
    HIGHLIGHT = "highlighted"
    OPEN = "open path"
    PATH = "the path shown"


@dataclass(frozen=True)
class Colours:
    """How a picture is coloured.

    Attributes:
        roles: The roles of nodes; the others are plain.
        trails: The roles of edges (parent, child); the others are plain.
        ringed: Nodes with a ring: those asked about, and those that separate them.
        blanket: Nodes of a Markov blanket, with a dotted ring.
        notes: What is written below the name of a node.
    """

    roles: Mapping[Hashable, Role] = field(default_factory=dict)
    trails: Mapping[Edge, Trail] = field(default_factory=dict)
    ringed: frozenset[Hashable] = frozenset()
    blanket: frozenset[Hashable] = frozenset()
    notes: Mapping[Hashable, str] = field(default_factory=dict)
