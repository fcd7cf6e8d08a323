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
    from probdl.graphs.adjustment import adjustment_sets, is_adjustment_set, smallest_adjustment_set
    from probdl.graphs.backdoor import backdoor_sets, is_backdoor_set, smallest_backdoor_set
    from probdl.graphs.bif import read_bif, to_bif
    from probdl.graphs.conditional_independence import GTest, IndependenceTest, PartialCorrelation
    from probdl.graphs.cpdag import cpdag, skeleton, v_structures
    from probdl.graphs.dagitty import to_dagitty
    from probdl.graphs.equivalence import Distinction, distinction, equivalent
    from probdl.graphs.factorization import Factorization, factorization
    from probdl.graphs.filter import IndependenceReport, check_independencies
    from probdl.graphs.formats import graph_from
    from probdl.graphs.frontdoor import frontdoor_sets, is_frontdoor_set, smallest_frontdoor_set
    from probdl.graphs.independence import Independence
    from probdl.graphs.independencies import independencies
    from probdl.graphs.instruments import instruments
    from probdl.graphs.intervention import do
    from probdl.graphs.inversion import faithful_inverse
    from probdl.graphs.moral import factor_graph, moral_graph
    from probdl.graphs.neighbourhood import (
        ancestors,
        children,
        co_parents,
        descendants,
        markov_blanket,
        parents,
    )
    from probdl.graphs.order import ancestral_order
    from probdl.graphs.read import graph
    from probdl.graphs.residual_test import ResidualTest
    from probdl.graphs.separation import ActivePath, active_path, d_connected, d_separated
    from probdl.graphs.separators import minimal_separator, smallest_separator
    from probdl.graphs.tabulate import tabulate
    from probdl.graphs.treewidth import Elimination, elimination_order, treewidth
    from probdl.graphs.unroll import unroll
    from probdl.inference.infer import infer
    from probdl.inference.mcmc.hmc import HMC
    from probdl.inference.mcmc.nuts import NUTS
    from probdl.inference.method import Method
    from probdl.inference.result import Result
    from probdl.inference.status import Finding, InferenceWarning, Status
    from probdl.program.bayesian_network import BayesianNetwork
    from probdl.program.model import Model
    from probdl.program.precision import Precision
    from probdl.program.sites import Site, SiteKind
    from probdl.program.target import Target
    from probdl.report.diagram import Direction
    from probdl.report.draw import Drawing, draw
    from probdl.report.explorer import Explorer, explore
    from probdl.report.figure import Plot
    from probdl.report.independence_plot import independence_plot
    from probdl.report.plots import pair_plot, plot, posterior_plot, rank_plot, trace_plot

_EXPORTS = {
    "ActivePath": "probdl.graphs.separation",
    "BayesianNetwork": "probdl.program.bayesian_network",
    "CyclicGraph": "probdl.errors",
    "Direction": "probdl.report.diagram",
    "Distinction": "probdl.graphs.equivalence",
    "Drawing": "probdl.report.draw",
    "Elimination": "probdl.graphs.treewidth",
    "Explorer": "probdl.report.explorer",
    "Factorization": "probdl.graphs.factorization",
    "Finding": "probdl.inference.status",
    "GTest": "probdl.graphs.conditional_independence",
    "HMC": "probdl.inference.mcmc.hmc",
    "Independence": "probdl.graphs.independence",
    "IndependenceReport": "probdl.graphs.filter",
    "IndependenceTest": "probdl.graphs.conditional_independence",
    "InferenceWarning": "probdl.inference.status",
    "Method": "probdl.inference.method",
    "Model": "probdl.program.model",
    "NUTS": "probdl.inference.mcmc.nuts",
    "NotApplicable": "probdl.errors",
    "PartialCorrelation": "probdl.graphs.conditional_independence",
    "Plot": "probdl.report.figure",
    "Precision": "probdl.program.precision",
    "ResidualTest": "probdl.graphs.residual_test",
    "Result": "probdl.inference.result",
    "Site": "probdl.program.sites",
    "SiteKind": "probdl.program.sites",
    "SiteNotFound": "probdl.errors",
    "Status": "probdl.inference.status",
    "Target": "probdl.program.target",
    "active_path": "probdl.graphs.separation",
    "adjustment_sets": "probdl.graphs.adjustment",
    "ancestors": "probdl.graphs.neighbourhood",
    "ancestral_order": "probdl.graphs.order",
    "backdoor_sets": "probdl.graphs.backdoor",
    "check_independencies": "probdl.graphs.filter",
    "children": "probdl.graphs.neighbourhood",
    "co_parents": "probdl.graphs.neighbourhood",
    "cpdag": "probdl.graphs.cpdag",
    "d_connected": "probdl.graphs.separation",
    "d_separated": "probdl.graphs.separation",
    "descendants": "probdl.graphs.neighbourhood",
    "distinction": "probdl.graphs.equivalence",
    "do": "probdl.graphs.intervention",
    "draw": "probdl.report.draw",
    "elimination_order": "probdl.graphs.treewidth",
    "equivalent": "probdl.graphs.equivalence",
    "explore": "probdl.report.explorer",
    "factor_graph": "probdl.graphs.moral",
    "factorization": "probdl.graphs.factorization",
    "faithful_inverse": "probdl.graphs.inversion",
    "frontdoor_sets": "probdl.graphs.frontdoor",
    "graph": "probdl.graphs.read",
    "graph_from": "probdl.graphs.formats",
    "independence_plot": "probdl.report.independence_plot",
    "independencies": "probdl.graphs.independencies",
    "infer": "probdl.inference.infer",
    "instruments": "probdl.graphs.instruments",
    "is_adjustment_set": "probdl.graphs.adjustment",
    "is_backdoor_set": "probdl.graphs.backdoor",
    "is_frontdoor_set": "probdl.graphs.frontdoor",
    "markov_blanket": "probdl.graphs.neighbourhood",
    "minimal_separator": "probdl.graphs.separators",
    "moral_graph": "probdl.graphs.moral",
    "pair_plot": "probdl.report.plots",
    "parents": "probdl.graphs.neighbourhood",
    "plot": "probdl.report.plots",
    "posterior_plot": "probdl.report.plots",
    "rank_plot": "probdl.report.plots",
    "read_bif": "probdl.graphs.bif",
    "skeleton": "probdl.graphs.cpdag",
    "smallest_adjustment_set": "probdl.graphs.adjustment",
    "smallest_backdoor_set": "probdl.graphs.backdoor",
    "smallest_frontdoor_set": "probdl.graphs.frontdoor",
    "smallest_separator": "probdl.graphs.separators",
    "tabulate": "probdl.graphs.tabulate",
    "to_bif": "probdl.graphs.bif",
    "to_dagitty": "probdl.graphs.dagitty",
    "trace_plot": "probdl.report.plots",
    "treewidth": "probdl.graphs.treewidth",
    "unroll": "probdl.graphs.unroll",
    "v_structures": "probdl.graphs.cpdag",
}

__all__ = [
    "ActivePath",
    "BayesianNetwork",
    "CyclicGraph",
    "Direction",
    "Distinction",
    "Drawing",
    "Elimination",
    "Explorer",
    "Factorization",
    "Finding",
    "GTest",
    "HMC",
    "Independence",
    "IndependenceReport",
    "IndependenceTest",
    "InferenceWarning",
    "Method",
    "Model",
    "NUTS",
    "NotApplicable",
    "PartialCorrelation",
    "Plot",
    "Precision",
    "ResidualTest",
    "Result",
    "Site",
    "SiteKind",
    "SiteNotFound",
    "Status",
    "Target",
    "active_path",
    "adjustment_sets",
    "ancestors",
    "ancestral_order",
    "backdoor_sets",
    "check_independencies",
    "children",
    "co_parents",
    "cpdag",
    "d_connected",
    "d_separated",
    "descendants",
    "distinction",
    "do",
    "draw",
    "elimination_order",
    "equivalent",
    "explore",
    "factor_graph",
    "factorization",
    "faithful_inverse",
    "frontdoor_sets",
    "graph",
    "graph_from",
    "independence_plot",
    "independencies",
    "infer",
    "instruments",
    "is_adjustment_set",
    "is_backdoor_set",
    "is_frontdoor_set",
    "markov_blanket",
    "minimal_separator",
    "moral_graph",
    "pair_plot",
    "parents",
    "plot",
    "posterior_plot",
    "rank_plot",
    "read_bif",
    "skeleton",
    "smallest_adjustment_set",
    "smallest_backdoor_set",
    "smallest_frontdoor_set",
    "smallest_separator",
    "tabulate",
    "to_bif",
    "to_dagitty",
    "trace_plot",
    "treewidth",
    "unroll",
    "v_structures",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'probdl' has no attribute '{name}'")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
