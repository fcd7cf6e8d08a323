"""JAX's cache on disk: on by default, off when told so, and it serves a second process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from probdl.inference.compilation_cache import folder
from tests.marks import exhaustive

ROOT = Path(__file__).parents[2]
RUN = """
import warnings
from jax import monitoring
events = []
monitoring.register_event_listener(lambda event, **_: events.append(event))
import jax
{before}
import probdl as pdl
from tests.inference.programs import HEIGHTS, gaussian
warnings.simplefilter("ignore")
pdl.infer(pdl.Model(gaussian, HEIGHTS), pdl.NUTS(num_samples=20, num_warmup=20), key=0)
count = lambda name: sum(event.endswith(name) for event in events)
print(count("cache_hits"), count("cache_misses"), jax.config.jax_compilation_cache_dir)
"""


def run(before="", **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_COMPILATION", "PROBDL_"))}
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(before=before)],
        cwd=ROOT,
        env=clean | {k: str(v) for k, v in environment.items()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    hits, misses, path = done.stdout.split()
    return int(hits), int(misses), path


@pytest.mark.slow
def test_a_second_process_compiles_almost_nothing(tmp_path):
    hits, misses, path = run(XDG_CACHE_HOME=tmp_path)
    assert path == str(tmp_path / "probdl" / "xla")
    assert misses > 0
    first = misses
    hits, misses, _ = run(XDG_CACHE_HOME=tmp_path)
    assert misses == 0
    assert hits == first


@exhaustive
def test_it_works_after_an_earlier_compilation(tmp_path):
    early = "jax.jit(lambda x: x + 1)(1.0)"
    run(before=early, XDG_CACHE_HOME=tmp_path)
    assert run(before=early, XDG_CACHE_HOME=tmp_path)[0] > 0


@pytest.mark.slow
def test_off_switch(tmp_path):
    assert run(XDG_CACHE_HOME=tmp_path, PROBDL_COMPILATION_CACHE="off") == (0, 0, "None")
    assert not list(tmp_path.iterdir())


@exhaustive
def test_the_users_choice_is_left_alone(tmp_path):
    before = f"jax.config.update('jax_compilation_cache_dir', {str(tmp_path / 'mine')!r})"
    assert run(before=before, XDG_CACHE_HOME=tmp_path)[2] == str(tmp_path / "mine")


@exhaustive
def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    assert run(XDG_CACHE_HOME=tmp_path / "file") == (0, 0, "None")


@pytest.mark.parametrize(
    ("environment", "platform", "path"),
    [
        ({"XDG_CACHE_HOME": "/c"}, "linux", Path("/c/probdl/xla")),
        ({}, "linux", Path("~/.cache/probdl/xla").expanduser()),
        ({"XDG_CACHE_HOME": "/c"}, "darwin", Path("~/Library/Caches/probdl/xla").expanduser()),
        ({"LOCALAPPDATA": "/local"}, "win32", Path("/local/probdl/xla")),
        ({"PROBDL_COMPILATION_CACHE": "/x"}, "linux", Path("/x")),
        ({"PROBDL_COMPILATION_CACHE": "OFF"}, "linux", None),
    ],
)
def test_where_it_lies(environment, platform, path):
    assert folder(environment, platform) == path
