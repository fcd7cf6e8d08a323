"""How a run went, in words that say what to do."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class InferenceWarning(UserWarning):
    """A result that should not be trusted as it is."""


class Status(enum.Enum):
    """How a run went, the most severe first. The value of a member is its remedy.

    Example:
        >>> print(Status.DIVERGENCES)
        DIVERGENCES
    """

    INTERRUPTED = "Run it again, or use what was drawn: it is as good as that many draws are."
    IMPROPER = (
        "The data may not determine these sites and their priors may not integrate to one: give them a "
        "proper prior."
    )
    HIGH_RHAT = (
        "The chains disagree, so that none of the numbers can be trusted: raise num_warmup, re-parametrise, "
        "or look for several modes and for labels that can be swapped."
    )
    DIVERGENCES = (
        "The sampler misses regions of high curvature: raise target_acceptance (0.95, 0.99), or "
        "re-parametrise (a hierarchical site as loc + scale * standard normal)."
    )
    MAX_TREE_DEPTH = (
        "Trajectories were cut off: set dense_mass=True, rescale the inputs to unit size, or raise "
        "max_tree_depth."
    )
    LOW_EBFMI = (
        "The energy is explored slowly, which points to heavy tails: re-parametrise, or raise num_warmup."
    )
    LOW_ESS = "Estimates are noisy: raise num_samples."
    OK = "Nothing suspicious was found."

    def __str__(self) -> str:
        """Return the name."""
        return self.name


@dataclass(frozen=True)
class Finding:
    """One thing that was found in a run.

    Attributes:
        status: What kind of thing.
        detail: The numbers, and the site where it is worst.

    Example:
        >>> print(Finding(Status.LOW_ESS, "the smallest effective sample size is 31, at 'tau'"))
        LOW_ESS: the smallest effective sample size is 31, at 'tau'. Estimates are noisy: raise num_samples.
    """

    status: Status
    detail: str

    def __str__(self) -> str:
        """Return the message for the user."""
        return f"{self.status}: {self.detail}. {self.status.value}"


def verdict(findings: tuple[Finding, ...]) -> str:
    """Return what was found, a line each; the most severe first.

    Args:
        findings: What was found.

    Returns:
        One line or more.

    Example:
        >>> verdict(())
        'OK: Nothing suspicious was found.'
    """
    return "\n".join(map(str, findings)) or f"{Status.OK}: {Status.OK.value}"
