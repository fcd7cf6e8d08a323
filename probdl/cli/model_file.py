"""Model files: Python files with a `model()` and, optionally, a `METHOD`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probdl.program.model import Model


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
