"""What the steps of an elimination take, from the shapes of their arrays alone."""

from __future__ import annotations

import math

from probdl.exact.programs.chain_steps import ChainStep, GaussianChainStep
from probdl.exact.programs.steps import ConjugateStep, DiscreteStep, GaussianStep, Step


def operations(step: Step) -> int:
    """Return about how many multiplications a step of an elimination takes.

    Args:
        step: The step; its arrays may be abstract.

    Returns:
        Entries of the table of a discrete or conjugate variable; squares of states at each step of a chain;
        what a Cholesky factor and its use on the rest take, for each Gaussian element.

    Raises:
        TypeError: If it is no step.
    """
    if isinstance(step, DiscreteStep | ConjugateStep):
        return math.prod(step.table.shape)
    if isinstance(step, ChainStep):
        states = step.emissions.shape[-1]
        return math.prod(step.emissions.shape) * states
    if isinstance(step, GaussianStep | GaussianChainStep):
        arrays = step.conditional if isinstance(step, GaussianStep) else step.steps
        *batch, size, rest = arrays.gain.shape
        return math.prod(batch) * (math.ceil(size**3 / 3) + size * rest * (size + rest))
    raise TypeError(f"Expected a step of an elimination; got {type(step).__name__}.")
