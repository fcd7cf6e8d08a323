"""The log evidence by every method against closed forms."""

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.distributions import constraints

import probdl as pdl
from tests.inference.counting import compilations
from tests.inference.monte_carlo.programs import (
    LINE,
    POINTS,
    SEEN,
    X,
    coin,
    coin_evidence,
    line,
    line_evidence,
    mixture,
    mixture_evidence,
    walk,
)

COIN, ON_LINE, MIXTURE = pdl.Model(coin, 7), pdl.Model(line, X, LINE), pdl.Model(mixture, POINTS)
NUTS = pdl.NUTS(num_samples=500, num_warmup=500)
STANDARD_ERRORS = 5


def assert_right(found, exact, largest=0.2):
    assert abs(found.value - exact) < STANDARD_ERRORS * found.standard_error
    assert 0 < found.standard_error < largest


@pytest.mark.slow
def test_exact_where_that_is_possible():
    found = pdl.log_evidence(ON_LINE)
    assert float(found) == pytest.approx(line_evidence(), rel=1e-9)
    assert found.standard_error == 0
    assert str(found) == f"{line_evidence():.6f} nats, exactly, by Exact()"
    assert pdl.infer(ON_LINE, pdl.Exact(num_samples=10), key=0).log_evidence_error == 0


@pytest.mark.slow
def test_nested_sampling():
    found = pdl.infer(ON_LINE, pdl.Nested(), key=0)
    assert abs(found.log_evidence - line_evidence()) < STANDARD_ERRORS * found.log_evidence_error
    assert found.is_weighted
    exact = pdl.exact_posterior(ON_LINE)
    table = found.summary().table
    for name in ("a", "b"):
        row, sd = table.loc[name], np.sqrt(exact.variance(name))
        assert abs(row["mean"] - exact.mean(name)) < STANDARD_ERRORS * 2 * row["mcse_mean"]
        assert row["sd"] == pytest.approx(sd, rel=0.1)


@pytest.mark.slow
def test_nested_sampling_is_honest_about_its_error():
    runs = [pdl.infer(COIN, pdl.Nested(num_live=200, num_delete=10), key=k) for k in range(30)]
    scores = [(r.log_evidence - coin_evidence(7)) / r.log_evidence_error for r in runs]
    assert abs(np.mean(scores)) < STANDARD_ERRORS / np.sqrt(30)
    assert 0.5 < np.std(scores) < 1.6


@pytest.mark.slow
def test_bridge_sampling():
    assert_right(pdl.log_evidence(ON_LINE, pdl.BridgeSampling(NUTS), key=0), line_evidence())
    drawn = pdl.infer(ON_LINE, pdl.Exact(num_samples=500), key=1)
    assert_right(pdl.log_evidence(ON_LINE, pdl.BridgeSampling(drawn), key=0), line_evidence(), 0.05)


@pytest.mark.slow
def test_bridge_sampling_integrates_discrete_sites():
    method = pdl.BridgeSampling(pdl.Marginalized(NUTS, sites=("z",)))
    assert_right(pdl.log_evidence(MIXTURE, method, key=0), mixture_evidence())


@pytest.mark.slow
def test_all_methods_agree():
    for method in (pdl.SMC(), pdl.ImportanceSampling(), pdl.SIR(), pdl.Rejection(), pdl.Nested(num_live=300)):
        found = pdl.log_evidence(COIN, method, key=2)
        assert_right(found, coin_evidence(7))
        assert str(found).endswith(f" nats, by {method}")
    chain = pdl.Model(walk, SEEN, drift=0.1)
    found = pdl.log_evidence(chain, pdl.ParticleFilter(), key=2)
    assert_right(found, pdl.exact_posterior(chain).log_evidence)


def test_without_latents():
    def program(y):
        numpyro.sample("y", dist.Normal(0.0, 1.0), obs=y)

    assert pdl.log_evidence(pdl.Model(program, 0.0)).value == pytest.approx(-0.5 * np.log(2 * np.pi))


@pytest.mark.slow
def test_what_is_refused():
    def flat():
        m = numpyro.sample("m", dist.ImproperUniform(constraints.real, (), ()))
        numpyro.sample("y", dist.Normal(m, 1.0), obs=0.3)

    for method in (None, pdl.Exact(), pdl.BridgeSampling(NUTS)):
        with pytest.raises(pdl.NotApplicable, match="'m' has an improper prior.*the evidence is any number"):
            pdl.log_evidence(pdl.Model(flat), method, key=0)
    with pytest.raises(
        pdl.NotApplicable, match=r"NUTS is not applicable: its draws do not give.*BridgeSampling"
    ):
        pdl.log_evidence(COIN, pdl.NUTS(num_samples=10, num_warmup=10), key=0)
    with pytest.raises(TypeError, match=r"Expected a key for SMC\(\); got none"):
        pdl.log_evidence(COIN, pdl.SMC())
    with pytest.raises(TypeError, match="Expected method to be a method; got 'smc'"):
        pdl.log_evidence(COIN, "smc", key=0)
    with pytest.raises(TypeError, match="Expected a Result or a method that draws one"):
        pdl.BridgeSampling("nuts")
    few = pdl.infer(ON_LINE, pdl.Exact(num_samples=5), key=1)
    with pytest.raises(ValueError, match="at least 10 draws of each chain; got 5"):
        pdl.log_evidence(ON_LINE, pdl.BridgeSampling(few), key=0)


def test_findings_come_with_it():
    with pytest.warns(pdl.InferenceWarning, match="LOW_ESS") as caught:
        found = pdl.log_evidence(COIN, pdl.ImportanceSampling(num_samples=50), key=0)
    assert [str(w.message) for w in caught if w.category is pdl.InferenceWarning] == [
        "\n".join(map(str, found.findings))
    ]
    assert caught[0].filename == __file__
    assert "LOW_ESS: 200 weighted draws are worth" in str(found)


@pytest.mark.slow
def test_a_second_run_compiles_nothing():
    pdl.log_evidence(pdl.Model(coin, np.array(7)), pdl.SMC(num_particles=100), key=0)
    with compilations() as count:
        pdl.log_evidence(pdl.Model(coin, np.array(6)), pdl.SMC(num_particles=100), key=1)
    assert count.value == 0
