"""Steps of EM: by sums of data as long as these are exact enough, then by all data."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from probdl.inference.em.climb import Positions
from probdl.inference.em.closed import Closed, closed
from probdl.inference.em.expected import Bound, Expected, Seen
from probdl.inference.em.m_step import m_step
from probdl.program.model import Model

LOST = 1e-9  # of the objective


class _Way(NamedTuple):
    """How steps are taken.

    Attributes:
        expected: The program with its latents integrated.
        rule: The params whose maximum has a closed form.
        seen: The data.
    """

    expected: Expected
    rule: Closed
    seen: Seen


class Stepping:
    """Takes steps.

    Args:
        plain: The program with its latents integrated.
        model: The model.
        whole: Its data.
        num_newton_steps: The most Newton steps of an M-step.
    """

    def __init__(self, plain: Expected, model: Model, whole: Seen, num_newton_steps: int) -> None:
        expected, seen = plain.collapsing(model, whole.arrays)
        self._way = _Way(expected, closed(expected, model, seen), seen)
        self._exact = _Way(plain, Closed(), whole)
        self._num_newton_steps = num_newton_steps
        self._lossy: set[int] = set()

    @property
    def expected(self) -> Expected:
        """The program, with sums of data if these have been exact enough so far."""
        return (self._exact if self._lossy else self._way).expected

    @property
    def seen(self) -> Seen:
        """The data that it takes."""
        return (self._exact if self._lossy else self._way).seen

    def begun(self, position: Float[np.ndarray, " dim"], states: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return where an M-step leads to from probabilities of states.

        Args:
            position: Where parameters stay that these do not move.
            states: Their logarithms, by latent.
        """
        way = self._way
        return np.asarray(
            _begun(way.expected, way.rule, self._num_newton_steps, way.seen, position, dict(states))
        )

    def __call__(
        self, positions: Positions, going: Bool[np.ndarray, " restart"]
    ) -> tuple[Positions, Float[np.ndarray, " restart"], Float[np.ndarray, " restart"]]:
        """Return positions one step on, the objectives before, and what the step promises to gain.

        A restart for which sums of data were not exact enough once goes on by all data, alone.

        Args:
            positions: Positions; restarts first.
            going: Which of them go on; nobody looks at the others.
        """
        way = self._way
        found = _stepped(way.expected, way.rule, self._num_newton_steps, way.seen, positions)
        after, objectives, promises, lost = (np.array(x) for x in found)
        self._lossy |= {*np.flatnonzero(going & (lost > LOST * (1 + abs(objectives)))).tolist()}
        way = self._exact
        for i in sorted(self._lossy & {*np.flatnonzero(going).tolist()}):
            found = _stepped(way.expected, way.rule, self._num_newton_steps, way.seen, positions[i : i + 1])
            after[i], objectives[i], promises[i] = (np.asarray(x)[0] for x in found[:3])
        return after, objectives, promises


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _stepped(
    expected: Expected, rule: Closed, num_newton_steps: int, seen: Seen, positions: Array
) -> tuple[Array, Array, Array, Array]:
    """Return positions one step on, the objectives before, promises, and rounding errors."""

    def one(position: Array) -> tuple[Array, Array, Array, Array]:
        found = expected.e_step(seen, position)
        after, promise = m_step(expected, rule, num_newton_steps, seen, position, found)
        return after, found.objective, promise, found.rounding

    if len(positions) > 1:
        return jax.vmap(one)(positions)
    after, objective, promise, lost = one(positions[0])
    return after[None], objective[None], promise[None], lost[None]


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _begun(
    expected: Expected,
    rule: Closed,
    num_newton_steps: int,
    seen: Seen,
    position: Array,
    states: dict[str, Array],
) -> Array:
    """Return where an M-step leads to from probabilities of states."""
    weights = expected.weights_at(seen, position, states)
    found = Bound(jnp.zeros(()), weights, jnp.zeros(()))
    return m_step(expected, rule, num_newton_steps, seen, position, found).point
