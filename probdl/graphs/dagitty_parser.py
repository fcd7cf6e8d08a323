"""A parser of the language of dagitty."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from probdl.graphs.source import without_comments

if TYPE_CHECKING:
    import networkx as nx

ROLES = {
    "exposure": ("exposure", "e", "source"),
    "outcome": ("outcome", "o", "target"),
    "adjusted": ("adjusted", "a"),
    "latent": ("latent", "l", "unobserved", "u"),
    "selected": ("selected", "s"),
}
ROLE_OF = {word: role for role, words in ROLES.items() for word in words}
RESERVED = ("graph", "node")
TOKEN = re.compile(
    r"\s*(?:(?P<edge>@->|<-@|<->|->|<-|--@|--|@-@|@--)"
    r'|"(?P<text>(?:[^"\\\x00-\x1f\x7f]|\\"|\\)*+)"'
    r"|(?P<word>-?[\w.]+)"
    r"|(?P<mark>[{}\[\]=,;]))"
)


def parse_dagitty(text: str) -> nx.DiGraph:
    """Parse a DAG in the language of dagitty.

    A bidirected edge `a <-> b` stands for an unobserved common cause: it becomes a <- L1 -> b with a latent
    node of a new name, as dagitty's own `canonicalize` makes it, which carries the attributes of the edge.

    Args:
        text: The text, `dag { ... }`.

    Returns:
        A graph. Nodes have those of the attributes `exposure`, `outcome`, `adjusted`, `latent` and `selected`
        that are true of them; nodes and edges have `pos` as two numbers, and other attributes as text.

    Raises:
        ValueError: If the text is not in the language or has edges of other graphs; the message gives the
            line.
    """
    return _Parser(text).graph()


class _Token(NamedTuple):
    kind: str
    value: str
    place: int

    @property
    def is_name(self) -> bool:
        return self.kind in ("word", "text")

    def __str__(self) -> str:
        return f"'{self.value}'" if self.kind != "end" else "the end of the text"


class _Parser:
    """Reads statements from left to right."""

    def __init__(self, text: str) -> None:
        import networkx as nx

        self.text = without_comments(text, "//|#")
        self.tokens = self._split()
        self.at = 0
        self.made: nx.DiGraph = nx.DiGraph()
        self.bidirected: list[tuple[str, str, dict[str, Any]]] = []

    def _split(self) -> list[_Token]:
        tokens, place, end = [], 0, len(self.text.rstrip())
        while place < end:
            found = TOKEN.match(self.text, place)
            if found is None:
                start = place + len(self.text[place:]) - len(self.text[place:].lstrip())
                self._fail("dagitty's language", f"'{self.text[start : start + 10].split()[0]}'", start)
            kind = str(found.lastgroup)
            value = found[kind].replace('\\"', '"') if kind == "text" else found[kind]
            tokens.append(_Token(kind, value, found.start(kind)))
            place = found.end()
        return [*tokens, _Token("end", "", end)]

    def graph(self) -> nx.DiGraph:
        if self.next.value.lower() != "dag":
            self._fail("'dag'", str(self.next), self.next.place, "Other types of graphs are no DAGs")
        self.at += 1
        self.at += self.next.is_name
        self._take("{")
        self._statements()
        if self.next.kind != "end":
            self._fail("the end of the text", str(self.next), self.next.place)
        names = (name for n in itertools.count(1) if (name := f"L{n}") not in self.made)
        for left, right, attributes in self.bidirected:
            latent = next(names)
            self.made.add_node(latent)
            self.made.nodes[latent].update(attributes | {"latent": True})
            self.made.add_edges_from([(latent, left), (latent, right)])
        return self.made

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def _is(self, mark: str) -> bool:
        return self.next.kind == "mark" and self.next.value == mark

    def _take(self, mark: str) -> None:
        if not self._is(mark):
            self._fail(f"'{mark}'", str(self.next), self.next.place)
        self.at += 1

    def _statements(self) -> list[str]:
        """Read up to the closing brace; return the nodes that were named."""
        nodes: dict[str, None] = {}
        while not self._is("}"):
            if self._is(";"):
                self.at += 1
            else:
                nodes |= dict.fromkeys(self._statement())
        self.at += 1
        return list(nodes)

    def _statement(self) -> list[str]:
        start, is_group = self.next, self._is("{")
        if start.is_name and self.tokens[self.at + 1][:2] == ("mark", "="):
            self.at += 2
            self.made.graph[start.value] = self._name().value
            return []
        nodes = group = self._group()
        edges = []
        while self.next.kind == "edge":
            edge, left = self.next, group
            self.at += 1
            group = self._group()
            nodes = [*nodes, *group]
            edges += [(edge, a, b) for a in left for b in group]
        if edges:
            attributes = self._attributes()
            for edge, a, b in edges:
                self._connect(edge, a, b, attributes)
        elif not is_group:
            found = self._attributes()
            roles = {ROLE_OF[key]: True for key in found if key in ROLE_OF}
            others = {key: value for key, value in found.items() if key not in ROLE_OF}
            self.made.nodes[nodes[0]].update(roles | others)
        return nodes

    def _connect(self, edge: _Token, a: str, b: str, attributes: dict[str, Any]) -> None:
        if edge.value == "<->":
            self.bidirected.append((a, b, attributes))
        elif edge.value in ("->", "<-"):
            ends = (a, b) if edge.value == "->" else (b, a)
            self.made.add_edge(*ends)
            self.made.edges[ends].update(attributes)
        else:
            self._fail(
                "edges ->, <- or <-> of a DAG", f"'{a} {edge.value} {b}'", edge.place, "Direct the edge"
            )

    def _group(self) -> list[str]:
        if self._is("{"):
            self.at += 1
            return self._statements()
        name = self._name()
        if name.value in RESERVED:
            self._fail("a name that dagitty allows", str(name), name.place, "Rename it")
        self.made.add_node(name.value)
        return [name.value]

    def _name(self) -> _Token:
        name = self.next
        if not name.is_name:
            self._fail("a name", str(name), name.place)
        self.at += 1
        return name

    def _attributes(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if not self._is("["):
            return found
        self.at += 1
        while not self._is("]"):
            key, value = self._name(), None
            if self._is("="):
                self.at += 1
                value = self._name()
            found[key.value] = True if value is None else value.value
            if key.value == "pos":
                found["pos"] = self._position(value or key)
            self.at += self._is(",") or self._is(";")
        self.at += 1
        return found

    def _position(self, token: _Token) -> tuple[float, float]:
        try:
            x, y = map(float, token.value.split(","))
        except ValueError:
            self._fail("a position of two numbers", str(token), token.place, 'Write it as pos="1,2"')
        return x, y

    def _fail(self, expected: str, got: str, place: int, remedy: str = "Correct the text there") -> NoReturn:
        line = self.text.count("\n", 0, place) + 1
        raise ValueError(f"Expected {expected} on line {line}; got {got}. {remedy}.")
