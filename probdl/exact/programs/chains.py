"""Potentials of the steps of a scan as the arrays of a chain."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array

from probdl.exact.gaussians.gaussian import Canonical
from probdl.exact.gaussians.gaussian_chain import GaussianChain
from probdl.exact.gaussians.gaussian_evidence import condition_states
from probdl.exact.gaussians.gaussian_integral import MOST_NATS, Conditional
from probdl.exact.programs.joined import joint_quadratic, joint_table, over_batch
from probdl.exact.programs.potential import Potential, Space
from probdl.exact.programs.variables import Ref

LOST = 1e-12  # of the curvature of a step: of what is seen there, four digits are right


def chain_arrays(
    space: Space, scan: str, names: Sequence[str], potentials: Sequence[Potential], outside: Sequence[Ref]
) -> tuple[Array, Array]:
    """Return the potentials of a chain of discrete states.

    Args:
        space: The variables.
        scan: The scan.
        names: The variables of a state.
        potentials: All potentials that read them.
        outside: The other discrete variables that they depend on.

    Returns:
        Logarithms of transitions and emissions: other axes, states of the others, steps (one where they are
        all the same), then states.
    """
    after = [Ref(name) for name in names]
    before = [Ref(name, 1) for name in names]
    single, double = parted(potentials)
    states = math.prod(space.variables[name].size for name in names)
    emissions = _table(space, scan, single, [*outside, *after], (states,), len(outside))
    transitions = _table(space, scan, double, [*outside, *before, *after], (states, states), len(outside))
    length = space.lengths[scan]
    if transitions.shape[-3] == 1 and emissions.shape[-2] == 1 and length > 1:
        emissions = jnp.broadcast_to(emissions, (*emissions.shape[:-2], length, states))
    return transitions, emissions


def parted(potentials: Sequence[Potential]) -> tuple[list[Potential], list[Potential]]:
    """Return the potentials of one step, and those of two neighbouring ones."""
    single = [p for p in potentials if not any(ref.lag for ref in p.refs)]
    return single, [p for p in potentials if p not in single]


def _table(
    space: Space,
    scan: str,
    potentials: Sequence[Potential],
    refs: Sequence[Ref],
    shape: tuple[int, ...],
    outside: int,
) -> Array:
    if not potentials:
        return jnp.zeros((1, *shape))
    table = joint_table(space, potentials, refs)
    axes = potentials[0].axes
    moved = jnp.moveaxis(table, axes.index(scan), len(axes) - 1 + outside)
    return moved.reshape(*moved.shape[: len(axes) + outside], *shape)


def gaussian_chain(
    space: Space,
    scan: str,
    names: Sequence[str],
    potentials: Sequence[Potential],
    discrete: Sequence[Ref],
    border: Sequence[Ref],
) -> tuple[Canonical, Conditional]:
    """Integrate the states of a Gaussian chain out.

    Args:
        space: The variables.
        scan: The scan.
        names: The variables of a state.
        potentials: All potentials that read them.
        discrete: The discrete variables that they depend on.
        border: The other Gaussian ones.

    Returns:
        What is left as a function of the border, and each state given the next: other axes, states of the
        discrete variables, then those of the result.
    """
    after, before = [Ref(name) for name in names], [Ref(name, 1) for name in names]
    single, double = parted(potentials)
    length = space.lengths[scan]
    size = sum(space.variables[name].size for name in names)
    edge = sum(space.variables[ref.name].size for ref in border)
    place = len(potentials[0].axes) - 1 + len(discrete)

    def function(parts: Sequence[Potential], refs: Sequence[Ref], n: int) -> Canonical:
        if not parts:
            return Canonical(jnp.zeros(1), jnp.zeros((1, n)), jnp.zeros((1, n, n)))
        found = joint_quadratic(space, parts, discrete, refs)
        return Canonical(*(jnp.moveaxis(x, parts[0].axes.index(scan), place) for x in found))

    unary = function(single, [*after, *border], size + edge)
    pair = function(double, [*before, *after, *border], 2 * size + edge)
    first = Canonical(jnp.zeros(()), jnp.zeros(size + edge), jnp.zeros((size + edge, size + edge)))

    sharp, seen = (jnp.diagonal(x.precision, axis1=-2, axis2=-1) for x in (pair, unary))
    seen, sharp = seen[..., :size], sharp[..., size : 2 * size]
    later = seen[..., 1:, :] if seen.shape[-2] > 1 else seen  # pairs end at the second state and after it
    lost = ((later > 0) & (later < LOST * sharp)).any((-2, -1))
    for whole in (unary.log_scale, pair.log_scale):
        nats = jnp.where(jnp.isfinite(whole), jnp.abs(whole), 0)
        lost |= nats.sum(-1) * length > MOST_NATS * max(whole.shape[-1], 1)

    def run(*arrays: Array) -> tuple[Canonical, Conditional]:
        chain = GaussianChain(first, Canonical(*arrays[:3]), Canonical(*arrays[3:]), length)
        return condition_states(chain)

    rest, steps = over_batch(run, (*unary, *pair), (1, 2, 3, 1, 2, 3))
    return rest._replace(log_scale=jnp.where(lost, jnp.nan, rest.log_scale)), steps
