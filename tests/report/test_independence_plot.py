"""The picture of a filter: what fails is named, in its colour; what cannot be shown is said."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from probdl.graphs.filter import COLUMNS, IndependenceReport
from probdl.graphs.independence import Independence
from probdl.report.independence_plot import FAILS, HOLDS, independence_plot


def report(p_values, notes=()):
    statements = tuple(
        Independence((f"theta[{i}]",), ("y",), tuple("abcdef")[: i % 7]) for i in range(len(p_values))
    )
    rows = [(str(s), "GTest", 100, 0.3, 1.0, p, p) for s, p in zip(statements, p_values, strict=True)]
    return IndependenceReport(pd.DataFrame(rows, columns=list(COLUMNS)), statements, 0.05, notes)


def written(plot):
    return [text.get_text() for text in plot.figure.texts]


def test_failures_are_named_first_and_coloured():
    plot = independence_plot(report([0.7, 1e-9, 0.3]))
    texts = {text.get_text(): text for text in plot.figure.texts}
    assert "1 of 3 independencies fails at level 0.05." in texts
    dots = plot.figure.axes[0].collections[1]
    assert [to_hex(color) for color in dots.get_facecolors()] == [FAILS, HOLDS, HOLDS]
    (failing,) = (text for name, text in texts.items() if "{1}" in name)
    assert failing.get_color() == FAILS
    assert "1e-09" in texts


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (4, 1), (5, 2), (300, 2)])
def test_many_statements_have_a_panel_of_ranks_and_some_names(count, panels):
    plot = independence_plot(report(np.linspace(0.01, 1.0, count), ("A note.",)))
    assert len(plot.figure.axes) == panels
    rows = [text for text in written(plot) if "perp" in text]
    assert len(rows) == min(count, 16)
    assert ("284 more are not named, of which 0 fail." in written(plot)) is False
    assert any(text.startswith("284 more are not named") for text in written(plot)) == (count == 300)
    assert "A note." in written(plot)


def test_all_is_inside_the_figure():
    long = Independence(("a_very_long_name_of_a_site_of_a_network", "y[0]"), ("b",), tuple("abcdefgh"))
    one = report([0.5, 1e-30, 0.2, 0.3, 0.4])
    plot = independence_plot(IndependenceReport(one.table, (long, *one.statements[1:]), 0.05, ("A note.",)))
    renderer = plot.figure.canvas.get_renderer()
    width, height = plot.figure.bbox.size
    for text in plot.figure.texts:
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height


def test_rows_can_be_fewer():
    texts = written(independence_plot(report([1e-9] * 8), rows=3))
    assert "5 more are not named, of which 5 fail." in texts


def test_a_report_without_statements_cannot_be_pictured():
    with pytest.raises(ValueError, match="got none. 3 statements left out"):
        independence_plot(report([], ("3 statements left out: no data of b.",)))


def test_pictures_are_written_without_a_window(tmp_path):
    before = dict(mpl.rcParams)
    path = independence_plot(report([0.0, 0.5, 0.6, 0.7, 0.8])).savefig(tmp_path / "plot.png")
    assert path.stat().st_size > 5000
    assert dict(mpl.rcParams) == before
