"""Graphs, questions and inference for ordinary NumPyro programs.

>>> import probdl as pdl
>>> pdl.Model.__name__
'Model'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probdl.distributions.density import Histogram, KernelDensity, NearestNeighbourDensity
    from probdl.distributions.families import family_of
    from probdl.distributions.gaussian import GaussianVector
    from probdl.distributions.information import (
        conditional_mutual_information,
        entropy,
        kl_divergence,
        mutual_information,
    )
    from probdl.distributions.nearest_neighbours import differential_entropy, mutual_information_of_draws
    from probdl.distributions.periodic import circular_summary, fit_von_mises
    from probdl.errors import CannotResume, CyclicGraph, NotApplicable, SiteNotFound
    from probdl.exact.gaussians.state_space import StateSpace, kalman_smoother
    from probdl.exact.posteriors.posterior import ExactPosterior, exact_posterior
    from probdl.exact.posteriors.updating import updated
    from probdl.exact.tables.contradiction import ImpossibleEvidence
    from probdl.exact.tables.elimination import TableElimination
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
    from probdl.graphs.treewidth import EliminationOrder, elimination_order, treewidth
    from probdl.graphs.unroll import unroll
    from probdl.inference.calibration import Calibration, calibrate
    from probdl.inference.comparison import Comparison, compare
    from probdl.inference.density_check import DensityCheck, check_density
    from probdl.inference.em.clusters import KMeansStart
    from probdl.inference.em.em import EM
    from probdl.inference.em.squarem import SQUAREM
    from probdl.inference.exact import Conjugate, Elimination, Exact, Gaussian
    from probdl.inference.geweke import JointDistributionTest, geweke
    from probdl.inference.gibbs.gibbs import Gibbs
    from probdl.inference.gibbs.table import Blocks
    from probdl.inference.infer import infer
    from probdl.inference.information import entropy_of, kl_divergence_of, mutual_information_of
    from probdl.inference.langevin.adjusted_mclmc import AdjustedMCLMC
    from probdl.inference.langevin.barker import Barker
    from probdl.inference.langevin.control import ControlVariate
    from probdl.inference.langevin.mala import MALA
    from probdl.inference.langevin.mclmc import MCLMC
    from probdl.inference.langevin.schedules import Constant, PolynomialDecay
    from probdl.inference.langevin.sghmc import SGHMC
    from probdl.inference.langevin.sgld import SGLD
    from probdl.inference.langevin.streams import Stream
    from probdl.inference.langevin.ula import ULA
    from probdl.inference.langevin.underdamped import UnderdampedLangevin
    from probdl.inference.live import Snapshot, Until
    from probdl.inference.marginalized import Marginalized
    from probdl.inference.mcmc.adaptive_rejection import AdaptiveRejection
    from probdl.inference.mcmc.elliptical_slice import EllipticalSlice
    from probdl.inference.mcmc.hmc import HMC
    from probdl.inference.mcmc.metropolis import Metropolis
    from probdl.inference.mcmc.metropolis_hastings import MetropolisHastings
    from probdl.inference.mcmc.nuts import NUTS
    from probdl.inference.mcmc.parallel_tempering import ParallelTempering
    from probdl.inference.mcmc.slice_sampling import Slice
    from probdl.inference.method import Method
    from probdl.inference.monte_carlo.ancestral import AncestralSampling
    from probdl.inference.monte_carlo.bridge import BridgeSampling
    from probdl.inference.monte_carlo.evidence import LogEvidence, log_evidence
    from probdl.inference.monte_carlo.importance import ImportanceSampling
    from probdl.inference.monte_carlo.laplace import LaplaceGuide
    from probdl.inference.monte_carlo.nested import Nested
    from probdl.inference.monte_carlo.particle_filter import ParticleFilter
    from probdl.inference.monte_carlo.rejection import Rejection, TooFewAccepted
    from probdl.inference.monte_carlo.resampling import SIR
    from probdl.inference.monte_carlo.smc import SMC
    from probdl.inference.plan import Plan, plan
    from probdl.inference.preconditioning import Dense, Diagonal, LowRank, Preconditioner, Unpreconditioned
    from probdl.inference.reparametrization import Reparametrization
    from probdl.inference.result import Result
    from probdl.inference.status import Finding, InferenceWarning, Status
    from probdl.program.bayesian_network import BayesianNetwork
    from probdl.program.missing import with_missing
    from probdl.program.model import Model
    from probdl.program.precision import Precision
    from probdl.program.priors import with_priors
    from probdl.program.sites import Site, SiteKind
    from probdl.program.target import Target
    from probdl.report.diagram import Direction
    from probdl.report.draw import Drawing, draw
    from probdl.report.explorer import Explorer, explore
    from probdl.report.figure import Plot
    from probdl.report.independence_plot import independence_plot
    from probdl.report.plots import pair_plot, plot, posterior_plot, rank_plot, trace_plot

_NAMES = {
    "probdl.distributions.density": "Histogram KernelDensity NearestNeighbourDensity",
    "probdl.distributions.families": "family_of",
    "probdl.distributions.gaussian": "GaussianVector",
    "probdl.distributions.information": "conditional_mutual_information entropy kl_divergence "
    "mutual_information",
    "probdl.distributions.nearest_neighbours": "differential_entropy mutual_information_of_draws",
    "probdl.distributions.periodic": "circular_summary fit_von_mises",
    "probdl.errors": "CannotResume CyclicGraph NotApplicable SiteNotFound",
    "probdl.exact.gaussians.state_space": "StateSpace kalman_smoother",
    "probdl.exact.posteriors.posterior": "ExactPosterior exact_posterior",
    "probdl.exact.posteriors.updating": "updated",
    "probdl.exact.tables.contradiction": "ImpossibleEvidence",
    "probdl.exact.tables.elimination": "TableElimination",
    "probdl.graphs.adjustment": "adjustment_sets is_adjustment_set smallest_adjustment_set",
    "probdl.graphs.backdoor": "backdoor_sets is_backdoor_set smallest_backdoor_set",
    "probdl.graphs.bif": "read_bif to_bif",
    "probdl.graphs.conditional_independence": "GTest IndependenceTest PartialCorrelation",
    "probdl.graphs.cpdag": "cpdag skeleton v_structures",
    "probdl.graphs.dagitty": "to_dagitty",
    "probdl.graphs.equivalence": "Distinction distinction equivalent",
    "probdl.graphs.factorization": "Factorization factorization",
    "probdl.graphs.filter": "IndependenceReport check_independencies",
    "probdl.graphs.formats": "graph_from",
    "probdl.graphs.frontdoor": "frontdoor_sets is_frontdoor_set smallest_frontdoor_set",
    "probdl.graphs.independence": "Independence",
    "probdl.graphs.independencies": "independencies",
    "probdl.graphs.instruments": "instruments",
    "probdl.graphs.intervention": "do",
    "probdl.graphs.inversion": "faithful_inverse",
    "probdl.graphs.moral": "factor_graph moral_graph",
    "probdl.graphs.neighbourhood": "ancestors children co_parents descendants markov_blanket parents",
    "probdl.graphs.order": "ancestral_order",
    "probdl.graphs.read": "graph",
    "probdl.graphs.residual_test": "ResidualTest",
    "probdl.graphs.separation": "ActivePath active_path d_connected d_separated",
    "probdl.graphs.separators": "minimal_separator smallest_separator",
    "probdl.graphs.tabulate": "tabulate",
    "probdl.graphs.treewidth": "EliminationOrder elimination_order treewidth",
    "probdl.graphs.unroll": "unroll",
    "probdl.inference.calibration": "Calibration calibrate",
    "probdl.inference.comparison": "Comparison compare",
    "probdl.inference.density_check": "DensityCheck check_density",
    "probdl.inference.em.clusters": "KMeansStart",
    "probdl.inference.em.em": "EM",
    "probdl.inference.em.squarem": "SQUAREM",
    "probdl.inference.exact": "Conjugate Elimination Exact Gaussian",
    "probdl.inference.geweke": "JointDistributionTest geweke",
    "probdl.inference.gibbs.gibbs": "Gibbs",
    "probdl.inference.gibbs.table": "Blocks",
    "probdl.inference.infer": "infer",
    "probdl.inference.information": "entropy_of kl_divergence_of mutual_information_of",
    "probdl.inference.langevin.adjusted_mclmc": "AdjustedMCLMC",
    "probdl.inference.langevin.barker": "Barker",
    "probdl.inference.langevin.control": "ControlVariate",
    "probdl.inference.langevin.mala": "MALA",
    "probdl.inference.langevin.mclmc": "MCLMC",
    "probdl.inference.langevin.schedules": "Constant PolynomialDecay",
    "probdl.inference.langevin.sghmc": "SGHMC",
    "probdl.inference.langevin.sgld": "SGLD",
    "probdl.inference.langevin.streams": "Stream",
    "probdl.inference.langevin.ula": "ULA",
    "probdl.inference.langevin.underdamped": "UnderdampedLangevin",
    "probdl.inference.live": "Snapshot Until",
    "probdl.inference.marginalized": "Marginalized",
    "probdl.inference.mcmc.adaptive_rejection": "AdaptiveRejection",
    "probdl.inference.mcmc.elliptical_slice": "EllipticalSlice",
    "probdl.inference.mcmc.hmc": "HMC",
    "probdl.inference.mcmc.metropolis": "Metropolis",
    "probdl.inference.mcmc.metropolis_hastings": "MetropolisHastings",
    "probdl.inference.mcmc.nuts": "NUTS",
    "probdl.inference.mcmc.parallel_tempering": "ParallelTempering",
    "probdl.inference.mcmc.slice_sampling": "Slice",
    "probdl.inference.method": "Method",
    "probdl.inference.monte_carlo.ancestral": "AncestralSampling",
    "probdl.inference.monte_carlo.bridge": "BridgeSampling",
    "probdl.inference.monte_carlo.evidence": "LogEvidence log_evidence",
    "probdl.inference.monte_carlo.importance": "ImportanceSampling",
    "probdl.inference.monte_carlo.laplace": "LaplaceGuide",
    "probdl.inference.monte_carlo.nested": "Nested",
    "probdl.inference.monte_carlo.particle_filter": "ParticleFilter",
    "probdl.inference.monte_carlo.rejection": "Rejection TooFewAccepted",
    "probdl.inference.monte_carlo.resampling": "SIR",
    "probdl.inference.monte_carlo.smc": "SMC",
    "probdl.inference.plan": "Plan plan",
    "probdl.inference.preconditioning": "Dense Diagonal LowRank Preconditioner Unpreconditioned",
    "probdl.inference.reparametrization": "Reparametrization",
    "probdl.inference.result": "Result",
    "probdl.inference.status": "Finding InferenceWarning Status",
    "probdl.program.bayesian_network": "BayesianNetwork",
    "probdl.program.missing": "with_missing",
    "probdl.program.model": "Model",
    "probdl.program.precision": "Precision",
    "probdl.program.priors": "with_priors",
    "probdl.program.sites": "Site SiteKind",
    "probdl.program.target": "Target",
    "probdl.report.diagram": "Direction",
    "probdl.report.draw": "Drawing draw",
    "probdl.report.explorer": "Explorer explore",
    "probdl.report.figure": "Plot",
    "probdl.report.independence_plot": "independence_plot",
    "probdl.report.plots": "pair_plot plot posterior_plot rank_plot trace_plot",
}
_EXPORTS = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "ActivePath",
    "AdaptiveRejection",
    "AdjustedMCLMC",
    "AncestralSampling",
    "Barker",
    "BayesianNetwork",
    "Blocks",
    "BridgeSampling",
    "Calibration",
    "CannotResume",
    "Comparison",
    "Conjugate",
    "Constant",
    "ControlVariate",
    "CyclicGraph",
    "Dense",
    "DensityCheck",
    "Diagonal",
    "Direction",
    "Distinction",
    "Drawing",
    "EM",
    "Elimination",
    "EliminationOrder",
    "EllipticalSlice",
    "Exact",
    "ExactPosterior",
    "Explorer",
    "Factorization",
    "Finding",
    "GTest",
    "Gaussian",
    "GaussianVector",
    "Gibbs",
    "HMC",
    "Histogram",
    "ImportanceSampling",
    "ImpossibleEvidence",
    "Independence",
    "IndependenceReport",
    "IndependenceTest",
    "InferenceWarning",
    "JointDistributionTest",
    "KMeansStart",
    "KernelDensity",
    "LaplaceGuide",
    "LogEvidence",
    "LowRank",
    "MALA",
    "MCLMC",
    "Marginalized",
    "Method",
    "Metropolis",
    "MetropolisHastings",
    "Model",
    "NUTS",
    "NearestNeighbourDensity",
    "Nested",
    "NotApplicable",
    "ParallelTempering",
    "PartialCorrelation",
    "ParticleFilter",
    "Plan",
    "Plot",
    "PolynomialDecay",
    "Precision",
    "Preconditioner",
    "Rejection",
    "Reparametrization",
    "ResidualTest",
    "Result",
    "SGHMC",
    "SGLD",
    "SIR",
    "SMC",
    "SQUAREM",
    "Site",
    "SiteKind",
    "SiteNotFound",
    "Slice",
    "Snapshot",
    "StateSpace",
    "Status",
    "Stream",
    "TableElimination",
    "Target",
    "TooFewAccepted",
    "ULA",
    "UnderdampedLangevin",
    "Unpreconditioned",
    "Until",
    "active_path",
    "adjustment_sets",
    "ancestors",
    "ancestral_order",
    "backdoor_sets",
    "calibrate",
    "check_density",
    "check_independencies",
    "children",
    "circular_summary",
    "co_parents",
    "compare",
    "conditional_mutual_information",
    "cpdag",
    "d_connected",
    "d_separated",
    "descendants",
    "differential_entropy",
    "distinction",
    "do",
    "draw",
    "elimination_order",
    "entropy",
    "entropy_of",
    "equivalent",
    "exact_posterior",
    "explore",
    "factor_graph",
    "factorization",
    "faithful_inverse",
    "family_of",
    "fit_von_mises",
    "frontdoor_sets",
    "geweke",
    "graph",
    "graph_from",
    "independence_plot",
    "independencies",
    "infer",
    "instruments",
    "is_adjustment_set",
    "is_backdoor_set",
    "is_frontdoor_set",
    "kalman_smoother",
    "kl_divergence",
    "kl_divergence_of",
    "log_evidence",
    "markov_blanket",
    "minimal_separator",
    "moral_graph",
    "mutual_information",
    "mutual_information_of",
    "mutual_information_of_draws",
    "pair_plot",
    "parents",
    "plan",
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
    "updated",
    "v_structures",
    "with_missing",
    "with_priors",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'probdl' has no attribute '{name}'")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
