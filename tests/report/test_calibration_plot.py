"""The picture of a calibration: lines that leave the band are coloured, and all is said that is not shown."""

import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import probdl as pdl
from probdl.inference.calibration_bands import p_values
from probdl.inference.calibration_verdict import family_wise
from probdl.program.datatree import tree
from probdl.report.calibration_plot import FAILS, HOLDS, calibration_plot
from probdl.report.figure import Plot


def program(y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    with numpyro.plate("school", 3):
        numpyro.sample("theta", dist.Normal(mu, 1))
    numpyro.sample("corner", dist.LKJCholesky(2))
    numpyro.sample("y", dist.Normal(mu, 1), obs=y)


SITES = pdl.Model(program, np.array(1.0)).sites


def calibration(bent=(), *, count=200, notes=(), method=None):
    """A calibration whose ranks are uniform, but for those that are bent."""
    rng = np.random.default_rng(3)
    shapes = {"mu": (), "theta": (3,), "corner": (2, 2), "log_likelihood": ()}
    pit = {name: rng.random((count, *shape)) for name, shape in shapes.items()}
    names = ["mu", "theta[0]", "theta[1]", "theta[2]", "corner[1,0]", "corner[1,1]", "log_likelihood"]
    for name in bent:
        site, _, index = name.partition("[")
        at = (..., int(index[:-1])) if index else ...
        pit[site][at] = pit[site][at] ** 2
    truth = {name: rng.normal(size=values.shape) for name, values in pit.items() if name in SITES}
    truth["corner"][:, 0] = [1.0, 0.0]
    columns = np.concatenate(
        [pit["mu"][:, None], pit["theta"], pit["corner"][:, 1], pit["log_likelihood"][:, None]], axis=1
    )
    p = p_values(columns, 100)
    table = {"quantity": names, "mean_rank": columns.mean(0), "posterior": "", "p_value": p}
    groups = {"ranks": {n: np.floor(100 * v).astype(int) for n, v in pit.items()}, "pit": pit, "prior": truth}
    return pdl.Calibration(
        data=tree(groups, SITES, ("simulation",)),
        table=pd.DataFrame({**table, "adjusted": family_wise(p)}),
        method=method or pdl.NUTS(),
        num_draws=99,
        false_alarm_rate=0.01,
        notes=notes,
    )


def written(plot):
    return [text.get_text() for text in plot.figure.texts]


def colors(axes):
    return [to_hex(line.get_color()) for line in axes.lines[1:]]


def test_plot_draws_calibrations():
    plot = pdl.plot(calibration())
    assert isinstance(plot, Plot)
    texts = written(plot)
    assert any("passes simulation-based calibration (7 quantities, 200 simulations)" in t for t in texts)
    assert any("fails with probability 0.01 at most" in t for t in texts)
    assert [len(axes.lines) - 1 for axes in plot.figure.axes] == [1, 3, 2, 1]
    assert {color for axes in plot.figure.axes for color in colors(axes)} == {HOLDS}


def test_what_fails_leaves_the_band_and_is_coloured():
    plot = pdl.plot(calibration(["theta[1]"]))
    theta = plot.figure.axes[1]
    assert sorted(colors(theta)) == sorted([HOLDS, HOLDS, FAILS])
    bad = theta.lines[-1]
    (band,) = theta.collections
    vertices = band.get_paths()[0].vertices
    highest = vertices[:, 1].max()
    assert np.abs(bad.get_ydata()).max() > highest
    assert any("(1 of 3)" in text for text in written(plot))


def test_failing_sites_come_first_and_the_rest_is_named():
    plot = calibration_plot(calibration(["log_likelihood"], notes=("A note.",)), panels=2)
    texts = written(plot)
    assert "log-likelihood" in texts
    assert "Not shown: theta, corner." in texts
    assert "A note." in texts


def test_sites_can_be_chosen():
    plot = pdl.plot(calibration(), sites=["theta"])
    assert len(plot.figure.axes) == 1
    with pytest.raises(pdl.SiteNotFound, match="ranked in sites; got 'thta'. Did you mean 'theta'"):
        pdl.plot(calibration(), sites=["thta"])
    with pytest.raises(TypeError, match="Expected names of sites; got the string 'mu'"):
        pdl.plot(calibration(), sites="mu")
    with pytest.raises(ValueError, match="Expected sites whose values differ"):
        pdl.plot(calibration(), sites=[])


def test_all_is_inside_the_figure_and_can_be_written(tmp_path):
    long = pdl.Marginalized(pdl.NUTS(num_samples=123, num_warmup=4567, jitter=0.3), sites=("theta", "corner"))
    plot = pdl.plot(calibration(["mu"], notes=("A long note. " * 30,), method=long))
    renderer = plot.figure.canvas.get_renderer()
    width, height = plot.figure.bbox.size
    for text in plot.figure.texts:
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
    assert plot.savefig(tmp_path / "calibration.png").stat().st_size > 5000
