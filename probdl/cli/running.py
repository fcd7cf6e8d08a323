"""The commands that run, draw and list models."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probdl.cli.model_file import bound_model, load

if TYPE_CHECKING:
    from probdl.inference.method import Method

COUNTS = ("num_samples", "num_warmup", "num_chains")


def run(options: argparse.Namespace) -> None:
    """Infer a model; print and write graph, summary and pictures.

    A file without a method, or with `METHOD = None`, follows the plan of its model, which is printed first.

    Args:
        options: The words: `model`, `method`, `key`, `out` and the counts.

    Raises:
        NotApplicable: If no method can infer the model; its graph is printed and written all the same.
    """
    import probdl as pdl

    module = load(options.model)
    model, method = bound_model(module, options.model), _method(module, options)
    out = options.out or Path("runs") / options.model.stem
    out.mkdir(parents=True, exist_ok=True)

    graph = pdl.graph(model)
    drawing = pdl.draw(graph)
    print(drawing.text, end="\n\n")
    if method is None:
        plan = pdl.plan(model)
        print(plan, end="\n\n")
        method = plan.method
    if method is None:
        _write({"graph.svg": drawing.save, "graph.html": pdl.explore(graph).save}, out)
    else:
        method = with_counts(method, options)
        print(f"Inferred with {method} from key {options.key}.", flush=True)
    result = pdl.infer(model, method, key=options.key)  # says why, if there is no method
    result.save(out / "result.nc", overwrite=True)
    print(result.summary())
    if result.log_evidence is not None:
        print(f"log evidence: {result.log_evidence:.3f} nats")
    print()
    pictures = {"graph.svg": drawing.save, "posterior.png": pdl.plot(result).savefig}
    _write(pictures, out, out / "result.nc")


def print_plan(options: argparse.Namespace) -> None:
    """Print what inference will do with a model, and why.

    Args:
        options: The words: `model`.
    """
    import probdl as pdl

    module = load(options.model)
    print(pdl.plan(bound_model(module, options.model)))
    method = getattr(module, "METHOD", None)
    if method is not None:
        print(f"\n{options.model.name} has a METHOD of its own, which `probdl run` follows: {method}")


def _write(pictures: Mapping[str, Callable[[Path], Any]], out: Path, *written: Path) -> None:
    """Write pictures, and say which; one that cannot be drawn is no reason to lose the others."""
    done = list(written)
    for name, write in pictures.items():
        try:
            write(out / name)
            done.append(out / name)
        except RuntimeError as error:
            print(f"probdl: {name} could not be drawn: {error}", file=sys.stderr)
    print(f"Written: {', '.join(map(str, done))}")


def draw_graph(options: argparse.Namespace) -> None:
    """Print the graph of a model, and draw it to a file.

    Args:
        options: The words: `model`, `out`, `distributions`.
    """
    import probdl as pdl

    model = bound_model(load(options.model), options.model)
    drawing = pdl.draw(pdl.graph(model), distributions=options.distributions)
    print(drawing.text)
    if options.out is not None:
        drawing.save(options.out)
        print(f"\nWritten: {options.out}")


def list_models(options: argparse.Namespace) -> None:
    """Print the models of a folder with the first line of what they say of themselves.

    Args:
        options: The words: `folder`.

    Raises:
        ValueError: If there is no such folder.
    """
    if not options.folder.is_dir():
        raise ValueError(
            f"Expected a folder of models; got {options.folder}. Name one: probdl models FOLDER."
        )
    found = []
    for path in sorted(options.folder.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "model" for node in tree.body):
            found.append((path.stem, (ast.get_docstring(tree) or "").partition("\n")[0]))
    width = max((len(name) for name, _ in found), default=0)
    for name, line in found:
        print(f"{name:<{width}}  {line}")


def with_counts(method: Method, options: argparse.Namespace) -> Method:
    """Return a method with the counts of the command line; those that it does not have change nothing.

    Args:
        method: The method; the counts of one that samples the rest of a model are those of its `inner`.
        options: The words: the counts, None where they are not given.

    Returns:
        The method with its counts.
    """
    import dataclasses

    import probdl as pdl

    if isinstance(method, pdl.Marginalized):
        return dataclasses.replace(method, inner=with_counts(method.inner, options))
    given = {name: getattr(options, name) for name in COUNTS if getattr(options, name) is not None}
    own = {field.name for field in dataclasses.fields(method)}
    return dataclasses.replace(method, **{name: count for name, count in given.items() if name in own})


def _method(module: Any, options: argparse.Namespace) -> Method | None:
    """Return the method of the words, or else that of the file; None where the plan decides."""
    import probdl as pdl
    from probdl.errors import did_you_mean
    from probdl.inference.method import Method

    if options.method is None:
        return getattr(module, "METHOD", None)
    exported = {name: getattr(pdl, name) for name in pdl.__all__}
    known = {n: v for n, v in exported.items() if isinstance(v, type) and issubclass(v, Method)}
    known.pop("Method")
    if options.method not in known:
        raise ValueError(
            f"Expected a method for --method; got '{options.method}'. {did_you_mean(options.method, known)}"
        )
    return known[options.method]()
