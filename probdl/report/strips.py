"""What is drawn of one number: its density over its prior, its trace, its ranks. ArviZ draws; we place."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Shaped

from probdl.report.figure import CHAINS, DIVERGENCE, FAINT, POSTERIOR, PRIOR, RULE, calm
from probdl.report.panels import Panel, Selection

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

MOST_DRAWS = 2000
FEW = 30
TAIL = 0.005
RANK_LEVEL = 0.99
MARGIN = 0.6
INTERVAL = 0.89


def draw_posteriors(axes: Sequence[Axes], selection: Selection) -> None:
    """Draw the posterior density with mean and interval of each panel, and its prior behind.

    Args:
        axes: Axes, one a panel.
        selection: What is drawn.
    """
    for one, panel in zip(axes, selection.panels, strict=True):
        window = _window(panel)
        if panel.prior is not None and not panel.is_discrete:
            x, density = _density(panel.prior, *window)
            one.fill_between(x, density, color=PRIOR, alpha=0.18, linewidth=0, zorder=1)
            one.plot(x, density, color=PRIOR, linewidth=1.0, zorder=1)
        _posterior(one, panel)
        one.set_xlim(*window)
        one.set_ylim(bottom=min(0.0, one.get_ylim()[0]))
        calm(one, x=4)


def _posterior(axes: Axes, panel: Panel) -> None:
    values = panel.draws[np.isfinite(panel.draws)]
    if values.size == 0:
        axes.text(
            0.5, 0.5, "no finite draws", color=FAINT, ha="center", va="center", transform=axes.transAxes
        )
    elif panel.is_discrete or len(np.unique(values[: 10 * FEW])) < 3:
        points, counts = np.unique(values, return_counts=True)
        axes.vlines(points, 0.0, counts / counts.sum(), color=POSTERIOR, linewidth=3.0)
    else:
        _arviz(
            "plot_dist",
            [axes],
            [panel.draws if values.size == panel.draws.size else values[None]],
            kind="kde",
            ci_prob=INTERVAL,
            ci_kind="eti",
            point_estimate="mean",
            visuals={
                "dist": {"color": POSTERIOR, "width": 1.5},
                "face": {"color": POSTERIOR, "alpha": 0.25},
                "credible_interval": {"color": POSTERIOR, "width": 2.5},
                "point_estimate": {"color": POSTERIOR, "size": 28},
                "point_estimate_text": False,
                "title": False,
                "remove_axis": False,
            },
        )


def draw_traces(axes: Sequence[Axes], selection: Selection) -> None:
    """Draw the draws of each chain in order, with a rug of divergent transitions.

    Args:
        axes: Axes, one a panel.
        selection: What is drawn.
    """
    length = selection.diverging.shape[1]
    step = -(-length // MOST_DRAWS)
    at = np.arange(0, length, step)
    _arviz(
        "plot_trace",
        axes,
        [panel.draws[:, ::step].astype(float) for panel in selection.panels],
        diverging=np.logical_or.reduceat(selection.diverging, at, axis=1),
        draw=at,
        by_chain=True,
        visuals={
            "trace": {"width": 0.5, "alpha": 0.75, "rasterized": True},
            "divergence": {"color": DIVERGENCE, "size": 30, "width": 0.6},
            "title": False,
            "xlabel": False,
            "ticklabels": False,
        },
    )
    for one in axes:
        one.set_xlim(0, length)
        calm(one, x=4, y=2)


def draw_ranks(axes: Sequence[Axes], selection: Selection) -> None:
    """Draw how far the distribution of each chain's ranks is from uniform.

    The band holds 99 % of the curves of chains that agree and whose draws are independent
    (Dvoretzky-Kiefer-Wolfowitz).

    Args:
        axes: Axes, one a panel.
        selection: What is drawn.
    """
    step = -(-selection.diverging.shape[1] // MOST_DRAWS)
    kept = [i for i, panel in enumerate(selection.panels) if _is_rankable(panel)]
    if kept:
        _arviz(
            "plot_rank",
            [axes[i] for i in kept],
            [selection.panels[i].draws[:, ::step].astype(float) for i in kept],
            by_chain=True,
            visuals={
                "ecdf_lines": {"width": 1.1},
                "title": False,
                "xlabel": False,
                "remove_axis": False,
            },
        )
    band = np.sqrt(
        np.log(2.0 / (1.0 - RANK_LEVEL)) / (2.0 * len(range(0, selection.diverging.shape[1], step)))
    )
    for i, one in enumerate(axes):
        for mark in (*one.texts, *one.collections):  # marks of a test that fires on chains in good order
            mark.remove()
        reach = max((np.abs(line.get_ydata()).max() for line in one.lines), default=0.0)
        one.axhspan(-band, band, color=RULE, alpha=0.45, linewidth=0, zorder=0)
        one.set(xlim=(0.0, 1.0), ylim=(-1.15 * max(reach, 1.6 * band), 1.15 * max(reach, 1.6 * band)))
        if i not in kept:
            reason = "one chain" if len(selection.diverging) == 1 else "constant"
            one.text(0.5, 0.5, reason, color=FAINT, ha="center", va="center", transform=one.transAxes)
        calm(one, x=0)


def _is_rankable(panel: Panel) -> bool:
    several = len(panel.draws) > 1
    return several and bool(np.isfinite(panel.draws).all()) and np.ptp(panel.draws.astype(float)) > 0


def draw_pair(axes: Axes, across: Panel, up: Panel, diverging: Float[np.ndarray, "chain draw"]) -> None:
    """Draw one number against another, divergent transitions on top.

    Args:
        axes: The axes.
        across: The panel along x.
        up: The panel along y.
        diverging: Which draws end a divergent transition.
    """
    import xarray as xr
    from arviz_plots.visuals import scatter_couple

    size = float(np.clip(20000.0 / max(diverging.size, 1), 2.0, 14.0))
    for which, options in (
        (~diverging, {"color": POSTERIOR, "alpha": 0.25, "size": size}),
        (diverging, {"color": DIVERGENCE, "alpha": 0.9, "size": 10.0}),
    ):
        x, y = (xr.DataArray(panel.draws[which].astype(float)) for panel in (across, up))
        scatter_couple(x, y, axes, width=0, rasterized=True, **options)
    for panel, scale in ((across, axes.set_xscale), (up, axes.set_yscale)):
        if is_skewed(panel):
            scale("log")
    calm(axes, x=4, y=4)


def is_skewed(panel: Panel) -> bool:
    """Return whether a positive number spans so many magnitudes that a log scale shows it better."""
    if panel.is_discrete or not (np.isfinite(panel.draws) & (panel.draws > 0)).all():
        return False
    low, high = np.quantile(panel.draws, [0.01, 0.99])
    return bool(high > 30.0 * low)


def _labelled(values: Shaped[np.ndarray, "chain draw"], draw: np.ndarray | None = None) -> xr.DataArray:
    import xarray as xr

    at = np.arange(values.shape[1]) if draw is None else draw
    return xr.DataArray(values, dims=("chain", "draw"), coords={"chain": np.arange(len(values)), "draw": at})


def _arviz(
    function: str,
    axes: Sequence[Axes],
    draws: Sequence[Shaped[np.ndarray, "chain draw"]],
    *,
    diverging: np.ndarray | None = None,
    draw: np.ndarray | None = None,
    by_chain: bool = False,
    **options: Any,
) -> None:
    """Let a function of arviz-plots draw on axes of ours."""
    import arviz_plots
    import xarray as xr
    from arviz_plots.plot_collection import PlotCollection

    names = [f"v{i}" for i in range(len(axes))]
    data = xr.Dataset({name: _labelled(values, draw) for name, values in zip(names, draws, strict=True)})
    groups = {"posterior": data}
    if diverging is not None:
        groups["sample_stats"] = xr.Dataset({"diverging": _labelled(diverging, draw)})
    targets = {name: xr.DataArray(np.array(one, dtype=object)) for name, one in zip(names, axes, strict=True)}
    places = xr.DataTree.from_dict(
        {"/": xr.Dataset({"figure": np.array(axes[0].figure, dtype=object)}), "plot": xr.Dataset(targets)}
    )
    look = (
        {"aes": {"color": ["chain"], "overlay": ["chain"]}, "color": list(CHAINS)}
        if by_chain
        else {"aes": {}}
    )
    collection = PlotCollection(data, places, backend="matplotlib", **look)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(arviz_plots, function)(
            xr.DataTree.from_dict(groups), plot_collection=collection, backend="matplotlib", **options
        )


def _window(panel: Panel) -> tuple[float, float]:
    """Return what part of the axis is shown: the posterior, and some of its prior on both sides."""
    finite = panel.draws[np.isfinite(panel.draws)].astype(float)
    if finite.size == 0:
        return 0.0, 1.0
    low, high = np.quantile(finite, [TAIL, 1.0 - TAIL])
    span = high - low or abs(high) or 1.0
    before = finite if panel.prior is None else panel.prior[np.isfinite(panel.prior)].astype(float)
    least, most = np.quantile(before if before.size else finite, [TAIL, 1.0 - TAIL])
    narrow = 0.05 * span
    left = min(low - narrow, max(low - MARGIN * span, least))
    right = max(high + narrow, min(high + MARGIN * span, most))
    return (left, right) if finite.min() < 0.0 or left >= 0.0 else (min(0.0, finite.min()), right)


def _density(values: Shaped[np.ndarray, " sample"], low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a density estimate within a window, of values that may reach far beyond it."""
    from arviz_stats.base.array import array_stats

    inside = values[(values >= low) & (values <= high)].astype(float)
    share = len(inside) / max(len(values), 1)
    if len(inside) < FEW or np.ptp(inside) == 0.0:
        return np.array([low, high]), np.full(2, share / (high - low))
    x, density, _ = array_stats.kde(inside, bound_correction=True)
    return x, density * share
