"""Every method x small programs: true values that the prior draws are like draws from the posterior."""

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import probdl as pdl
from probdl.inference.mcmc.markov_chain import MarkovChain
from tests.inference.programs import HEIGHTS, gaussian
from tests.laws.test_methods import UNBIASED, short
from tests.marks import by_name

RATE = 0.001  # of each test, so that the whole table has few false alarms
LENGTHS = {"num_samples": 400, "num_warmup": 300, "num_chains": 2}
LONG = {**LENGTHS, "num_samples": 3000}  # for chains whose draws depend on each other for long
SLOW_TO_MIX = (pdl.Metropolis, pdl.MetropolisHastings, pdl.ParallelTempering, pdl.Gibbs)
INDEPENDENT = {
    "ImportanceSampling": pdl.ImportanceSampling(num_samples=2000),
    "SIR": pdl.SIR(),
    "Rejection": pdl.Rejection(num_samples=25),
    "SMC": pdl.SMC(),
}
EVERY = {**UNBIASED, **INDEPENDENT}
FEW = {  # methods that share their code with one that runs on all models, or that accept next to nothing
    "NUTS diagonal": ("hierarchy",),
    "HMC": ("gaussian", "hierarchy"),
    "Gibbs of NUTS": ("hierarchy",),
    "Barker": ("beta-binomial",),
    "AdjustedMCLMC": ("hierarchy",),
    "Rejection": ("gaussian", "beta-binomial", "hierarchy"),
    "SIR": ("beta-binomial",),
    "ParallelTempering": ("gaussian", "beta-binomial", "hierarchy"),
}


def beta_binomial(heads):
    bias = numpyro.sample("bias", dist.Beta(2, 3))
    with numpyro.plate("coin", len(heads)):
        numpyro.sample("heads", dist.Binomial(10, bias), obs=heads)


def hierarchy(y):
    mu = numpyro.sample("mu", dist.Normal(0, 2))
    tau = numpyro.sample("tau", dist.LogNormal(0, 0.5))
    with numpyro.plate("group", len(y)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, 1.0), obs=y)


def mixture(y):
    low = numpyro.sample("low", dist.Normal(-1, 1))
    step = numpyro.sample("step", dist.Gamma(4, 2))
    weight = numpyro.sample("weight", dist.Beta(2, 2))
    with numpyro.plate("N", len(y)):
        upper = numpyro.sample("upper", dist.Bernoulli(weight))
        numpyro.sample("y", dist.Normal(low + step * upper, 1.0), obs=y)


MODELS = {
    "gaussian": pdl.Model(gaussian, HEIGHTS),
    "beta-binomial": pdl.Model(beta_binomial, np.array([3, 5])),
    "hierarchy": pdl.Model(hierarchy, HEIGHTS),
    "mixture": pdl.Model(mixture, np.repeat(HEIGHTS, 2)),
}
IN_A_WHOLE_RUN = {  # each method on one program, those that others are built of on more
    "NUTS": ("gaussian", "hierarchy"),
    "NUTS diagonal": ("hierarchy",),
    "HMC": ("hierarchy",),
    "Marginalized": ("mixture",),
    "Metropolis": ("beta-binomial",),
    "Slice": ("hierarchy",),
    "MetropolisHastings": ("gaussian",),
    "EllipticalSlice": ("hierarchy",),
    "ParallelTempering": ("beta-binomial",),
    "AdaptiveRejection": ("beta-binomial",),
    "Gibbs": ("hierarchy", "mixture"),
    "Gibbs of NUTS": ("hierarchy",),
    "MALA": ("hierarchy",),
    "Barker": ("beta-binomial",),
    "AdjustedMCLMC": ("hierarchy",),
    "Exact": ("mixture",),
    "ImportanceSampling": ("beta-binomial",),
    "SIR": ("beta-binomial",),
    "Rejection": ("gaussian",),
    "SMC": ("hierarchy",),
}
ROWS = {
    f"{method}-{model}": (EVERY[method], MODELS[model])
    for method in EVERY
    for model in FEW.get(method, MODELS)
}
WHOLE = {f"{method}-{model}" for method, models in IN_A_WHOLE_RUN.items() for model in models}
assert set(ROWS) >= WHOLE
assert set(IN_A_WHOLE_RUN) == set(EVERY)


@pytest.mark.parametrize("row", by_name(ROWS, {"HMC-gaussian"}, WHOLE))
def test_calibrated(row):
    method, model = row
    is_chain = isinstance(method, MarkovChain | pdl.Marginalized)
    if is_chain:
        method = short(method, **(LONG if isinstance(method, SLOW_TO_MIX) else LENGTHS))
    if isinstance(method, pdl.Marginalized):
        method = pdl.Marginalized(method.inner)
    if isinstance(method, pdl.MetropolisHastings) and model is not MODELS["gaussian"]:
        pytest.skip("the proposal is for another program")
    if reason := method.applicable(model):
        pytest.skip(reason)
    count = 60 if is_chain else 30
    assert pdl.calibrate(model, method, key=0, num_simulations=count, false_alarm_rate=RATE)
