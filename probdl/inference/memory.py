"""Whether chains and draws fit into memory: looked at before anything is allocated."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from probdl.inference.chunks import longest
from probdl.program.model import Model
from probdl.program.target import Sampled

if TYPE_CHECKING:
    from probdl.inference.mcmc.markov_chain import MarkovChain

STATISTICS = 10
STATES = 30  # positions, gradients and momenta that a trajectory remembers, and copies on their way
WINDOW_COPIES = 4  # draws and scores of a window, and the arrays that they are joined from
MEMORY, GROUPS = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
GIGABYTE = 1e9


def check_memory(method: MarkovChain, model: Model, density: Sampled, *, stored: bool) -> None:
    """Check that a run fits into memory, by an estimate from below.

    Args:
        method: The method.
        model: The model.
        density: What is sampled of it.
        stored: Whether draws go to disk.

    Raises:
        MemoryError: If it does not.
    """
    count, chains = method.num_chains, _bytes_of_chains(method, model, density)
    fewer = max(1, int(min(count, count * free_memory() / max(chains, 1) / 2)))
    _check(chains, "chains", f"{count} of them", f"Pass num_chains={fewer}.")
    if stored:
        return
    numbers = _numbers(model) + STATISTICS
    draws = float(count) * method.num_samples * numbers * method.precision.floating.itemsize
    _check(
        chains + draws,
        "draws",
        f"{count} chains of {method.num_samples} draws of {numbers} numbers",
        "Pass store='run.zarr', which keeps them on disk, or fewer num_samples or num_chains.",
    )


def check_size(numbers: float, *, kind: str, given: str, instead: str) -> None:
    """Check that arrays in double precision fit into memory, by an estimate from below.

    Args:
        numbers: How many numbers they have, copies included.
        kind: What they are, for the message.
        given: What was asked for.
        instead: What to ask for.

    Raises:
        MemoryError: If they do not.

    Example:
        >>> check_size(1e30, kind="draws", given="1e30 of them", instead="Pass fewer num_samples.")
        Traceback (most recent call last):
        MemoryError: Expected draws that fit into memory; got 1e30 of them, which need about 8e+21 GB of ...
    """
    _check(8 * numbers, kind, given, instead)


def _check(needed: float, kind: str, given: str, instead: str) -> None:
    free = free_memory()
    if needed > free:
        raise MemoryError(
            f"Expected {kind} that fit into memory; got {given}, which need about {_size(needed)} of the "
            f"{_size(free)} that are free. {instead}"
        )


def _bytes_of_chains(method: MarkovChain, model: Model, density: Sampled) -> float:
    one = float(method.num_chains) * density.layout.dim * method.precision.floating.itemsize
    row = float(method.num_chains) * _numbers(model) * method.precision.floating.itemsize
    window = max(method.schedule().lengths, default=0) if method.learns else 0
    return one * (STATES + WINDOW_COPIES * window) + row * longest(model, density, method)


def _numbers(model: Model) -> int:
    return sum(math.prod(site.shape) for site in model.sites.values() if not site.is_observed)


def _size(count: float) -> str:
    return f"{count / GIGABYTE:.3g} GB"


def free_memory() -> float:
    """Return how many bytes of memory this process may still take; infinite if that is not known.

    Example:
        >>> free_memory() > 0
        True
    """
    return min(_of_machine(), _of_group())


def _of_machine() -> float:
    try:
        for line in MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def _of_group() -> float:
    """Return what the limit of a container leaves."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            most, now = (int((GROUPS / name).read_text()) for name in (limit, used))
            text = (GROUPS / used).with_name("memory.stat").read_text()
            stats = dict(line.split() for line in text.splitlines())
        except (OSError, ValueError):  # no limit, or another kind of system
            continue
        return float(most - now + int(stats.get("inactive_file", 0)))  # what is only cached can go
    return math.inf
