"""A run that was stopped goes on bit for bit; another run does not go on in its place."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import probdl as pdl
from probdl.inference import checkpoint
from probdl.inference.assemble import provenance
from probdl.inference.claim import claimed
from probdl.inference.destination import destination
from probdl.inference.method import Method, Options
from probdl.inference.resuming import facts, identity
from tests.inference.programs import HEIGHTS
from tests.inference.runs import KEY, RUNS, SPREAD, copied, folder_of, same, spread
from tests.marks import by_name

ROOT = Path(__file__).parents[2]
MODEL, METHOD = RUNS["NUTS"]
KILLS = {"NUTS": 10, "HMC": 5, "Marginalized": 5}


@contextlib.contextmanager
def often():
    """Have a chunk a step, and write after each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("probdl.inference.driver.SECONDS", 1e-9)
        patch.setattr("probdl.inference.keeping.SHARE", np.inf)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, and its result."""
    store = tmp_path_factory.mktemp("finished") / "run.zarr"
    return store, pdl.infer(MODEL, METHOD, key=KEY, store=store)


def longer(method, num_samples):
    if isinstance(method, pdl.Marginalized):
        return replace(method, inner=longer(method.inner, num_samples))
    return replace(method, num_samples=num_samples)


def at_moments(name, moments, folder):
    """Run, and copy what is on disk after some numbers of steps; return the copies, and the result."""
    model, method = RUNS[name]
    left = []

    def keep(snapshot):
        if snapshot.steps in moments:
            left.append(copied(folder / "run.zarr", folder / f"{snapshot.steps}.zarr"))

    with often():
        whole = pdl.infer(model, method, key=KEY, store=folder / "run.zarr", callback=keep)
    return left, whole


def test_goes_on_from_any_moment(tmp_path, finished):
    left, whole = at_moments("NUTS", {16, 75, 125}, tmp_path)
    same(whole, finished[1])
    assert len(left) == 3
    for store in left:
        same(pdl.infer(MODEL, METHOD, key=KEY, store=store, resume=True), whole)
        same(pdl.Result.load(store), whole)


@pytest.mark.parametrize("name", by_name(list(RUNS), whole=["NUTS"]))
def test_goes_on_from_every_window(name, tmp_path):
    left, whole = at_moments(name, {2, 15, 30, 40, 59, 60, 61, 90, 119, 120, 150}, tmp_path)
    assert len(left) > 5
    for store in left:
        same(pdl.infer(*RUNS[name], key=KEY, store=store, resume=True), whole)
    np.testing.assert_array_equal(pdl.infer(*RUNS[name], key=KEY)["mu"], whole["mu"])


def test_a_kill_between_draws_and_state_costs_nothing(tmp_path, finished):
    store, save = tmp_path / "run.zarr", checkpoint.save

    def copy_before(path, tree, facts):
        if int(tree.clock.drawn) == 10:
            copied(store, tmp_path / "left.zarr")
        save(path, tree, facts)

    with often(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", copy_before)
        pdl.infer(MODEL, longer(METHOD, 11), key=KEY, store=store)
    assert pdl.Result.load(tmp_path / "left.zarr").data["posterior"].sizes["draw"] == 10
    same(pdl.infer(MODEL, METHOD, key=KEY, store=tmp_path / "left.zarr", resume=True), finished[1])


def test_a_finished_run_is_returned_shortened_or_extended(tmp_path, finished, monkeypatch):
    store = copied(finished[0], tmp_path / "run.zarr")
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    with monkeypatch.context() as patch:
        patch.setattr("probdl.inference.chains.run_chunk", None)
        same(pdl.infer(MODEL, METHOD, key=KEY, store=store, resume=True), finished[1])
        few = pdl.infer(MODEL, longer(METHOD, 25), key=KEY, store=store, resume=True)
    np.testing.assert_array_equal(few["mu"], finished[1]["mu"][:, :25])
    assert few.data.attrs["num_samples"] == 25
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before
    seconds = pdl.Result.load(store).data.attrs["wall_time_seconds"]
    long = pdl.infer(MODEL, longer(METHOD, 1100), key=KEY, store=store, resume=True)
    at_once = pdl.infer(MODEL, longer(METHOD, 1100), key=KEY, store=tmp_path / "once.zarr")
    same(long, at_once)
    assert long.data.attrs["created_at"] == finished[1].data.attrs["created_at"]
    assert long.data.attrs["wall_time_seconds"] > seconds
    np.testing.assert_array_equal(long.data["posterior"]["draw"], np.arange(1100))


def test_an_extension_that_was_killed_is_readable(tmp_path, finished):
    import zarr

    store = copied(finished[0], tmp_path / "run.zarr")
    root = zarr.open_group(store, mode="r+", use_consolidated=False)
    root["posterior/mu"].resize((4, 500))
    (store / "zarr.1234.partial").write_text("{")
    same(pdl.Result.load(store), finished[1])
    long = pdl.infer(MODEL, longer(METHOD, 80), key=KEY, store=store, resume=True)
    np.testing.assert_array_equal(long["mu"][:, :60], finished[1]["mu"])
    assert not list(store.glob("*.partial"))


def test_it_begins_where_there_is_none(tmp_path, finished):
    same(pdl.infer(MODEL, METHOD, key=KEY, store=tmp_path / "run.zarr", resume=True), finished[1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.zarr", "run.zarr.checkpoint"]


def other_program(y):
    mu = numpyro.sample("mu", dist.Normal(1.0, 2.5))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    numpyro.deterministic("double", 2 * mu)
    with numpyro.plate("N", len(y)):
        numpyro.sample("y", dist.Normal(mu, sigma), obs=y)


@pytest.mark.parametrize(
    ("model", "method", "key", "reason"),
    [
        (pdl.Model(other_program, HEIGHTS), METHOD, KEY, "its program is another one"),
        (pdl.Model(spread, HEIGHTS + 1e-9), METHOD, KEY, "its data are others"),
        (pdl.Model(spread, HEIGHTS[:4]), METHOD, KEY, "its program is another one"),
        (SPREAD.do(sigma=np.array(1.0)), METHOD, KEY, "its program is another one"),
        (SPREAD, pdl.HMC(num_samples=60, num_warmup=120), KEY, r"its method was NUTS\(.*, and is HMC\("),
        (SPREAD, replace(METHOD, num_chains=2), KEY, r"num_chains=4.*, and is NUTS\(.*num_chains=2"),
        (SPREAD, METHOD, KEY + 1, "its key is another one"),
    ],
)
def test_another_run_does_not_go_on(model, method, key, reason, finished):
    with pytest.raises(pdl.errors.CannotResume, match=f"another one: .*{reason}.*overwrite=True instead"):
        pdl.infer(model, method, key=key, store=finished[0], resume=True)


def test_other_labels_are_refused(finished):
    labels = {"dims": {"double": []}, "coords": {"place": [1]}}
    with pytest.raises(pdl.errors.CannotResume, match="its dims or coords are others"):
        pdl.infer(MODEL, METHOD, key=KEY, store=finished[0], resume=True, **labels)


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        content[len(content) // 3] ^= 4
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped"])
def test_a_damaged_checkpoint_is_refused(how, tmp_path, finished):
    store = copied(finished[0], tmp_path / "run.zarr")
    damage(folder_of(store) / checkpoint.FILE, how)
    with pytest.raises(pdl.errors.CannotResume, match="its checkpoint '.*' (cannot be read|is damaged)"):
        pdl.infer(MODEL, METHOD, key=KEY, store=store, resume=True)
    same(pdl.Result.load(store), finished[1])


def test_what_is_missing_is_said(tmp_path, finished):
    gone = copied(finished[0], tmp_path / "gone.zarr")
    shutil.rmtree(gone)
    with pytest.raises(pdl.errors.CannotResume, match="its draws at '.*gone.zarr' are gone"):
        pdl.infer(MODEL, METHOD, key=KEY, store=gone, resume=True)
    lone = copied(finished[0], tmp_path / "lone.zarr")
    shutil.rmtree(folder_of(lone))
    with pytest.raises(pdl.errors.CannotResume, match="there is no checkpoint in '.*lone.zarr.checkpoint'"):
        pdl.infer(MODEL, METHOD, key=KEY, store=lone, resume=True)
    mixed = copied(finished[0], tmp_path / "mixed.zarr")
    shutil.rmtree(mixed)
    pdl.infer(MODEL, METHOD, key=KEY + 1, store=tmp_path / "other.zarr")
    shutil.copytree(tmp_path / "other.zarr", mixed)
    with pytest.raises(pdl.errors.CannotResume, match="are of a run of which there is no checkpoint"):
        pdl.infer(MODEL, METHOD, key=KEY, store=mixed, resume=True)


def test_a_run_that_is_there_is_not_lost_by_mistake(tmp_path, finished):
    store = copied(finished[0], tmp_path / "run.zarr")
    with pytest.raises(FileExistsError, match=r"resume=True to go on with the run there, or overwrite=True"):
        pdl.infer(MODEL, METHOD, key=KEY, store=store)
    with pytest.raises(ValueError, match="Expected either resume=True"):
        pdl.infer(MODEL, METHOD, key=KEY, store=store, resume=True, overwrite=True)
    nowhere = pdl.Model(spread, np.full(5, np.nan))
    with pytest.raises(ValueError, match="'y'"):
        pdl.infer(nowhere, METHOD, key=KEY, store=store, overwrite=True)
    same(pdl.infer(MODEL, METHOD, key=KEY, store=store, resume=True), finished[1])


def test_a_warm_up_that_is_there_is_not_lost_by_mistake(tmp_path):
    store = tmp_path / "run.zarr"

    def stop(snapshot):
        return snapshot.steps == 50

    with often(), pytest.raises(RuntimeError, match=r"got True after 50 of 120 steps.*resume=True"):
        pdl.infer(MODEL, METHOD, key=KEY, store=store, callback=stop)
    assert not store.exists()
    with pytest.raises(FileExistsError, match=r"of a run that had not drawn yet\. Pass resume=True"):
        pdl.infer(MODEL, METHOD, key=KEY, store=store)
    gone_on = pdl.infer(MODEL, METHOD, key=KEY, store=store, resume=True)
    same(gone_on, pdl.infer(MODEL, METHOD, key=KEY, store=store, overwrite=True))


def test_options_that_cannot_be_meant(tmp_path):
    store = tmp_path / "run.zarr"
    for given, text in (
        ({"resume": True}, "Expected a store for a run that can be gone on with; got none"),
        ({"checkpoint": tmp_path / "c"}, "Expected a store for a run that can be gone on with; got none"),
        ({"store": store, "resume": True, "checkpoint": False}, "got checkpoint=False"),
        ({"store": store, "checkpoint": store / "inside"}, "outside of the store"),
        ({"store": store, "checkpoint": store}, "outside of the store"),
    ):
        with pytest.raises(ValueError, match=text):
            pdl.infer(MODEL, METHOD, key=KEY, **given)
    assert not store.exists()


def test_the_checkpoint_may_lie_elsewhere_or_nowhere(tmp_path, finished):
    store, elsewhere = tmp_path / "run.zarr", tmp_path / "fast" / "state"
    few = longer(METHOD, 30)
    pdl.infer(MODEL, few, key=KEY, store=store, checkpoint=elsewhere)
    assert (elsewhere / checkpoint.FILE).is_file()
    assert not folder_of(store).exists()
    same(pdl.infer(MODEL, METHOD, key=KEY, store=store, checkpoint=elsewhere, resume=True), finished[1])
    pdl.infer(MODEL, few, key=KEY, store=tmp_path / "none.zarr", checkpoint=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fast", "none.zarr", "run.zarr"]


@dataclass(frozen=True, kw_only=True)
class AllAtOnce(Method):
    """Draws of nothing but a counter."""

    instead = ""

    def applicable(self, model):
        return None

    def run(self, key, model, options):
        draws = destination(model, options, {**provenance(key, self), "num_samples": 6})
        draws.append({"mu": np.arange(12.0).reshape(2, 6)}, {"lp": np.zeros((2, 6))})
        return pdl.Result(draws.finish())


def test_a_method_that_draws_all_at_once_has_nothing_to_go_on_with(tmp_path):
    store = tmp_path / "run.zarr"
    first = pdl.infer(MODEL, AllAtOnce(), key=1, store=store, resume=True)
    assert first["mu"][1, 5] == 11
    with pytest.raises(pdl.errors.CannotResume, match="draws all at once, and has no checkpoint"):
        pdl.infer(MODEL, AllAtOnce(), key=1, store=store, resume=True)
    with pytest.raises(FileExistsError, match="nothing there"):
        pdl.infer(MODEL, AllAtOnce(), key=1, store=store)
    pdl.infer(MODEL, AllAtOnce(), key=1, store=store, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["run.zarr"]


def test_one_run_at_a_time(tmp_path, finished):
    store = copied(finished[0], tmp_path / "run.zarr")
    (tmp_path / "link.zarr").symlink_to(store)
    refused = []

    def refuse(path, **options):
        with pytest.raises(BlockingIOError, match="Expected no other run to write to '.*run.zarr'"):
            pdl.infer(MODEL, METHOD, key=1, store=path, **options)
        refused.append(options)

    def begin_another(snapshot):
        for path in (store, tmp_path / "link.zarr"):
            for options in ({"resume": True}, {"overwrite": True}, {"overwrite": True, "checkpoint": False}):
                refuse(path, **options)
        with pytest.raises(BlockingIOError, match="Expected no other run"):
            finished[1].save(store, overwrite=True)

    long = pdl.infer(MODEL, longer(METHOD, 70), key=KEY, store=store, resume=True, callback=begin_another)
    assert len(refused) >= 6
    np.testing.assert_array_equal(long["mu"][:, :60], finished[1]["mu"])
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_facts_do_not_depend_on_the_process():
    """The kill tests say so of the rest: here, arguments that have no text of their own."""
    models = [pdl.Model(through, HEIGHTS, f) for f in (lambda x: 2 * x, lambda x: 2 * x, lambda x: 3 * x)]
    first, again, other = (facts(jax.random.key(0), METHOD, model, Options()) for model in models)
    assert identity(first) == identity(again) != identity(other)
    assert first["program"] != other["program"]


def through(y, function):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    with numpyro.plate("N", len(y)):
        numpyro.sample("y", dist.Normal(function(mu), 1), obs=y)


CHILD = """
import sys, warnings
import probdl as pdl
from probdl.inference import driver, keeping
from tests.inference.runs import KEY, RUNS
warnings.simplefilter("ignore")
driver.SECONDS, keeping.SHARE = 1e-9, float("inf")
name, store = sys.argv[1:]
pdl.infer(*RUNS[name], key=KEY, store=store, resume=True)
"""


def killed(name, store, after, cache):
    """Run in another process, kill it after so many changes of its checkpoint; return whether it was done."""
    environment = {**os.environ, "PROBDL_COMPILATION_CACHE": str(cache)}
    command = [sys.executable, "-c", CHILD, name, str(store)]
    child = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    path, seen, changed = folder_of(store) / checkpoint.FILE, None, 0
    while child.poll() is None and changed <= after:
        now = path.stat().st_mtime_ns if path.exists() else None
        changed += now != seen and seen is not None
        seen = now or seen
        time.sleep(1e-3)
    time.sleep(random.uniform(0, 0.02))
    child.kill()
    _, err = child.communicate()
    assert child.returncode in (0, -signal.SIGKILL), err
    return child.returncode == 0


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where children keep what they compile."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(
    "after", [pytest.param(30, marks=pytest.mark.slow, id="warm-up"), pytest.param(125, id="sampling")]
)
def test_goes_on_after_a_kill(after, tmp_path, finished, cache):
    store = tmp_path / "run.zarr"
    assert not killed("NUTS", store, after, cache)
    assert store.exists() == (after > 120)
    same(pdl.infer(MODEL, METHOD, key=KEY, store=store, resume=True), finished[1])


@pytest.mark.parametrize("name", by_name(list(KILLS), whole=["NUTS"]))
def test_goes_on_after_many_kills(name, tmp_path, cache):
    kills = KILLS[name]
    store, done = tmp_path / "run.zarr", 0
    random.seed(kills)
    while done < kills and not killed(name, store, random.randrange(1, 30), cache):
        done += 1
    same(
        pdl.infer(*RUNS[name], key=KEY, store=store, resume=True),
        pdl.infer(*RUNS[name], key=KEY, store=tmp_path / "whole.zarr"),
    )
    assert done > kills // 2


@pytest.mark.slow
def test_two_processes_on_one_store(tmp_path, cache):
    store = tmp_path / "run.zarr"
    environment = {**os.environ, "PROBDL_COMPILATION_CACHE": str(cache)}
    slow = CHILD.replace("KEY, RUNS\n", "KEY, RUNS\nfrom dataclasses import replace\nimport time\n").replace(
        "resume=True", "callback=lambda s: time.sleep(0.1)"
    )
    child = subprocess.Popen([sys.executable, "-c", slow, "NUTS", str(store)], cwd=ROOT, env=environment)
    try:
        count = 0
        while not count:
            assert child.poll() is None
            time.sleep(0.01)
            if store.exists():
                count = json.loads((store / "zarr.json").read_text())["attributes"]["committed"]
        for options in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(BlockingIOError, match="Expected no other run to write"):
                pdl.infer(MODEL, METHOD, key=KEY, store=store, **options)
        assert store.exists()
        assert child.poll() is None
        child.kill()
        child.wait()
        assert pdl.Result.load(store).data["posterior"].sizes["draw"] >= count
        with claimed(store):
            pass
    finally:
        child.kill()
        child.wait()
