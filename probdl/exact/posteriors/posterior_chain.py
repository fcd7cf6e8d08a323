"""A posterior as a chain of priors: each site given those that an elimination removes after it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import jax
import numpy as np
from jaxtyping import Array

from probdl.exact.posteriors.conditional_priors import Earlier, TablePrior, no_chain
from probdl.exact.posteriors.gaussian_priors import GaussianPriors
from probdl.exact.posteriors.marginal_distribution import is_bernoulli
from probdl.exact.posteriors.solved import Solved
from probdl.exact.programs.integral import Integral, merged_as_needed
from probdl.exact.programs.local import NotIntegrable
from probdl.exact.programs.potential import Space
from probdl.exact.programs.steps import ConjugateStep, DiscreteStep, GaussianStep, Step
from probdl.exact.programs.variables import Ref, Variable
from probdl.program.bound import Arrays
from probdl.program.precision import Precision
from probdl.program.priors import Prior
from probdl.program.states import finite_range


def chain_of(solved: Solved, names: Sequence[str]) -> dict[str, Prior]:
    """Return the joint posterior of some sites as priors, each given those before it.

    Args:
        solved: The model.
        names: The sites, none of them in a scan.

    Returns:
        Priors by site, in an order in which they can be drawn.

    Raises:
        NotApplicable: If the posterior is no such chain; the message names the sites.
    """
    with Precision.DOUBLE.active():
        try:
            whole = replace(solved.integral, last=frozenset(names))
            integral, swept = merged_as_needed(whole, solved.arrays, {})
        except NotIntegrable as error:
            raise no_chain(error.reason) from None
        log_evidence, numbers = _numbers(integral, solved.arrays)
        if not np.isfinite(log_evidence):
            raise no_chain(f"without the other sites, {', '.join(map(repr, names))} are of no known family")
        kept = [step for step in swept.steps if step.names[0] in integral.last]
        space, gaussian = integral.space, GaussianPriors(integral.space)
        found: dict[str, Prior] = {}
        for step, arrays in zip(reversed(kept), reversed(numbers), strict=True):
            own = [np.asarray(array) for array in arrays]
            if isinstance(step, GaussianStep):
                found[step.name] = gaussian.of(step, *own)
            elif isinstance(step, ConjugateStep):
                found[step.name] = _conjugate(space, step, own[0])
            elif isinstance(step, DiscreteStep):
                found[step.name] = _table(space, step, list(found), own[0])
    return found


@functools.partial(jax.jit, static_argnums=0)
def _numbers(integral: Integral, arrays: Arrays) -> tuple[Array, list[tuple[Array, ...]]]:
    """Return the log evidence, and what the step of each site that is removed last says of it."""
    swept = integral.swept(arrays, {})
    kept = [step for step in swept.steps if step.names[0] in integral.last]
    return swept.log_normalizer, [_arrays(step) for step in kept]


def _arrays(step: Step) -> tuple[Array, ...]:
    if isinstance(step, GaussianStep):
        return tuple(step.conditional)
    if isinstance(step, ConjugateStep):
        return (step.natural,)
    return (step.table,) if isinstance(step, DiscreteStep) else ()


def _conjugate(space: Space, step: ConjugateStep, natural: np.ndarray) -> Prior:
    if step.given:
        raise no_chain(f"'{step.name}' is a mixture over {', '.join(repr(ref.name) for ref in step.given)}")
    variable = space.variables[step.name]
    family = variable.known_family
    shape = variable.site.shape[: len(variable.site.shape) - len(family.event_shape)]
    whole = np.broadcast_to(natural, (*variable.lengths, natural.shape[-1]))
    return jax.tree.map(np.asarray, family.distribution(jax.numpy.asarray(whole.reshape(*shape, -1))))


def _table(space: Space, step: DiscreteStep, drawn: Sequence[str], logs: np.ndarray) -> TablePrior:
    own = space.variables[step.name]
    values = [_values(space.variables[ref.name]) for ref in (*step.others, Ref(own.name))]
    whole = np.broadcast_to(logs, (*own.lengths, *map(len, values)))
    order = sorted(range(len(step.others)), key=lambda i: drawn.index(step.others[i].name))
    lead = len(own.lengths)
    whole = whole.transpose(*range(lead), *(lead + i for i in order), lead + len(order))
    top = whole.max(-1, keepdims=True)
    weights = np.exp(np.where(top > -np.inf, whole - np.where(top > -np.inf, top, 0), 0))
    return TablePrior(
        weights / weights.sum(-1, keepdims=True),
        tuple(Earlier.of(space, step.axes, step.others[i]) for i in order),
        tuple(values[i].start for i in order),
        values[-1].start,
        is_bernoulli(own),
        own.site.shape,
    )


def _values(variable: Variable) -> range:
    values = finite_range(variable.site)
    if values is None:
        raise no_chain(f"a discrete site is a mixture over '{variable.name}', which is continuous")
    if variable.size != len(values):
        raise no_chain(f"elements of '{variable.name}' depend on each other")
    return values
