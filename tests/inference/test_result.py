"""Results: labels, tables, files."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import probdl as pdl
from probdl.program.datatree import site_variables
from tests.inference.programs import SIGMA, Y, odd_names, schools

METHOD = pdl.NUTS(num_samples=500, num_warmup=500, target_acceptance=0.99)
ODD = ["net/l1.kernel", "net/l1.bias", "a:b", "<b>", "net"]


@pytest.fixture(scope="module")
def result():
    return pdl.infer(pdl.Model(schools, SIGMA, y=Y), METHOD, key=4)


@pytest.fixture(scope="module")
def odd():
    return pdl.infer(pdl.Model(odd_names, 0.3), dataclasses.replace(METHOD, target_acceptance=0.8), key=0)


@pytest.mark.slow
def test_plates_are_dimensions(result):
    assert result["theta"].dims == ("chain", "draw", "school")
    assert result["mu"].dims == ("chain", "draw")
    assert result.data["observed_data"]["y"].dims == ("school",)
    np.testing.assert_array_equal(result.data["constant_data"]["sigma"], SIGMA)
    assert "y" not in result.data["constant_data"]
    assert result.status is pdl.Status.OK


def test_the_users_labels_win():
    names = list("ABCDEFGH")
    result = pdl.infer(
        pdl.Model(schools, SIGMA, y=Y), METHOD, key=4, dims={"theta": ["place"]}, coords={"place": names}
    )
    assert result["theta"].sel(place="C").shape == (4, 500)
    assert result["effect"].dims == ("chain", "draw", "school")
    assert "theta[C]" in result.summary().table.index


def test_where_it_comes_from(result):
    attributes = result.data.attrs
    assert attributes["method"] == repr(METHOD)
    assert attributes["key"] == '["threefry2x32", [0, 4]]'
    assert attributes["wall_time_seconds"] > 0
    for name in ("probdl_version", "jax_version", "numpyro_version", "created_at"):
        assert attributes[name]


def test_misspelt_site(result):
    with pytest.raises(pdl.SiteNotFound, match=r"got 'thta'\. Did you mean 'theta'\?"):
        result["thta"]


def test_summary_is_arviz_table_with_the_verdict(result):
    summary = result.summary()
    row = summary.table.loc["theta[3]"]
    assert row["mean"] == pytest.approx(float(result["theta"][..., 3].mean()))
    assert {"ess_bulk", "ess_tail", "r_hat"} <= set(summary.table.columns)
    assert str(summary).endswith("OK: Nothing suspicious was found.")
    assert "OK" in summary._repr_html_()


@pytest.mark.slow
def test_odd_names_survive(odd, tmp_path):
    for path in (tmp_path / "r.nc", tmp_path / "r.zarr"):
        odd.save(path)
        loaded = pdl.Result.load(path)
        assert {name for name, _ in site_variables(loaded.data["posterior"])} == set(ODD)
        for name in ODD:
            np.testing.assert_array_equal(loaded[name], odd[name])
        assert loaded.data.attrs["method"] == odd.data.attrs["method"]
        assert loaded.findings == odd.findings
    rows = odd.summary()
    assert {"net/l1.kernel[0]", "net/l1.kernel[1]", "a:b", "<b>"} <= set(rows.table.index)
    assert "net/l1.kernel[0]" in str(rows)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_round_trip(result, tmp_path, ending):
    path = tmp_path / f"result.{ending}"
    full = result.with_log_likelihood().with_log_prior()
    assert full.save(path) == path
    loaded = pdl.Result.load(path)
    assert set(loaded.data.children) == set(full.data.children)
    for name, node in full.data.children.items():
        xr.testing.assert_identical(loaded.data[name].to_dataset().compute(), node.to_dataset())
    assert loaded.model is None
    with pytest.raises(ValueError, match="Expected a result that knows its model for with_log_prior"):
        loaded.with_log_prior()
    with pytest.raises(FileExistsError, match=r"pass overwrite=True"):
        result.save(path)
    result.save(path, overwrite=True)
    assert "log_prior" not in pdl.Result.load(path).data


def test_log_likelihood_and_log_prior_of_each_draw(result):
    full = result.with_log_likelihood().with_log_prior()
    likelihood = full.data["log_likelihood"]["y"]
    assert likelihood.dims == ("chain", "draw", "school")
    np.testing.assert_allclose(likelihood, stats.norm(result["theta"], SIGMA).logpdf(Y))
    prior = full.data["log_prior"]
    np.testing.assert_allclose(prior["tau"], stats.halfcauchy(scale=5).logpdf(result["tau"]))
    np.testing.assert_allclose(prior["effect"], stats.norm.logpdf(result["effect"]))
    assert "log_likelihood" not in result.data


def test_odd_names_have_a_log_prior(odd):
    groups = dict(site_variables(odd.with_log_prior().data["log_prior"]))
    assert set(groups) == {"net/l1.kernel", "net/l1.bias", "a:b", "<b>"}
    assert groups["net/l1.kernel"].shape == (4, 500)


def test_files_from_elsewhere(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected a result at .*; got nothing"):
        pdl.Result.load(tmp_path / "none.nc")
    path = tmp_path / "other.nc"
    xr.DataTree.from_dict({"prior": xr.Dataset({"x": ("draw", np.zeros(3))})}).to_netcdf(
        path, engine="h5netcdf"
    )
    with pytest.raises(
        ValueError, match=r"without group 'posterior', attribute 'probdl_version', .*'method'"
    ):
        pdl.Result.load(path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=r"one without zarr\.json\. If a run is writing"):
        pdl.Result.load(tmp_path / "folder")
    (tmp_path / "text.nc").write_text("no")
    with pytest.raises(ValueError, match="Expected a netCDF file at"):
        pdl.Result.load(tmp_path / "text.nc")


def test_another_ending(result, tmp_path):
    with pytest.raises(ValueError, match=r"Expected a path that ends in \.nc or \.zarr; got"):
        result.save(tmp_path / "result.pkl")
