"""Where the draws of a run go: to memory, or to disk."""

from __future__ import annotations

from typing import Any

from probdl.inference.draws import Draws, MemoryDraws
from probdl.inference.method import Options
from probdl.inference.store import StoredDraws
from probdl.program.model import Model


def destination(model: Model, options: Options, attributes: dict[str, Any]) -> Draws:
    """Return where the draws of a run go.

    Args:
        model: The model.
        options: A folder, or memory.
        attributes: Where the run comes from; `num_samples` is how many draws will come, at most.

    Returns:
        What takes them.
    """
    if options.store is None:
        return MemoryDraws(model, options, attributes["num_samples"], attributes)
    return StoredDraws(options.store, model, options, attributes["num_samples"], attributes)
