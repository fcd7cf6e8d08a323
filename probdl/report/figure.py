"""Figures that are nobody's but the caller's: no pyplot state, no window, one look."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probdl.report.labels import Line, Run, Script, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1b1f24"
FAINT = "#79828e"
RULE = "#cdd3da"
PRIOR = "#79828e"
POSTERIOR = "#0072b2"
DIVERGENCE = "#d55e00"
CHAINS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#8c6d31", "#6a51a3", "#4d4d4d")
SUFFIXES = (".png", ".pdf", ".svg")
PIXELS_PER_INCH = 160
LOOK: dict[str, Any] = {
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": ["STIXGeneral", "DejaVu Serif", "DejaVu Sans"],
    "font.size": 11,
    "mathtext.fontset": "stix",
    "pdf.fonttype": 42,
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9.5,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 9.5,
}


@dataclass(frozen=True, eq=False)
class Plot:
    """A figure that shows itself in a notebook and saves itself to a file.

    Attributes:
        figure: The matplotlib figure; it belongs to no window and to no pyplot state.
    """

    figure: Figure

    def savefig(self, path: str | Path, *, dpi: int = PIXELS_PER_INCH) -> Path:
        """Write the figure to a file; missing folders are made.

        Args:
            path: Where to; the suffix says what: .png, .pdf or .svg.
            dpi: Pixels an inch.

        Returns:
            The path.

        Raises:
            ValueError: If the suffix is another.
        """
        path = Path(path)
        if path.suffix.lower() not in SUFFIXES:
            raise ValueError(
                f"Expected a file name ending in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}; "
                f"got '{path.name}'. Write for example '{path.stem or 'posterior'}.png'."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write(path, path.suffix.lower().removeprefix("."), dpi)
        return path

    def _repr_png_(self) -> bytes:
        """Return the figure for a notebook."""
        buffer = io.BytesIO()
        self._write(buffer, "png", PIXELS_PER_INCH)
        return buffer.getvalue()

    def __repr__(self) -> str:
        """Return what it is and how to see it."""
        panels = sum(axes.get_visible() for axes in self.figure.axes)
        return f"Plot({panels} panels; .savefig('posterior.png') writes it)"

    def _write(self, target: Any, suffix: str, dpi: int) -> None:
        with look(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.figure.savefig(target, format=suffix, dpi=dpi)


@contextmanager
def look() -> Iterator[None]:
    """Set the fonts, lines and colours of figures, for as long as the context lasts."""
    import matplotlib as mpl

    default: Any = {
        k: v for k, v in mpl.rcParamsDefault.items() if not k.startswith(("backend", "interactive"))
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mpl.MatplotlibDeprecationWarning)
        with mpl.rc_context(default | LOOK):
            yield


def blank(width: float, height: float) -> Figure:
    """Return an empty figure that can be saved without a window.

    Args:
        width: Width in inches.
        height: Height in inches.

    Returns:
        The figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=100)
    FigureCanvasAgg(figure)
    return figure


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a place in inches from the upper left corner.

    Args:
        figure: The figure.
        left: Distance from the left edge.
        top: Distance from the upper edge.
        width: Width of the axes.
        height: Height of the axes.

    Returns:
        The axes.
    """
    wide, tall = figure.get_size_inches()
    return figure.add_axes((left / wide, 1.0 - (top + height) / tall, width / wide, height / tall))


def write(figure: Figure, left: float, top: float, text: str, **look: Any) -> None:
    """Write text at a place in inches from the upper left corner.

    Args:
        figure: The figure.
        left: Distance from the left edge.
        top: Distance from the upper edge.
        text: The text.
        **look: What `Figure.text` takes.
    """
    wide, tall = figure.get_size_inches()
    figure.text(left / wide, 1.0 - top / tall, text, **look)


def calm(axes: Axes, *, x: int = 4, y: int = 0) -> None:
    """Leave few ticks on axes, and no line where there are none.

    Args:
        axes: The axes.
        x: About how many ticks along x.
        y: About how many ticks along y.
    """
    from matplotlib.ticker import MaxNLocator, NullLocator

    for axis, side, count in ((axes.xaxis, "bottom", x), (axes.yaxis, "left", y)):
        if axis.get_scale() == "linear" or not count:
            axis.set_major_locator(MaxNLocator(count, steps=[1, 2, 5, 10]) if count else NullLocator())
        axes.spines[side].set_visible(count > 0)


def mathtext(name: str) -> str:
    r"""Write a name as matplotlib typesets it: Greek letters, subscripts, words upright.

    Args:
        name: The name of a site or of one of its elements.

    Returns:
        Lines of text.

    Example:
        >>> mathtext("theta[3]"), mathtext("sunspots")
        ('$\\mathit{θ}_{\\mathrm{3}}$', 'sunspots')
    """
    return "\n".join(_line(line) for line in typeset(name).lines)


def _line(line: Line) -> str:
    if all(run.script is Script.NORMAL and not run.is_italic for run in line):
        return "".join(run.text for run in line).replace("$", r"\$")
    parts = []
    for script, runs in groupby(line, key=lambda run: run.script):
        text = "".join(_letters(run) for run in runs)
        parts.append(f"_{{{text}}}" if script is Script.SUB else text)
    return f"${''.join(parts)}$"


def _letters(run: Run) -> str:
    text = "".join(f"\\{char}" if char in "$%#&_{} " else char for char in run.text)
    return f"\\mathit{{{text}}}" if run.is_italic else f"\\mathrm{{{text}}}"
