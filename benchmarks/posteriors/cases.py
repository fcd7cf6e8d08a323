"""All posteriors by name."""

from __future__ import annotations

from . import gaussian_processes, hidden_markov, hierarchies, mixtures, predators, regressions, time_series
from .reference import Case

CASES: dict[str, Case] = {
    "eight_schools": hierarchies.eight_schools(),
    "arK": time_series.ark(),
    "logearn_height": regressions.logearn_height(),
    "kidscore_momiq": regressions.kidscore_momiq(),
    "kidscore_mom_work": regressions.kidscore_mom_work(),
    "logmesquite": regressions.logmesquite(),
    "nes1980": regressions.nes1980(),
    "gp_regr": gaussian_processes.gp_regr(),
    "hmm_example": hidden_markov.hmm_example(),
    "hmm_drive_0": hidden_markov.hmm_drive_0(),
    "lotka_volterra": predators.lotka_volterra(),
    "blr": regressions.blr_case(),
    "garch": time_series.garch(),
    "gaussian_mixture": mixtures.gaussian_mixture(),
    "logistic_regression": regressions.logistic_regression(),
    "gp_pois_regr": gaussian_processes.gp_pois_regr(),
}
