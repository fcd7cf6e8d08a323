"""What is written is whole or not at all: damage is found, a full disk is survived, a lock is held."""

import contextlib
import errno
import os
import subprocess
import sys
import time
import warnings
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

import probdl as pdl
from probdl.inference import checkpoint
from probdl.inference.claim import claimed
from probdl.inference.keeping import SHARE, Keeper
from probdl.inference.processes import Processes
from probdl.inference.warmup import Clock
from tests.inference.runs import KEY, RUNS, copied, folder_of, same

MODEL, METHOD = RUNS["NUTS"]


class Tree(NamedTuple):
    number: int
    flag: np.ndarray
    parts: dict
    nothing: tuple = ()


TREE = Tree(
    3,
    np.True_,
    {"a": np.arange(6.0).reshape(2, 3).T, "b/c['d']": np.zeros((2, 0), "float32"), "i": np.array([7])},
)
FACTS = {"program": "p", "seconds": 1.5, "text": "ä"}


def test_what_is_saved_is_restored(tmp_path):
    checkpoint.save(tmp_path / "c.npz", TREE, FACTS)
    arrays, facts = checkpoint.load(tmp_path / "c.npz")
    assert facts == FACTS
    back = checkpoint.restored(TREE, arrays)
    assert back.number == 3
    assert back.flag.dtype == bool
    for name, array in TREE.parts.items():
        np.testing.assert_array_equal(back.parts[name], array)
        assert back.parts[name].dtype == array.dtype
    for other in (
        TREE._replace(number=3.0),
        TREE._replace(flag=np.zeros(2, bool)),
        TREE._replace(parts={"z": 1}),
    ):
        with pytest.raises(pdl.errors.CannotResume, match="has no array that fits"):
            checkpoint.restored(other, arrays)


def test_any_damage_is_found(tmp_path):
    path = tmp_path / "c.npz"
    checkpoint.save(path, TREE, FACTS)
    content = path.read_bytes()
    before = checkpoint.load(path)
    harmless = 0
    for at in range(0, len(content), 7):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :]):
            path.write_bytes(damaged)
            with warnings.catch_warnings(action="ignore"), contextlib.suppress(pdl.errors.CannotResume):
                after = checkpoint.load(path)
                harmless += 1
                assert after[1] == before[1]  # a byte that says nothing of the content, such as a date
                for name, array in before[0].items():
                    np.testing.assert_array_equal(after[0][name], array)
    assert harmless < len(content) / 14


def test_pickles_are_not_loaded(tmp_path):
    np.savez(tmp_path / "c.npz", head=np.array([{"leaves": []}], dtype=object))
    with pytest.raises(pdl.errors.CannotResume, match="cannot be read.*allow_pickle=False"):
        checkpoint.load(tmp_path / "c.npz")


@pytest.mark.parametrize("where", ["os.fsync", "os.replace", "numpy.savez"])
def test_the_old_one_stays_until_the_new_one_is_whole(where, tmp_path, monkeypatch):
    path = tmp_path / "c.npz"
    checkpoint.save(path, TREE, FACTS)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(where, full)
        with pytest.raises(OSError, match="No space left"):
            checkpoint.save(path, TREE._replace(number=4), FACTS)
    assert checkpoint.load(path)[0][".number"] == 3
    assert os.listdir(tmp_path) == ["c.npz"]


def test_a_claim_is_held_and_given_back(tmp_path):
    path = tmp_path / "new" / "run.zarr"
    with claimed(path):
        with pytest.raises(
            BlockingIOError, match=r"Expected no other run to write to '.*run\.zarr'; got one that"
        ):
            claimed(path).__enter__()
        code = (
            "import sys, pathlib, probdl.inference.claim as c; "
            "c.claimed(pathlib.Path(sys.argv[1])).__enter__()"
        )
        other = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=False
        )
        assert "BlockingIOError: Expected no other run" in other.stderr
    with claimed(path), pytest.raises(KeyError), claimed(tmp_path / "other.zarr"):
        raise KeyError
    assert not list(path.parent.iterdir())


def test_a_lock_that_has_gone_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    from probdl.inference import claim

    lock, seen = tmp_path / ".run.zarr.lock", []

    def as_if_removed(descriptor, lock_it=claim._lock):
        lock_it(descriptor)
        if not seen:
            lock.unlink()
        seen.append(descriptor)

    monkeypatch.setattr(claim, "_lock", as_if_removed)
    with claimed(tmp_path / "run.zarr"):
        assert len(seen) == 2
        assert lock.exists()


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def unknown(descriptor):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("probdl.inference.claim._lock", unknown)
    with pytest.warns(UserWarning, match="without \\(Function not implemented\\). See to it that no other"):
        claimed(tmp_path / "run.zarr").__enter__()


class SlowDraws:
    pending, count, committed, commits = False, 0, 0, 0

    def commit(self):
        self.commits += 1
        time.sleep(0.01)


def test_writing_takes_a_small_part_of_the_time():
    devices = SimpleNamespace(processes=Processes(), fetch=lambda tree: tree)
    draws, began = SlowDraws(), time.perf_counter()
    keeper = Keeper(SimpleNamespace(devices=devices), draws, None, began)
    while time.perf_counter() - began < 1:
        keeper.keep(SimpleNamespace(clock=Clock()))
        time.sleep(0.001)
    assert 1 <= draws.commits <= 1 + SHARE / 0.01
    last, commits = SimpleNamespace(clock=Clock()), draws.commits
    for _ in range(3):
        keeper.keep(last, at_once=True)
    assert draws.commits == commits + 1
    draws.pending = True
    keeper.keep(SimpleNamespace(clock=Clock()))
    assert draws.commits == commits + 2


def test_draws_are_written_before_an_error_leaves(tmp_path):
    """The state, too: nothing is done twice."""
    store, drawn = tmp_path / "run.zarr", []

    def fail(snapshot):
        drawn.append(snapshot.drawn)
        if snapshot.drawn > 20:
            raise KeyError("mine")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("probdl.inference.driver.SECONDS", 1e-9)
        patch.setattr("probdl.inference.keeping.SHARE", 1e-9)
        with pytest.raises(KeyError, match="mine"):
            pdl.infer(MODEL, METHOD, key=KEY, store=store, callback=fail)
    assert pdl.Result.load(store).data["posterior"].sizes["draw"] == drawn[-1]
    steps = []
    gone_on = pdl.infer(
        MODEL, METHOD, key=KEY, store=store, resume=True, callback=lambda s: steps.append(s.steps)
    )
    assert steps[0] == 120 + drawn[-1] + 1
    same(gone_on, pdl.infer(MODEL, METHOD, key=KEY, store=tmp_path / "whole.zarr"))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of half a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a file system can be mounted by root alone")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder, leave):
    left = os.statvfs(folder)
    (folder / "filler").write_bytes(bytes(max(left.f_bavail * left.f_bsize - leave, 0)))


@pytest.mark.parametrize("steps", [60, 150], ids=["warm-up", "sampling"])
def test_a_full_disk_is_survived(steps, tmp_path, small_disk):
    store = small_disk / "run.zarr"

    def squeeze(snapshot):
        if snapshot.steps == steps:
            fill(small_disk, 4096)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("probdl.inference.driver.SECONDS", 1e-9)
        patch.setattr("probdl.inference.keeping.SHARE", np.inf)
        with pytest.raises(
            OSError, match=r"Expected room on the disk for draws at '.*'; got: .*resume=True"
        ) as caught:
            pdl.infer(MODEL, METHOD, key=KEY, store=store, callback=squeeze)
    assert caught.value.errno == errno.ENOSPC
    if steps > 120:
        stored = drawn(store)
        assert stored >= steps - 120
        assert f"{stored} draws of each chain are stored and can be read" in str(caught.value)
    (small_disk / "filler").unlink()
    assert not list(small_disk.rglob("*.partial"))
    store = copied(store, tmp_path / "run.zarr")
    whole = pdl.infer(MODEL, METHOD, key=KEY, store=tmp_path / "whole.zarr")
    same(pdl.infer(MODEL, METHOD, key=KEY, store=store, resume=True), whole)


def drawn(store):
    try:
        return pdl.Result.load(store).data["posterior"].sizes["draw"]
    except (FileNotFoundError, ValueError):
        return 0


@pytest.mark.parametrize("what", ["draws", "state"])
def test_a_full_disk_may_show_at_either(what, tmp_path, monkeypatch):
    import zarr.storage._local as local

    store = tmp_path / "run.zarr"
    module, name = (local, "_put") if what == "draws" else (checkpoint, "save")
    write = getattr(module, name)

    def full(*given, **named):
        here = what == "state" or "c" in given[0].parts
        if here and (given[1].clock.drawn if what == "state" else drawn(store)) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr("probdl.inference.driver.SECONDS", 1e-9)
        patch.setattr("probdl.inference.keeping.SHARE", np.inf)
        patch.setattr(module, name, full)
        with pytest.raises(
            OSError, match="4 draws of each chain are stored and can be read: mend that, then call"
        ):
            pdl.infer(MODEL, METHOD, key=KEY, store=store)
    assert folder_of(store).exists()
    whole = pdl.infer(MODEL, METHOD, key=KEY, store=tmp_path / "whole.zarr")
    same(pdl.infer(MODEL, METHOD, key=KEY, store=store, resume=True), whole)
