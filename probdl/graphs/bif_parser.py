"""A parser of BIF, the interchange format for Bayesian networks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from probdl.errors import did_you_mean
from probdl.graphs.source import without_comments
from probdl.program.bayesian_network import BayesianNetwork, check_rows

WORD = r'"[^"\n]*"|[^\s{}()\[\];,|"]+'
TOKEN = re.compile(rf"(?:{WORD})|[{{}}()\[\];,|\"]")
NAME = re.compile(WORD)
NAMES = re.compile(rf"(?:\s|{WORD}|[,|])*")
NUMBERS = re.compile(r"[^;{}()\"]*")
PROPERTY = re.compile(r'(?:[^;"]|"[^"\n]*")*')
BLANK = re.compile(r"\s*")


def parse_bif(text: str) -> BayesianNetwork:
    """Parse BIF.

    Blocks `network`, `variable` and `probability` are read, properties are skipped. Values after `table` are
    those of the variable's own states one after the other, each with the last parent's state running
    fastest.

    Args:
        text: The text.

    Returns:
        The network; names and states as written, without quotes.

    Raises:
        CyclicGraph: If a variable is among its own ancestors.
        ValueError: If the text is no BIF or the network is none; the message gives the line.
    """
    return _Parser(text).network()


class _Parser:
    """Reads blocks from left to right; `at` is the place it has come to."""

    def __init__(self, text: str) -> None:
        self.text, self.at = without_comments(text, "//"), 0
        self.states: dict[str, tuple[str, ...]] = {}
        self.code: dict[str, dict[str, int]] = {}
        self.parents: dict[str, tuple[str, ...]] = {}
        self.tables: dict[str, np.ndarray] = {}

    def network(self) -> BayesianNetwork:
        self.take("network")
        self.names("{")
        self.properties()
        while (block := self.peek()) != "":
            self.take("variable", "probability")
            (self.variable if block == "variable" else self.probability)()
        missing = [name for name in self.states if name not in self.tables]
        if missing or not self.states:
            what = f"a probability block of '{missing[0]}'" if missing else "variables"
            self.fail(what, "none", f"Add {'it' if missing else 'them'}")
        parents = {name: self.parents[name] for name in self.states}
        return BayesianNetwork(self.states, parents, self.tables)

    def variable(self) -> None:
        start = self.skip()
        name = self.name()
        if name in self.states:
            self.fail(f"one block of variable '{name}'", "another", "Remove one", start)
        self.take("{")
        while self.peek() == "property":
            self.property()
        self.take("type")
        self.take("discrete")
        self.take("[")
        count = self.name()
        self.take("]")
        self.take("{")
        states = self.names("}")
        self.take(";")
        if count != str(len(states)) or not states:
            self.fail(
                f"as many states of '{name}' as its type says, {count}",
                str(len(states)),
                "Correct one",
                start,
            )
        self.properties()
        self.states[name] = tuple(states)
        self.code[name] = {state: i for i, state in enumerate(states)}
        if len(self.code[name]) < len(states):
            self.fail(f"different states of '{name}'", ", ".join(states), "Rename one", start)

    def probability(self) -> None:
        start = self.skip()
        self.take("(")
        names = self.names(")")
        for name in names:
            if name not in self.states:
                self.fail("a variable declared above", f"'{name}'", did_you_mean(name, self.states), start)
        if not names or len(set(names)) < len(names):
            self.fail(
                "a variable and its parents, all different", f"({', '.join(names)})", "Correct it", start
            )
        child, *parents = names
        if child in self.tables:
            self.fail(f"one probability block of '{child}'", "another", "Remove one", start)
        self.take("{")
        self.parents[child] = tuple(parents)
        self.tables[child] = self.rows(child, parents, start)

    def rows(self, child: str, parents: Sequence[str], start: int) -> np.ndarray:
        shape = tuple(len(self.states[name]) for name in (*parents, child))
        table, places = np.zeros(shape), np.full(shape[:-1], -1)
        default: tuple[list[float], int] | None = None
        while (kind := self.peek()) != "}":
            place = self.skip()
            if kind == "property":
                self.property()
                continue
            self.take("(", "table", "default")
            index = self.row_index(parents, place) if kind == "(" else ()
            if kind == "default" and default is None:
                default = self.numbers(shape[-1], place), place
            elif kind == "default" or (places[index] >= 0).any():
                self.fail(f"one row each of '{child}'", f"{kind} once more", "Remove one", place)
            elif kind == "table":
                flat = np.reshape(self.numbers(table.size, place), (shape[-1], *shape[:-1]))
                table[...], places[...] = np.moveaxis(flat, 0, -1), place
            else:
                table[index], places[index] = self.numbers(shape[-1], place), place
        self.take("}")
        if default is not None:
            table[places < 0], places[places < 0] = default
        if (places < 0).any():
            labels = self.labels(parents, np.argwhere(places < 0)[0])
            self.fail(f"a row of '{child}' for ({labels})", "none", "Add it, or a default", start)

        def where(index: tuple[int, ...]) -> str:
            given = f" given ({self.labels(parents, index)})" if parents else ""
            return f"{given} on line {self.line(int(places[index]))}"

        check_rows(child, table, where, "Correct that row.")
        return table

    def labels(self, parents: Sequence[str], index: Sequence[int] | np.ndarray) -> str:
        return ", ".join(self.states[parent][i] for parent, i in zip(parents, index, strict=True))

    def row_index(self, parents: Sequence[str], place: int) -> tuple[int, ...]:
        labels = self.names(")")
        if len(labels) != len(parents):
            self.fail(
                f"a state of each of ({', '.join(parents)})", f"({', '.join(labels)})", "Correct it", place
            )
        for parent, label in zip(parents, labels, strict=True):
            if label not in self.code[parent]:
                self.fail(
                    f"a state of '{parent}'", f"'{label}'", did_you_mean(label, self.code[parent]), place
                )
        return tuple(self.code[parent][label] for parent, label in zip(parents, labels, strict=True))

    def numbers(self, count: int, place: int) -> list[float]:
        written = self.match(NUMBERS)
        try:
            values = [float(part) for part in (written.split(",") if "," in written else written.split())]
        except ValueError:
            self.fail("numbers", f"'{written.strip()}'", "Separate them with commas, end with ';'", place)
        if len(values) != count:
            self.fail(f"{count} numbers", str(len(values)), "Give one a state", place)
        self.take(";")
        return values

    def properties(self) -> None:
        while self.peek() == "property":
            self.property()
        self.take("}")

    def property(self) -> None:
        self.match(PROPERTY)
        self.take(";")

    def skip(self) -> int:
        self.match(BLANK)
        return self.at

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        self.at = self.at if found is None else found.end()
        return "" if found is None else found[0]

    def peek(self) -> str:
        found = TOKEN.match(self.text, self.skip())
        return "" if found is None else found[0]

    def take(self, *wanted: str) -> None:
        token = self.peek()
        if token not in wanted:
            self.fail(
                " or ".join(f"'{word}'" for word in wanted), f"'{token}'" if token else "the end of the text"
            )
        self.at += len(token)

    def name(self) -> str:
        token = self.peek()
        if not NAME.fullmatch(token):
            self.fail("a name", f"'{token}'" if token else "the end of the text")
        self.at += len(token)
        return token.strip('"')

    def names(self, end: str) -> list[str]:
        found = [name.strip('"') for name in NAME.findall(self.match(NAMES))]
        self.take(end)
        return found

    def line(self, place: int) -> int:
        return self.text.count("\n", 0, place) + 1

    def fail(
        self, expected: str, got: str, remedy: str = "Correct the BIF there", at: int | None = None
    ) -> NoReturn:
        line = self.line(self.at if at is None else at)
        end = "" if remedy.endswith(("?", ".")) else "."
        raise ValueError(f"Expected {expected} on line {line}; got {got}. {remedy}{end}")
