"""Eight schools, both ways of writing it, against quadrature."""

import numpy as np
import pytest
from arviz_stats.base.array import array_stats

import probdl as pdl
from tests.inference.programs import SIGMA, Y, centred_schools, schools
from tests.oracles.eight_schools import moments

RUNS = {
    "NUTS, non-centred": (schools, pdl.NUTS(num_samples=2000, target_acceptance=0.95)),
    "NUTS, centred": (centred_schools, pdl.NUTS(num_samples=5000, target_acceptance=0.99)),
    "HMC, non-centred": (schools, pdl.HMC(num_samples=4000, target_acceptance=0.9)),
}


@pytest.mark.slow
@pytest.mark.parametrize(("program", "method"), RUNS.values(), ids=RUNS.keys())
def test_posterior_is_within_4_mcse_of_quadrature(program, method):
    exact = moments(Y, SIGMA)
    assert np.round([exact["mu"][0], exact["tau"][0]], 1).tolist() == [4.4, 3.6]
    result = pdl.infer(pdl.Model(program, SIGMA, y=Y), method, key=2026)
    for name, (mean, _) in exact.items():
        values = result[name].to_numpy()
        error = array_stats.mcse(values, chain_axis=0, draw_axis=1, method="mean")
        assert abs(values.mean() - mean) < 4 * error, (name, values.mean(), mean, error)
