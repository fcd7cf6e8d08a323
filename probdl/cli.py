"""The command line: run a model, draw its graph, list the models of a folder."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probdl.inference.method import Method
    from probdl.program.model import Model

COUNTS = ("num_samples", "num_warmup", "num_chains")


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
    except (ValueError, TypeError, KeyError, OSError, ArithmeticError) as error:
        print(f"probdl: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="probdl", description="Graphs, questions and inference for ordinary NumPyro programs."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="infer a model; print and write graph, summary and pictures")
    run.add_argument("model", type=Path, metavar="MODEL.py", help="a file with `model()`")
    run.add_argument("--method", help="method of inference, such as NUTS; else the file's METHOD, or NUTS")
    run.add_argument("--key", type=int, default=0, help="seed of the random numbers (default 0)")
    run.add_argument("--out", type=Path, help="folder for the results (default runs/MODEL)")
    for count in COUNTS:
        what = count.removeprefix("num_")
        run.add_argument(f"--num-{what}", type=int, help=f"number of {what} (the method's if not given)")
    run.set_defaults(command=_run)

    graph = commands.add_parser("graph", help="read and draw the graph of a model")
    graph.add_argument("model", type=Path, metavar="MODEL.py", help="a file with `model()`")
    graph.add_argument("-o", "--out", type=Path, help="picture to write: .svg, .png, .pdf or .dot")
    graph.add_argument("--distributions", action="store_true", help="label the sites with distributions")
    graph.set_defaults(command=_graph)

    models = commands.add_parser("models", help="list the models of a folder")
    models.add_argument("folder", type=Path, nargs="?", default=Path("models"), help="default models/")
    models.set_defaults(command=_models)
    return parser


def _run(options: argparse.Namespace) -> None:
    import probdl as pdl

    module = load(options.model)
    model, method = bound_model(module, options.model), _method(module, options)
    out = options.out or Path("runs") / options.model.stem
    out.mkdir(parents=True, exist_ok=True)

    drawing = pdl.draw(pdl.graph(model))
    print(drawing.text, end="\n\n")
    print(f"Inferred with {method} from key {options.key}.", flush=True)
    result = pdl.infer(model, method, key=options.key)
    result.save(out / "result.nc", overwrite=True)
    print(result.summary(), end="\n\n")
    written = [out / "result.nc"]
    for name, picture in (("graph.svg", drawing.save), ("posterior.png", pdl.plot(result).savefig)):
        try:
            picture(out / name)
            written.append(out / name)
        except RuntimeError as error:
            print(f"probdl: {name} could not be drawn: {error}", file=sys.stderr)
    print(f"Written: {', '.join(map(str, written))}")


def _graph(options: argparse.Namespace) -> None:
    import probdl as pdl

    model = bound_model(load(options.model), options.model)
    drawing = pdl.draw(pdl.graph(model), distributions=options.distributions)
    print(drawing.text)
    if options.out is not None:
        drawing.save(options.out)
        print(f"\nWritten: {options.out}")


def _models(options: argparse.Namespace) -> None:
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


def load(path: Path) -> Any:
    """Import a model file.

    Args:
        path: The file.

    Returns:
        The module.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    import importlib.util

    if not path.is_file():
        raise FileNotFoundError(f"Expected a Python file with a model; got {path}, which does not exist.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"Expected a file name ending in .py; got {path}. Rename it.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def bound_model(module: Any, path: Path) -> Model:
    """Return what the `model()` of a model file gives.

    Args:
        module: The imported file.
        path: Where it lies, for the message.

    Returns:
        The model.

    Raises:
        TypeError: If the file has no `model()`, or if that gives something else than a Model.
    """
    import probdl as pdl

    make = getattr(module, "model", None)
    if not callable(make):
        raise TypeError(
            f"Expected a function model() in {path}; got none. Add one that returns pdl.Model(program, ...)."
        )
    model = make()
    if not isinstance(model, pdl.Model):
        raise TypeError(f"Expected model() of {path} to return a pdl.Model; got {type(model).__name__}.")
    return model


def _method(module: Any, options: argparse.Namespace) -> Method:
    import dataclasses

    import probdl as pdl
    from probdl.errors import did_you_mean
    from probdl.inference.method import Method

    method = getattr(module, "METHOD", None) or pdl.NUTS()
    if options.method is not None:
        exported = {name: getattr(pdl, name) for name in pdl.__all__}
        known = {n: v for n, v in exported.items() if isinstance(v, type) and issubclass(v, Method)}
        known.pop("Method")
        if options.method not in known:
            raise ValueError(
                f"Expected a method for --method; got '{options.method}'. "
                f"{did_you_mean(options.method, known)}"
            )
        method = known[options.method]()
    given = {name: getattr(options, name) for name in COUNTS if getattr(options, name) is not None}
    return dataclasses.replace(method, **given)


if __name__ == "__main__":
    sys.exit(main())
