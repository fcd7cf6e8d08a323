"""How a run went, in words that say what to do."""

from __future__ import annotations

import enum
from dataclasses import dataclass

ENDED = "ended"


class Ended(enum.Enum):
    """Why a run made no more draws."""

    COMPLETE = "all draws were made"
    UNTIL = "the condition to stop was met"
    CALLBACK = "a callback asked to stop"
    INTERRUPTED = "the user stopped it"


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
    DEGENERATE = (
        "A part of the model has shrunk to a point, where the likelihood has no bound: give the parameter a "
        "prior and name it in parameters, set a floor by its constraint (greater_than), or start elsewhere "
        "(num_restarts)."
    )
    NO_MAXIMUM = (
        "There is no maximum here, so that there are no standard errors: parameters may be confounded, or "
        "the start symmetric; start elsewhere (num_restarts), or fix one of them by do."
    )
    NO_SLOPE = (
        "The slope of the log-density is not a number there: look for a root, a logarithm or a norm at zero, "
        "also in the branch of a where that is not taken."
    )
    UNTOUCHED = "Nothing was learnt of it: use it in the program, or fix it by do."
    UNORDERED = (
        "The components are in the order in which they were found: name a parameter in order_by whose first "
        "axis is that of components that can be exchanged."
    )
    NOT_CONVERGED = "Raise max_steps, or pass accelerate=SQUAREM()."
    STUCK_CHAIN = (
        "A chain that does not move says nothing: raise target_acceptance or num_warmup, or look at the "
        "density where it is stuck."
    )
    SEVERAL_MODES = (
        "The chains are in different modes, whose weights they do not tell: use ParallelTempering or SMC, or "
        "break the symmetry (order the components)."
    )
    HIGH_RHAT = (
        "The chains disagree, so that none of the numbers can be trusted: raise num_warmup, re-parametrise, "
        "or look for several modes and for labels that can be swapped."
    )
    UNDEFINED = (
        "The log-density is not a number there, and such draws were left out: keep the parameters of the "
        "distributions in their domain whatever the latents are (a scale by exp or softplus)."
    )
    HIGH_PARETO_K = (
        "A few weights outweigh all others, so that estimates may be far off and their errors too small: "
        "take a proposal nearer to the posterior and with heavier tails, SMC or NUTS; where observations "
        "are left out, refit without these, or take a likelihood with heavier tails."
    )
    DIVERGENCES = (
        "The sampler misses regions of high curvature: raise target_acceptance (0.95, 0.99), or "
        "pass reparametrize='auto' for hierarchies."
    )
    MAX_TREE_DEPTH = (
        "Trajectories were cut off: raise max_tree_depth or num_warmup, or rescale the inputs to unit size."
    )
    LOW_EBFMI = (
        "The energy is explored slowly, which points to heavy tails: re-parametrise, or raise num_warmup."
    )
    BIASED = (
        "Every step was taken, whatever its error: lower the step size or the bias or energy variance that "
        "it aims at, give more rows to a minibatch, or use a method that tests its steps, such as MALA or "
        "NUTS."
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
