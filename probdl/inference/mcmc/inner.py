"""Methods that other methods move by."""

from __future__ import annotations

from dataclasses import replace

from probdl.inference.mcmc.markov_chain import MarkovChain


def check_inner(method: object) -> None:
    """Check that another method can move some latents, or a replica, by this one.

    Args:
        method: What was given as an inner method.

    Raises:
        TypeError: If it is no Markov chain, or one that runs only alone.

    Example:
        >>> from probdl import NUTS
        >>> check_inner(NUTS())
    """
    if not isinstance(method, MarkovChain):
        raise TypeError(
            f"Expected an inner method that is a Markov chain; got {method!r}. Pass for instance NUTS()."
        )
    if method.only_alone:
        raise TypeError(
            f"Expected an inner method that moves part of a state; got {type(method).__name__}, but "
            f"{method.only_alone}. Pass for instance NUTS()."
        )


def as_long_as(outer: MarkovChain, inner: MarkovChain) -> MarkovChain:
    """Return an inner method with the lengths and the precision of the outer one.

    Args:
        outer: The method that moves by another.
        inner: That one.

    Example:
        >>> from probdl import NUTS, Gibbs
        >>> as_long_as(Gibbs(num_samples=20), NUTS()).num_samples
        20
    """
    return replace(
        inner,
        num_samples=outer.num_samples,
        num_warmup=outer.num_warmup,
        num_chains=outer.num_chains,
        precision=outer.precision,
    )
