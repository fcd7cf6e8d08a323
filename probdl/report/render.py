"""Where the picture comes from: `dot`, else `graphviz-pure`, else nowhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from probdl.report.diagram import Diagram
from probdl.report.dot import dot_source, read_layout
from probdl.report.legend import with_legend
from probdl.report.scene import Scene
from probdl.report.spacing import lay_out

TIMEOUT_SECONDS = 60.0


class NoRenderer(RuntimeError):
    """Neither `dot` nor `graphviz-pure` can be run.

    Example:
        >>> print(NoRenderer())
        Expected Graphviz for a picture; got neither `dot` nor `graphviz-pure`. Run `uv pip install \
graphviz-pure`, or print the drawing as text.
    """

    def __init__(self) -> None:
        """Say what is missing and how to get it."""
        super().__init__(
            "Expected Graphviz for a picture; got neither `dot` nor `graphviz-pure`. "
            "Run `uv pip install graphviz-pure`, or print the drawing as text."
        )


def arrange(diagram: Diagram) -> Scene:
    """Give everything in a diagram its place.

    Args:
        diagram: What to draw.

    Returns:
        The scene.

    Raises:
        NoRenderer: If there is no Graphviz.
        RuntimeError: If Graphviz fails.
    """
    has_dot, pure = shutil.which("dot") is not None, pure_program()
    if not has_dot and pure is None:
        raise NoRenderer
    if not diagram.is_nested:
        return with_legend(lay_out(diagram))
    source = dot_source(diagram)
    layout = _by_dot(source) if has_dot else _by_pure(source, str(pure))
    return with_legend(read_layout(diagram, json.loads(layout, strict=False)))


def pure_program() -> str | None:
    """Return where the command of `graphviz-pure` is.

    Returns:
        Its path, in this environment or on PATH, or None where it is not installed.
    """
    folders = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    found = (shutil.which("graphviz-pure", path=folder) for folder in (*folders, None))
    return next((path for path in found if path), None)


def _by_dot(source: str) -> bytes:
    import graphviz

    return graphviz.pipe("dot", "json0", source.encode(), quiet=True)


def _by_pure(source: str, program: str) -> bytes:
    done = subprocess.run(
        [program, "-Tjson0"], input=source.encode(), capture_output=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if done.returncode != 0 or not done.stdout:
        raise RuntimeError(
            f"Expected a layout from graphviz-pure; got status {done.returncode}. "
            f"{done.stderr.decode(errors='replace').strip()}"
        )
    return done.stdout
