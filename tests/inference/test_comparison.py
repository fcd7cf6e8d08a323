"""Comparison of models: by what they predict, by evidence, and only of the same data."""

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

import probdl as pdl

GROUPS = np.array([[0.3, 0.9, -0.2], [2.1, 1.4, 1.9], [-1.2, -0.6, -1.9], [0.8, 0.1, 0.4]])
EXACT = pdl.Exact(num_samples=2000)


def normal(y, scale, prior=2.0):
    mu = numpyro.sample("mu", dist.Normal(0.0, prior))
    with numpyro.plate("group", y.shape[0], dim=-2), numpyro.plate("member", y.shape[1], dim=-1):
        numpyro.sample("y", dist.Normal(mu, scale), obs=y)


def grouped(y, scale):
    with numpyro.plate("group", y.shape[0], dim=-2):
        mu = numpyro.sample("mu", dist.Normal(0.0, 1.5))
        with numpyro.plate("member", y.shape[1], dim=-1):
            numpyro.sample("y", dist.Normal(mu, scale), obs=y)


def left_out_exactly(y, scale, prior, *, by_group):
    """Return the log predictive density of each part given the others, in closed form."""
    flat = y.ravel()
    parts = np.arange(flat.size).reshape(y.shape) if by_group else np.arange(flat.size)[:, None]
    found = []
    for part in parts:
        rest = np.delete(flat, part)
        precision = 1 / prior**2 + rest.size / scale**2
        mean = rest.sum() / scale**2 / precision
        covariance = scale**2 * np.eye(part.size) + 1 / precision
        found.append(stats.multivariate_normal(np.full(part.size, mean), covariance).logpdf(flat[part]))
    return np.array(found)


@pytest.fixture(scope="module")
def results():
    return {
        "narrow": pdl.infer(pdl.Model(normal, GROUPS, 1.3), EXACT, key=0),
        "wide": pdl.infer(pdl.Model(normal, GROUPS, 5.0), EXACT, key=1),
        "groups": pdl.infer(pdl.Model(grouped, GROUPS, 0.5), EXACT, key=2),
    }


@pytest.mark.slow
def test_leave_one_out(results):
    found = pdl.compare(results)
    assert list(found.table.index) == ["groups", "narrow", "wide"]
    narrow, wide = (left_out_exactly(GROUPS, s, 2.0, by_group=False) for s in (1.3, 5.0))
    for name, exact in (("narrow", narrow), ("wide", wide)):
        assert found.table.loc[name, "elpd"] == pytest.approx(exact.sum(), abs=0.1)
        assert found.table.loc[name, "se"] == pytest.approx(np.sqrt(12 * exact.var()), rel=0.1)
    two = pdl.compare({name: results[name] for name in ("narrow", "wide")}).table
    difference = wide - narrow
    assert two.loc["wide", "elpd_diff"] == pytest.approx(difference.sum(), abs=0.1)
    assert two.loc["wide", "dse"] == pytest.approx(np.sqrt(12 * difference.var()), rel=0.1)
    assert two["weight"].sum() == pytest.approx(1)
    assert found.findings == ()
    assert "Left out at a time: an observation.\nOK" in str(found)
    assert "<table" in found._repr_html_()


def test_by_plate(results):
    pair = {name: results[name] for name in ("narrow", "wide")}
    found = pdl.compare(pair, plate="group")
    for name, scale in (("narrow", 1.3), ("wide", 5.0)):
        exact = left_out_exactly(GROUPS, scale, 2.0, by_group=True).sum()
        assert found.table.loc[name, "elpd"] == pytest.approx(exact, abs=0.2)
    assert "an element of plate 'group'" in str(found)
    with pytest.raises(ValueError, match="in plate 'school'; got 'y' with group, member"):
        pdl.compare(pair, plate="school")


def test_influential_parts_are_found_out(results):
    found = pdl.compare(results, plate="group")
    assert found.table.loc["groups", "high_k"] > 0
    assert found.findings[0].status is pdl.Status.HIGH_PARETO_K
    assert "Pareto k-hat of 'groups' is above" in str(found)
    assert "refit without these" in str(found)


@pytest.mark.slow
def test_by_evidence(results):
    table = pdl.compare(results).table
    best = table["log_evidence"].max()
    for name, result in results.items():
        assert table.loc[name, "log_evidence"] == result.log_evidence
        assert table.loc[name, "log_bayes_factor"] == pytest.approx(result.log_evidence - best)
        assert table.loc[name, "log_bayes_factor_error"] == 0
    estimated = pdl.infer(pdl.Model(normal, GROUPS, 1.3), pdl.ImportanceSampling(num_samples=1000), key=0)
    table = pdl.compare({"weighted": estimated, "wide": results["wide"]}).table
    assert table.loc["wide", "log_bayes_factor_error"] == pytest.approx(estimated.log_evidence_error)
    exact = left_out_exactly(GROUPS, 1.3, 2.0, by_group=False).sum()
    assert table.loc["weighted", "elpd"] == pytest.approx(exact, abs=0.3)
    import dataclasses

    plain = dataclasses.replace(results["narrow"], log_evidence=None)
    assert "log_evidence" not in pdl.compare({"plain": plain, "wide": results["wide"]}).table.columns


@pytest.mark.slow
def test_loaded_results(results, tmp_path):
    full = {name: r.with_log_likelihood() for name, r in results.items()}
    loaded = {name: pdl.Result.load(r.save(tmp_path / f"{name}.nc")) for name, r in full.items()}
    np.testing.assert_allclose(pdl.compare(loaded).table["elpd"], pdl.compare(results).table["elpd"])
    bare = pdl.Result.load(results["wide"].save(tmp_path / "bare.nc"))
    with pytest.raises(ValueError, match="Expected a result that knows its model for with_log_likelihood"):
        pdl.compare({"bare": bare, "wide": results["wide"]})


@pytest.mark.slow
def test_parts_that_no_latent_enters():
    def program(y, mean):
        mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
        seen = np.array([True, True, False])
        with numpyro.plate("n", 3), numpyro.handlers.mask(mask=seen):
            numpyro.sample("y", dist.Normal(mu + mean, 1.0), obs=y)

    y = np.array([0.2, 0.5, 9.0])
    pair = {str(m): pdl.infer(pdl.Model(program, y, m), EXACT, key=0) for m in (0.0, 3.0)}
    found = pdl.compare(pair).table
    assert list(found.index) == ["0.0", "3.0"]
    assert np.isfinite(found.to_numpy()).all()


@pytest.mark.slow
def test_what_is_refused(results):
    other = pdl.infer(pdl.Model(normal, GROUPS + 1e-3, 1.3), pdl.Exact(num_samples=10), key=0)
    with pytest.raises(
        ValueError, match="of the same data; got 'wide' and 'other', which differ: 'y' has 0.3 in one"
    ):
        pdl.compare({"wide": results["wide"], "other": other})
    fewer = pdl.infer(pdl.Model(normal, GROUPS[:2], 1.3), pdl.Exact(num_samples=10), key=0)
    with pytest.raises(ValueError, match="'y' has 12 values in one and 6 in the other"):
        pdl.compare({"wide": results["wide"], "fewer": fewer})
    with pytest.raises(ValueError, match="at least two results; got 1"):
        pdl.compare({"wide": results["wide"]})
    with pytest.raises(TypeError, match="Expected results by name"):
        pdl.compare([results["wide"], results["narrow"]])
