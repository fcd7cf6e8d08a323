"""A run stops where it is told to, says how it goes, and asks for no more memory than there is."""

import re

import numpy as np
import pytest
from arviz_stats.base.array import array_stats
from scipy.signal import lfilter

import probdl as pdl
from probdl.inference import memory
from probdl.inference.live import MOST_DRAWS, MOST_ELEMENTS, Thinned, kept_for, next_look
from probdl.inference.reading import open_store
from tests.inference.programs import HEIGHTS
from tests.inference.runs import KEY, SPREAD, copied, same

METHOD = pdl.NUTS(num_samples=4000, num_warmup=120)
UNTIL = pdl.Until(min_ess=400, max_rhat=1.05)


def slowly(patch, seconds=1e-9):
    patch.setattr("probdl.inference.driver.SECONDS", seconds)


@pytest.mark.slow
def test_it_stops_when_there_is_enough(monkeypatch, tmp_path):
    result = pdl.infer(SPREAD, METHOD, key=KEY, until=UNTIL, store=tmp_path / "run.zarr")
    count = result.data["posterior"].sizes["draw"]
    assert 100 <= count < 1000
    assert next_look(count - 1) == count
    assert result.data.attrs["ended"] == "the condition to stop was met"
    assert pdl.Status.INTERRUPTED not in {finding.status for finding in result.findings}
    assert pdl.Result.load(tmp_path / "run.zarr").findings == result.findings
    whole = pdl.infer(SPREAD, METHOD, key=KEY)
    np.testing.assert_array_equal(result["mu"], whole["mu"][:, :count])
    slowly(monkeypatch, 1e-3)
    in_pieces = pdl.infer(SPREAD, METHOD, key=KEY, until=UNTIL)
    assert in_pieces.data["posterior"].sizes["draw"] == count


@pytest.mark.slow
def test_a_run_that_is_gone_on_with_stops_at_the_same_draw(tmp_path, monkeypatch):
    store, at = tmp_path / "run.zarr", []

    def copy(snapshot):
        if snapshot.drawn in (60, 100, 125):
            at.append(copied(store, tmp_path / f"{snapshot.drawn}.zarr"))

    with monkeypatch.context() as patch:
        slowly(patch)
        patch.setattr("probdl.inference.keeping.SHARE", 0.5)
        whole = pdl.infer(SPREAD, METHOD, key=KEY, until=UNTIL, store=store, callback=copy)
    assert len(at) > 1
    for left in (*at, store):
        same(pdl.infer(SPREAD, METHOD, key=KEY, until=UNTIL, store=left, resume=True), whole)
    count = whole.data["posterior"].sizes["draw"]
    longer = pdl.infer(
        SPREAD, pdl.NUTS(num_samples=count + 5, num_warmup=120), key=KEY, store=store, resume=True
    )
    assert longer.data.attrs["ended"] == "all draws were made"
    assert longer.data["posterior"].sizes["draw"] == count + 5


@pytest.mark.parametrize("min_ess", [400, 20_000, 100_000])
@pytest.mark.parametrize("autocorrelation", [0.0, 0.9])
def test_thinned_draws_are_worth_what_a_run_is_asked_for(min_ess, autocorrelation):
    rng, thinned = np.random.default_rng(1), Thinned(kept_for(min_ess, 4))
    time_apart = (1 + autocorrelation) / (1 - autocorrelation)
    count = int(1.5 * min_ess * time_apart / 4)
    noise = rng.normal(size=(4, count))
    draws = lfilter([np.sqrt(1 - autocorrelation**2)], [1, -autocorrelation], noise, axis=1)
    thinned.add({"x": draws})
    ess = array_stats.ess(thinned.samples["x"][..., 0], chain_axis=0, draw_axis=1)
    assert ess > min_ess


def test_until_that_is_never_met_draws_all():
    result = pdl.infer(
        SPREAD, pdl.NUTS(num_samples=130, num_warmup=120), key=KEY, until=pdl.Until(min_ess=1e9)
    )
    assert result.data["posterior"].sizes["draw"] == 130
    assert result.data.attrs["ended"] == "all draws were made"


def test_a_callback_is_told_and_may_stop(monkeypatch):
    slowly(monkeypatch)
    seen = []

    def stop(snapshot):
        seen.append(snapshot)
        return snapshot.drawn == 30

    result = pdl.infer(SPREAD, METHOD, key=KEY, callback=stop)
    assert result.data["posterior"].sizes["draw"] == 30
    assert result.data.attrs["ended"] == "a callback asked to stop"
    assert pdl.Status.INTERRUPTED not in {finding.status for finding in result.findings}
    assert [s.steps for s in seen] == list(range(1, seen[-1].steps + 1))
    assert [s.drawn for s in seen[-31:]] == list(range(31))
    last = seen[-1]
    np.testing.assert_array_equal(last.samples["mu"][:, :, 0], result["mu"])
    assert set(last.samples) == {"mu", "sigma", "double"}
    assert len(last.samples) == 3
    assert last.divergences == int(result.data["sample_stats"]["diverging"].sum())
    assert last.step_size == result.data["sample_stats"]["step_size"][0, -1]
    assert 0 < last.seconds_left < 1e4
    assert 0 < last.seconds < 600
    assert seen[0].warming_up
    assert not last.warming_up
    assert np.isinf(seen[0].max_rhat)
    assert 0.9 < last.max_rhat < 3


def test_only_true_stops():
    result = pdl.infer(
        SPREAD, pdl.NUTS(num_samples=20, num_warmup=20), key=KEY, callback=lambda snapshot: "go on"
    )
    assert result.data["posterior"].sizes["draw"] == 20


def test_stopping_at_the_last_draw_is_complete():
    result = pdl.infer(
        SPREAD, pdl.NUTS(num_samples=20, num_warmup=20), key=KEY, callback=lambda s: s.drawn == s.num_samples
    )
    assert result.data.attrs["ended"] == "all draws were made"


def test_a_callback_that_ends_the_warm_up():
    with pytest.raises(
        RuntimeError, match=r"Expected a callback that lets the run draw.*snapshot\.drawn is above"
    ):
        pdl.infer(SPREAD, METHOD, key=KEY, callback=lambda snapshot: True)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"until": 400}, "Expected until to be an Until; got 400"),
        ({"callback": 3}, "Expected a callback that can"),
    ],
)
def test_bad_options(given, text):
    with pytest.raises(TypeError, match=text):
        pdl.infer(SPREAD, METHOD, key=KEY, **given)


@pytest.mark.parametrize("given", [{"min_ess": 0}, {"max_rhat": 1.0}, {"min_ess": float("nan")}])
def test_conditions_that_cannot_be_met(given):
    with pytest.raises(ValueError, match="Expected min_ess above 0 and max_rhat above 1"):
        pdl.Until(**given)


def test_the_progress_bar_tells_how_it_goes(capsys, monkeypatch, tmp_path):
    slowly(monkeypatch, 0.02)
    method = pdl.NUTS(num_samples=300, num_warmup=120)
    result = pdl.infer(SPREAD, method, key=KEY, progress=True, store=tmp_path / "run.zarr")
    diverged = int(result.data["sample_stats"]["diverging"].to_numpy().sum())
    shown = capsys.readouterr().err
    assert "warm-up: " in shown
    last = shown.rsplit("\r", 1)[-1]
    steps = r"sampling: 100%.* (\d+)/\1 \[\d\d:\d\d<00:00,"
    assert re.search(steps, last), last
    for text in ("chains=4", "step size=", f"divergences={diverged},", "R-hat=1.", "ESS="):
        assert text in last
    assert re.search(r"<\d\d:\d\d,", shown.split("sampling")[1])  # the time that is left
    more = pdl.NUTS(num_samples=400, num_warmup=120)
    pdl.infer(SPREAD, more, key=KEY, progress=True, store=tmp_path / "run.zarr", resume=True)
    shown = capsys.readouterr().err
    first = int(re.search(r" (\d+)/\d+ \[", shown.split("sampling")[1]).group(1))
    assert first > 300
    assert "divergences=" in shown


def test_draws_are_thinned_alike_in_any_blocks():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(2, 3 * MOST_DRAWS, 3))
    whole, pieces = Thinned(), Thinned()
    whole.add({"x": draws})
    at = 0
    while at < draws.shape[1]:
        size = int(rng.integers(1, 90))
        pieces.add({"x": draws[:, at : at + size]})
        at += size
    np.testing.assert_array_equal(whole.samples["x"], pieces.samples["x"])
    np.testing.assert_array_equal(whole.samples["x"], draws[:, ::4])


def test_few_elements_of_many_are_looked_at():
    thinned = Thinned()
    thinned.add({f"s{i}": np.zeros((1, 2, 1000)) for i in range(8)})
    assert sum(array.shape[2] for array in thinned.samples.values()) <= MOST_ELEMENTS


def test_a_snapshot_stays_as_it_was():
    thinned = Thinned()
    thinned.add({"x": np.zeros((1, 2))})
    before = thinned.samples
    thinned.add({"x": np.ones((1, 2))})
    assert before["x"].shape == (1, 2, 1)


def test_more_draws_than_memory_are_refused_before_any(tmp_path, monkeypatch):
    with pytest.raises(MemoryError, match=r"1000000000 draws.*13 numbers.*TB|GB.*Pass store='run.zarr'"):
        pdl.infer(SPREAD, pdl.NUTS(num_samples=1_000_000_000), key=KEY)
    with pytest.raises(
        MemoryError, match=r"got 1000000000 of them, which need about .* GB.*Pass num_chains=\d+"
    ):
        pdl.infer(SPREAD, pdl.NUTS(num_chains=1_000_000_000), key=KEY, store=tmp_path / "run.zarr")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(memory, "free_memory", lambda: 2e6)
    with pytest.raises(MemoryError, match="0.002 GB that are free"):
        pdl.infer(SPREAD, pdl.NUTS(num_samples=20_000), key=KEY)


def test_free_memory_of_machine_and_container(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    machine = memory.free_memory()
    assert 1e8 < machine < 1e14
    for name, text in (("max", "3000"), ("current", "1500"), ("stat", "anon 900\ninactive_file 600\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert memory.free_memory() == 2100
    (tmp_path / "memory.max").write_text("max")
    assert memory.free_memory() > 1e8
    monkeypatch.setattr(memory, "MEMORY", tmp_path / "none")
    assert memory.free_memory() > machine / 2


def test_stored_draws_are_not_kept_in_memory(tmp_path):
    result = pdl.infer(
        pdl.Model(SPREAD.program, HEIGHTS),
        pdl.NUTS(num_samples=30, num_warmup=20),
        key=1,
        store=tmp_path / "r.zarr",
    )
    array = result["mu"]
    array.to_numpy()
    assert not isinstance(array.variable._data, np.ndarray)
    assert open_store(tmp_path / "r.zarr", 7)["posterior"].sizes["draw"] == 7
