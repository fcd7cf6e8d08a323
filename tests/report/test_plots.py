import itertools
import subprocess
import sys
import warnings

import matplotlib as mpl
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

from probdl.errors import SiteNotFound
from probdl.inference.result import Result
from probdl.program.datatree import tree
from probdl.program.model import Model
from probdl.program.sites import Site, SiteKind
from probdl.report.panels import most_telling, select, share
from probdl.report.plots import pair_plot, plot, posterior_plot, rank_plot, trace_plot

FUNCTIONS = [plot, posterior_plot, trace_plot, rank_plot, pair_plot]


def schools(y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, 10), obs=y)


def result_of(values, model=None, diverging=None, plates=("school",)):
    sites = {
        name: Site(name, SiteKind.LATENT, v.shape[2:], plates=plates, axes=(("school", 0),) * (v.ndim == 3))
        for name, v in values.items()
    }
    groups = {"posterior": values}
    if diverging is not None:
        groups["sample_stats"] = {"diverging": diverging}
    return Result(tree(groups, sites), model=model)


def eight_schools(*, num_chains=2, num_draws=100, with_model=True):
    rng = np.random.default_rng(0)
    size = (num_chains, num_draws)
    values = {
        "mu": rng.normal(4, 3, size),
        "tau": np.exp(rng.normal(0, 2, size)),
        "theta": rng.normal(4, 5, (*size, 8)),
    }
    diverging = rng.random(size) < 0.1
    return result_of(values, Model(schools, np.zeros(8)) if with_model else None, diverging)


def texts(figure):
    return " ".join(text.get_text() for text in figure.texts)


@pytest.fixture(scope="module")
def overview():
    return plot(eight_schools())


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_plot_leaves_matplotlib_as_it_was(function):
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    assert function(eight_schools())._repr_png_().startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_it_saves_itself_and_makes_the_folder(overview, tmp_path, suffix, start):
    path = overview.savefig(tmp_path / "new" / f"posterior.{suffix}")
    assert path.read_bytes().startswith(start)


def test_another_suffix_is_refused(overview, tmp_path):
    with pytest.raises(
        ValueError, match=r"Expected a file name ending in .png, .pdf or .svg; got 'a.jpg'. Wri"
    ):
        overview.savefig(tmp_path / "a.jpg")


def test_the_overview_has_a_row_a_number_and_the_pairs(overview):
    assert len(overview.figure.axes) == 3 * 10 + 6
    assert "over prior" in texts(overview.figure)
    assert "transitions diverged" in texts(overview.figure)


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS)
def test_texts_do_not_overlap_and_are_inside_the_figure(function):
    figure = function(eight_schools()).figure
    figure.canvas.draw()
    page = figure.bbox
    boxes = [text.get_window_extent() for text in figure.texts if text.get_text()]
    assert [(a, b) for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)] == []
    assert [box for box in boxes if box.x0 < page.x0 or page.x1 < box.x1] == []
    assert [box for box in boxes if box.y0 < page.y0 or page.y1 < box.y1] == []


def test_the_prior_is_drawn_behind_the_posterior():
    with_prior = posterior_plot(eight_schools(), sites=["mu"]).figure.axes[0]
    without = posterior_plot(eight_schools(with_model=False), sites=["mu"]).figure
    assert len(with_prior.lines) == len(without.axes[0].lines) + 1
    assert "No prior: a loaded result does not hold its model." in texts(without)


def test_a_prior_that_cannot_be_drawn_is_said():
    def flat():
        numpyro.sample("mu", dist.ImproperUniform(dist.constraints.real, (), ()))

    rng = np.random.default_rng(0)
    figure = posterior_plot(result_of({"mu": rng.normal(size=(2, 50))}, Model(flat), plates=())).figure
    assert "No prior: it cannot be drawn" in texts(figure)


def test_small_sites_come_whole_and_the_rest_is_shared():
    assert share({"a": 1, "b": 100, "c": 100}, 7) == {"a": 1, "b": 3, "c": 3}
    assert share({"a": 30}, 5) == {"a": 5}
    assert share({"a": 3, "b": 4}, 12) == {"a": 3, "b": 4}
    assert sum(share({f"s{i}": 1 for i in range(20)}, 12).values()) == 12


def test_what_is_left_out_is_said():
    rng = np.random.default_rng(0)
    selection = select(result_of({"x": rng.normal(size=(2, 50, 100))}), None, 12)
    assert [panel.name for panel in selection.panels][::11] == ["x[0]", "x[99]"]
    assert selection.note == "Not shown: x (88 of 100)."


def test_pairs_are_those_that_depend_on_each_other():
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=(2, 500)) for name in "abcdef"}
    values["e"] = values["b"] + 0.1 * values["e"]
    values["f"] = np.exp(values["c"]) * values["f"]
    kept = most_telling(select(result_of(values, plates=()), None, 12), 4)
    assert {"b", "e"} <= {panel.name for panel in kept.panels}


def test_an_element_is_told_from_a_site_of_the_same_letters():
    rng = np.random.default_rng(0)
    values = {"x_0": rng.normal(size=(2, 50)), "x": rng.normal(size=(2, 50, 2))}
    titles = [panel.title for panel in select(result_of(values), None, 12).panels]
    assert len(set(titles)) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["net/l1.kernel", "$x$", "<b>", "日本語", "a very long name of a site", "per%cent"]
)
def test_any_name_can_be_drawn(name):
    rng = np.random.default_rng(0)
    result = result_of({name: rng.normal(size=(2, 50)), "b": rng.normal(size=(2, 50))}, plates=())
    assert plot(result)._repr_png_()


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize(
    "draws",
    [
        np.ones((2, 50)),
        np.full((2, 50), np.nan),
        np.where(np.arange(100).reshape(2, 50) % 7 == 0, np.inf, np.arange(100.0).reshape(2, 50)),
        np.random.default_rng(0).integers(0, 4, (2, 50)),
        np.random.default_rng(0).random((2, 50)) < 0.3,
        np.random.default_rng(0).normal(size=(1, 50)),
        np.random.default_rng(0).normal(size=(2, 3)),
        np.random.default_rng(0).normal(size=(1, 1)),
        np.random.default_rng(0).normal(size=(10, 20)),
        np.random.default_rng(0).normal(size=(2, 50)) * 1e-12 + 1e6,
    ],
    ids=[
        "constant",
        "nan",
        "infinite",
        "count",
        "truth",
        "one_chain",
        "three_draws",
        "one_draw",
        "ten_chains",
        "far",
    ],
)
def test_odd_draws_are_drawn_in_silence(draws):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = np.random.default_rng(1).normal(size=draws.shape)
        assert plot(result_of({"a": draws, "b": other}, plates=()))._repr_png_()


def test_many_draws_are_thinned():
    long = plot(eight_schools(num_draws=30_000, with_model=False), sites=["mu"])
    trace = long.figure.axes[1]
    assert all(len(line.get_xdata()) <= 2000 for line in trace.lines)


def test_it_names_what_is_wrong():
    result = eight_schools(with_model=False)
    with pytest.raises(
        TypeError, match=r"Expected a Result; got dict. Pass what infer\(model, key=0\) returned."
    ):
        plot({})
    with pytest.raises(
        TypeError, match=r"Expected names of sites; got the string 'mu'. Write sites=\['mu'\]."
    ):
        plot(result, sites="mu")
    with pytest.raises(SiteNotFound, match="thet"):
        plot(result, sites=["thet"])
    with pytest.raises(ValueError, match="Expected something to picture; got 0 sites"):
        plot(result, sites=[])
    with pytest.raises(ValueError, match="Expected two numbers or more to pair; got 1"):
        pair_plot(result, sites=["mu"])


def test_importing_it_loads_neither_matplotlib_nor_arviz():
    code = (
        "import sys, probdl.report.plots; print({'matplotlib', 'arviz_plots', 'xarray'} & set(sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
    )
