"""The words of the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from probdl.cli import asking, running

MODEL = "a file with `model()`"
GRAPH = "a file with `model()`, or a graph in BIF (.bif, .bif.gz), DOT or dagitty"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after `probdl`; those of the process if None.

    Returns:
        The exit status: 0 if all went well, 1 after an error, 2 if the words make no sense.
    """
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (ValueError, TypeError, LookupError, OSError, ArithmeticError) as error:
        print(f"probdl: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="probdl", description="Graphs, questions and inference for ordinary NumPyro programs."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="infer a model; print and write graph, summary and pictures")
    run.add_argument("model", type=Path, metavar="MODEL.py", help=MODEL)
    run.add_argument(
        "--method", help="method of inference, such as NUTS; else the file's METHOD, or the plan"
    )
    run.add_argument("--key", type=int, default=0, help="seed of the random numbers (default 0)")
    run.add_argument("--out", type=Path, help="folder for the results (default runs/MODEL)")
    for count in running.COUNTS:
        what = count.removeprefix("num_")
        run.add_argument(f"--num-{what}", type=int, help=f"number of {what} (the method's if not given)")
    run.set_defaults(command=running.run)

    plan = commands.add_parser("plan", help="what inference will do with a model, site by site, and why")
    plan.add_argument("model", type=Path, metavar="MODEL.py", help=MODEL)
    plan.set_defaults(command=running.print_plan)

    graph = commands.add_parser("graph", help="read and draw the graph of a model")
    graph.add_argument("model", type=Path, metavar="MODEL.py", help=MODEL)
    graph.add_argument("-o", "--out", type=Path, help="picture to write: .svg, .png, .pdf or .dot")
    graph.add_argument("--distributions", action="store_true", help="label the sites with distributions")
    graph.set_defaults(command=running.draw_graph)

    _add_questions(commands)

    models = commands.add_parser("models", help="list the models of a folder")
    models.add_argument("folder", type=Path, nargs="?", default=Path("models"), help="default models/")
    models.set_defaults(command=running.list_models)
    return parser


def _count(word: str) -> int:
    if not word.isdigit() or not int(word):
        raise argparse.ArgumentTypeError(f"expected a number above 0; got '{word}'")
    return int(word)


def _add_questions(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that ask the graph; names are nodes or elements, such as theta or 'x[3]'."""
    several = "a node or element such as theta or 'x[3]', or several with commas between them"

    dsep = commands.add_parser("dsep", help="are two nodes d-separated, and if not, why")
    dsep.add_argument("model", type=Path, metavar="MODEL", help=GRAPH)
    dsep.add_argument("x", help=several)
    dsep.add_argument("y", help=several)
    dsep.add_argument("--given", nargs="+", default=(), metavar="NODE", help="what is observed")
    dsep.set_defaults(command=asking.separation)

    blanket = commands.add_parser("blanket", help="the Markov blanket of a node")
    blanket.add_argument("model", type=Path, metavar="MODEL", help=GRAPH)
    blanket.add_argument("x", help=several)
    blanket.set_defaults(command=asking.blanket)

    independencies = commands.add_parser("independencies", help="the independencies that a graph implies")
    independencies.add_argument("model", type=Path, metavar="MODEL", help=GRAPH)
    kinds = ("local", "pairwise", "minimal")
    independencies.add_argument("--kind", choices=kinds, default="local", help="default local")
    independencies.add_argument("--most", type=_count, default=100, help="how many to print (default 100)")
    independencies.set_defaults(command=asking.independencies)

    explore = commands.add_parser("explore", help="write a page on which the graph answers questions")
    explore.add_argument("model", type=Path, metavar="MODEL", help=GRAPH)
    explore.add_argument("-o", "--out", type=Path, help="page to write (default MODEL.html)")
    explore.add_argument("--given", nargs="+", default=(), metavar="NODE", help="what is observed at first")
    explore.add_argument("--source", metavar="NODE", help="the node to ask from at first")
    explore.set_defaults(command=asking.explore)
