"""Draws on disk: what is committed survives a kill at any moment."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import probdl as pdl
from probdl.inference.method import Options
from probdl.inference.store import StoredDraws, open_store
from tests.inference.programs import HEIGHTS, SIGMA, Y, gaussian, odd_names, schools
from tests.marks import by_name

METHOD = pdl.NUTS(num_samples=300, num_warmup=200, target_acceptance=0.99)
ROOT = Path(__file__).parents[2]

# A run that takes long, in chunks of one step, so that there is a moment to kill it.
LONG_RUN = """
import sys, warnings
import probdl as pdl
from probdl.inference import chunks
from tests.inference.programs import SIGMA, Y, schools
warnings.simplefilter("ignore")
chunks.SECONDS = 1e-3
method = pdl.NUTS(num_samples=100_000, num_warmup=100)
result = pdl.infer(pdl.Model(schools, SIGMA, y=Y), method, key=7, store=sys.argv[1])
print(result.status, result["mu"].sizes["draw"])
"""


def committed(path):
    """Return how many draws a store says it has, 0 while there is none."""
    root = path / "zarr.json"
    return json.loads(root.read_text())["attributes"].get("committed", 0) if root.exists() else 0


def stopped(path, number, least):
    """Run, send a signal when there are some draws, and return how many were committed just before it."""
    command = [sys.executable, "-c", LONG_RUN, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while (before := committed(path)) < least:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    return before, process.returncode, out, err


def expected(count):
    method = pdl.NUTS(num_samples=count, num_warmup=100)
    return pdl.infer(pdl.Model(schools, SIGMA, y=Y), method, key=7)


@pytest.mark.parametrize("least", by_name([1, 60], whole=[60]))
def test_a_killed_run_keeps_what_was_committed(tmp_path, least):
    path = tmp_path / "run.zarr"
    before, code, _, _ = stopped(path, signal.SIGKILL, least)
    assert code == -signal.SIGKILL
    result = pdl.Result.load(path)
    count = result.data["posterior"].sizes["draw"]
    assert before <= count < 100_000
    assert result.status is pdl.Status.INTERRUPTED
    whole = expected(count)
    for name in ("mu", "tau", "effect", "theta"):
        np.testing.assert_array_equal(result[name], whole[name])
    for name in whole.data["sample_stats"]:
        np.testing.assert_array_equal(result.data["sample_stats"][name], whole.data["sample_stats"][name])
    assert result.data.attrs["method"].startswith("NUTS")


@pytest.mark.slow
def test_ctrl_c_returns_what_was_drawn(tmp_path):
    path = tmp_path / "run.zarr"
    before, code, out, err = stopped(path, signal.SIGINT, 20)
    assert code == 0, err
    status, count = out.split()
    assert status == "INTERRUPTED"
    assert int(count) >= before
    result = pdl.Result.load(path)
    assert result.data["posterior"].sizes["draw"] == int(count)
    assert result.data.attrs["wall_time_seconds"] > 0
    np.testing.assert_array_equal(result["tau"], expected(int(count))["tau"])


@pytest.mark.slow
def test_a_store_holds_what_memory_would(tmp_path):
    model = pdl.Model(schools, SIGMA, y=Y)
    labels = {"dims": {"theta": ["place"]}, "coords": {"place": list("ABCDEFGH")}}
    kept = pdl.infer(model, METHOD, key=1, **labels)
    stored = pdl.infer(model, METHOD, key=1, store=tmp_path / "run.zarr", **labels)
    loaded = pdl.Result.load(tmp_path / "run.zarr")
    for result in (stored, loaded):
        assert set(result.data.children) == set(kept.data.children)
        for name, node in kept.data.children.items():
            xr.testing.assert_equal(result.data[name].to_dataset().compute(), node.to_dataset())
        assert result.findings == kept.findings
    assert stored.with_log_likelihood().save(tmp_path / "copy.nc").exists()
    assert stored.save(tmp_path / "copy.zarr").exists()
    np.testing.assert_array_equal(pdl.Result.load(tmp_path / "copy.zarr")["theta"], kept["theta"])


def test_a_store_is_small_and_readable_at_any_moment(tmp_path):
    path, model, zeros = tmp_path / "run.zarr", pdl.Model(gaussian, HEIGHTS), np.zeros((4, 1))
    store = StoredDraws(path, model, Options(), 1_000_000, {})
    store._create({("posterior", "mu"): zeros, ("sample_stats", "lp"): zeros})
    with pytest.raises(ValueError, match=r"Expected draws in the store '.*'; got none yet"):
        pdl.Result.load(path)
    store.append({"mu": zeros + 3}, {"lp": zeros})
    store.commit()
    store._arrays["posterior", "mu"][:, 1:50] = 7.0  # written, but not committed
    np.testing.assert_array_equal(open_store(path)["posterior"]["mu"], zeros + 3)
    assert sum(file.is_file() for file in path.rglob("*")) < 100


@pytest.mark.slow
def test_odd_names_are_stored(tmp_path):
    model = pdl.Model(odd_names, 0.3)
    kept = pdl.infer(model, METHOD, key=1)
    stored = pdl.infer(model, METHOD, key=1, store=tmp_path / "run.zarr")
    for name in ("net/l1.kernel", "net/l1.bias", "a:b", "<b>", "net"):
        np.testing.assert_array_equal(stored[name], kept[name])


@pytest.mark.slow
def test_what_is_there_is_not_overwritten(tmp_path):
    model, path = pdl.Model(gaussian, HEIGHTS), tmp_path / "run.zarr"
    pdl.infer(model, METHOD, key=1, store=path)
    with pytest.raises(
        FileExistsError, match=r"nothing there for the draws; got '.*run\.zarr'.*overwrite=True"
    ):
        pdl.infer(model, METHOD, key=2, store=path)
    second = pdl.infer(model, METHOD, key=2, store=path, overwrite=True)
    np.testing.assert_array_equal(second["mu"], pdl.infer(model, METHOD, key=2)["mu"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="Expected a zarr folder to overwrite"):
        pdl.infer(model, METHOD, key=2, store=tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.tex").exists()
