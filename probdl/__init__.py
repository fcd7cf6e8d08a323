"""Graphs, questions and inference for ordinary NumPyro programs.

>>> import probdl as pdl
>>> pdl.Model.__name__
'Model'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probdl.errors import CyclicGraph, NotApplicable, SiteNotFound
    from probdl.graphs.read import graph
    from probdl.inference.infer import infer
    from probdl.inference.mcmc.hmc import HMC
    from probdl.inference.mcmc.nuts import NUTS
    from probdl.inference.method import Method
    from probdl.inference.result import Result
    from probdl.inference.status import Finding, InferenceWarning, Status
    from probdl.program.model import Model
    from probdl.program.precision import Precision
    from probdl.program.sites import Site, SiteKind
    from probdl.program.target import Target
    from probdl.report.diagram import Direction
    from probdl.report.draw import Drawing, draw
    from probdl.report.figure import Plot
    from probdl.report.plots import pair_plot, plot, posterior_plot, rank_plot, trace_plot

_EXPORTS = {
    "CyclicGraph": "probdl.errors",
    "Direction": "probdl.report.diagram",
    "Drawing": "probdl.report.draw",
    "Finding": "probdl.inference.status",
    "HMC": "probdl.inference.mcmc.hmc",
    "InferenceWarning": "probdl.inference.status",
    "Method": "probdl.inference.method",
    "Model": "probdl.program.model",
    "NUTS": "probdl.inference.mcmc.nuts",
    "NotApplicable": "probdl.errors",
    "Plot": "probdl.report.figure",
    "Precision": "probdl.program.precision",
    "Result": "probdl.inference.result",
    "Site": "probdl.program.sites",
    "SiteKind": "probdl.program.sites",
    "SiteNotFound": "probdl.errors",
    "Status": "probdl.inference.status",
    "Target": "probdl.program.target",
    "draw": "probdl.report.draw",
    "graph": "probdl.graphs.read",
    "infer": "probdl.inference.infer",
    "pair_plot": "probdl.report.plots",
    "plot": "probdl.report.plots",
    "posterior_plot": "probdl.report.plots",
    "rank_plot": "probdl.report.plots",
    "trace_plot": "probdl.report.plots",
}

__all__ = [
    "CyclicGraph",
    "Direction",
    "Drawing",
    "Finding",
    "HMC",
    "InferenceWarning",
    "Method",
    "Model",
    "NUTS",
    "NotApplicable",
    "Plot",
    "Precision",
    "Result",
    "Site",
    "SiteKind",
    "SiteNotFound",
    "Status",
    "Target",
    "draw",
    "graph",
    "infer",
    "pair_plot",
    "plot",
    "posterior_plot",
    "rank_plot",
    "trace_plot",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'probdl' has no attribute '{name}'")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
