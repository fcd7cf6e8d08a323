"""What every test needs of its process.

Compiled code is dropped before the kernel runs out of memory maps for it: it allows 65530 a process. Most of
the time of the tests is compilation, and what it compiles runs once or twice: optimizing it takes longer than
it saves.
"""

import gc
import itertools
import os
import signal
from collections import defaultdict
from pathlib import Path

os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)

import jax
import pytest

MAPS = Path("/proc/self/maps")
MOST_MAPS = 40_000
numbers = itertools.count()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of the cases of a test that is marked few(n), leave n to a whole run; the others are exhaustive."""
    cases = defaultdict(list)
    for item in items:
        if item.get_closest_marker("few") and not item.get_closest_marker("exhaustive"):
            cases[item.nodeid.partition("[")[0]].append(item)
    for own in cases.values():
        (count,) = own[0].get_closest_marker("few").args
        kept = {round(k * (len(own) - 1) / max(count - 1, 1)) for k in range(count)}
        for number, item in enumerate(own):
            if number not in kept:
                item.add_marker(pytest.mark.slow)
                item.add_marker(pytest.mark.exhaustive)


@pytest.fixture(autouse=True, scope="session")
def ctrl_c():
    """Let Ctrl-C interrupt, also where the shell that began the tests in the background had it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def few_memory_maps():
    """Forget what was compiled if there is much of it; looked at after every tenth test."""
    yield
    if next(numbers) % 10 == 0 and MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()
