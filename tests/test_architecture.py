"""The rules of the house: layers, sizes, names, docstrings, dependencies."""

import ast
import importlib
import inspect
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import probdl

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "probdl"
MODULES = sorted(PACKAGE.rglob("*.py"))
LAYERS = ("errors", "distributions", "program", "neural", "graphs", "exact", "inference", "report", "cli")
MOST_LINES = 280
IMPORTED_AS = {
    "arviz": {"arviz", "arviz_base", "arviz_plots", "arviz_stats"},
    "scikit-image": {"skimage"},
    "scikit-learn": {"sklearn"},
}
COMMANDS = {"graphviz-pure": "report/render.py"}
TOOLS = {"ruff", "pyright", "pytest-xdist", "jupytext", "nbmake", "ipykernel"}


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path):
    """Yield the full names of what a file imports, wherever it does."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return LAYERS.index(part)


def name_of(path):
    return str(path.relative_to(ROOT))


CODE = [p for p in MODULES if p.parent != PACKAGE or p.stem in LAYERS]


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_imports_go_downward(path):
    for name in imports(path):
        if name.startswith("probdl."):
            part = name.split(".")[1]
            assert part in LAYERS, f"{name} is in no layer"
            assert LAYERS.index(part) <= layer(path), f"{name_of(path)} imports {name} from above"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_are_small_and_say_what_they_are(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES or path == PACKAGE / "__init__.py"
    assert ast.get_docstring(tree(path))
    assert path.stem not in {"utils", "helpers", "misc", "base", "core", "common"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_assert_no_pickle_no_numpyro_handlers_outside_the_boundary(path):
    names = set(imports(path))
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree(path)))
    assert not any(name.split(".")[0] in {"pickle", "cloudpickle", "dill"} for name in names)
    if path.is_relative_to(PACKAGE / "program"):
        return
    assert not any(name.startswith("numpyro.handlers") or name == "numpyro" for name in names)


def exported():
    body = tree(PACKAGE / "__init__.py").body
    typed = next(node for node in body if isinstance(node, ast.If))
    return {alias.name: node.module for node in typed.body for alias in node.names}


def test_exports_agree_and_resolve():
    assert exported() == probdl._EXPORTS
    assert sorted(probdl.__all__) == sorted(probdl._EXPORTS)
    for name in probdl.__all__:
        assert getattr(probdl, name).__module__ == probdl._EXPORTS[name]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = probdl.nothing


def public(module):
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        if own and not name.startswith("_") and (inspect.isclass(value) or inspect.isroutine(value)):
            yield name, value


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_public_names_have_docstrings(path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    if name == "probdl.__main__":
        return
    for label, value in public(importlib.import_module(name)):
        assert inspect.getdoc(value), f"{name}.{label}"


@pytest.mark.parametrize("name", probdl.__all__)
def test_exported_names_have_examples_or_are_plain(name):
    value = getattr(probdl, name)
    if inspect.isroutine(value):
        text = inspect.getdoc(value)
        assert ">>>" in text
        assert "Args:" in text
        assert "Returns:" in text or "Yields:" in text


def declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    strip = re.compile(r"[\[<>=~! ].*")
    groups = {"runtime": project["project"]["dependencies"], **project["dependency-groups"]}
    return {group: {strip.sub("", entry) for entry in entries} for group, entries in groups.items()}


def roots(folders):
    files = [p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))]
    return {name.split(".")[0] for path in files for name in imports(path)}


@pytest.mark.slow
def test_every_dependency_is_imported_somewhere():
    used = {"runtime": roots(["probdl"])}
    for group, names in declared().items():
        found = used.get(group, roots(["probdl", "models", "notebooks", "tests", "benchmarks"]))
        for name in names - TOOLS - set(COMMANDS):
            assert IMPORTED_AS.get(name, {name.replace("-", "_")}) & found, f"{name} ({group}) is not used"
    for name, path in COMMANDS.items():
        assert name in (PACKAGE / path).read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for tool in ("ruff", "pyright", "jupytext", "nbmake"):
        assert tool in script


@pytest.mark.slow
def test_every_import_of_the_package_is_declared():
    known = {
        part for name in declared()["runtime"] for part in IMPORTED_AS.get(name, {name.replace("-", "_")})
    }
    assert roots(["probdl"]) - set(sys.stdlib_module_names) - {"probdl"} <= known


@pytest.mark.parametrize("folder", ["models", "notebooks"])
def test_models_and_notebooks_use_public_names_alone(folder):
    for path in (ROOT / folder).glob("*.py"):
        for name in imports(path):
            assert name == "probdl" or not name.startswith("probdl"), f"{name_of(path)} imports {name}"
        used = set(re.findall(r"\bpdl\.([A-Za-z_]+)", path.read_text(encoding="utf-8")))
        assert used <= set(probdl.__all__), name_of(path)


HEAVY = ("arviz", "matplotlib", "networkx", "graphviz", "xarray", "blackjax", "zarr", "jax", "numpyro")


def loaded(statement):
    code = f"import sys\n{statement}\nprint(*(m for m in {HEAVY!r} if m in sys.modules))"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.slow
def test_heavy_packages_are_loaded_when_first_needed():
    assert loaded("import probdl") == []
    assert set(loaded("from probdl import Model, graph, draw, plot")) <= {"jax", "numpyro"}
    assert set(loaded("from probdl import infer, NUTS")) <= {"jax", "numpyro"}
    assert loaded("import probdl.cli") == []


@pytest.mark.slow
def test_processes_can_join_after_the_import():
    """JAX refuses once its devices are in use."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port = found.getsockname()[1]
    names = "infer, NUTS, HMC, Marginalized, SMC, Gibbs, SGLD, calibrate"
    join = f"import jax; jax.distributed.initialize('localhost:{port}', 1, 0); print(jax.process_count())"
    command = [sys.executable, "-c", f"from probdl import {names}; {join}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "1\n", done.stderr
