"""The commands that ask the graph of a model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probdl.cli.model_file import bound_model, load

if TYPE_CHECKING:
    import networkx as nx


def separation(options: argparse.Namespace) -> None:
    """Print whether two sets of nodes are d-separated, and if not, why.

    Args:
        options: The words: `model`, `x`, `y`, `given`.
    """
    import probdl as pdl

    graph, given = _graph_of(options), _names(options.given)
    statement = pdl.Independence(_names(options.x), _names(options.y), given)
    path = pdl.active_path(graph, statement.x, statement.y, given)
    if path is None:
        print(f"{statement}\nd-separated: every path is blocked.")
    else:
        print(f"not ({statement})\nd-connected, for example along\n{path}")
        separator = pdl.minimal_separator(graph, statement.x, statement.y)
        if separator is not None:
            print(f"Separated given {', '.join(_sorted(separator)) or 'nothing'}.")


def blanket(options: argparse.Namespace) -> None:
    """Print the Markov blanket of a node, in its parts.

    Args:
        options: The words: `model`, `x`.
    """
    import probdl as pdl

    graph, x = _graph_of(options), _names(options.x)
    parents, children = pdl.parents(graph, x), pdl.children(graph, x)
    for title, found in (
        ("Markov blanket", pdl.markov_blanket(graph, x)),
        ("parents", parents),
        ("children", children),
        ("co-parents", pdl.co_parents(graph, x)),
    ):
        print(f"{title}: {', '.join(_sorted(found)) or 'none'}")


def independencies(options: argparse.Namespace) -> None:
    """Print the independencies that the graph of a model implies.

    Args:
        options: The words: `model`, `kind`, `most`.
    """
    import probdl as pdl

    statements = pdl.independencies(_graph_of(options), options.kind)
    for statement in islice(statements, options.most):
        print(statement)
    if next(statements, None) is not None:
        print(f"... and more: these are the first {options.most}. --most says how many to print.")


def explore(options: argparse.Namespace) -> None:
    """Write the page on which the graph of a model answers questions.

    Args:
        options: The words: `model`, `out`, `given`, `source`.
    """
    import probdl as pdl

    out = options.out or Path(f"{options.model.stem}.html")
    page = pdl.explore(_graph_of(options), given=_names(options.given), source=options.source)
    print(f"Written: {page.save(out)}")


def _graph_of(options: argparse.Namespace) -> nx.DiGraph:
    import probdl as pdl

    if options.model.suffix == ".py":
        return pdl.graph(bound_model(load(options.model), options.model))
    return pdl.graph_from(options.model)


def _names(words: str | Sequence[str]) -> tuple[str, ...]:
    """Split at commas, but not at those of an index."""
    names, depth = [""], 0
    for letter in words if isinstance(words, str) else ",".join(words):
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            names.append("")
        else:
            names[-1] += letter
    return tuple(name.strip() for name in names if name.strip())


def _sorted(names: Any) -> list[str]:
    return sorted(map(str, names))
