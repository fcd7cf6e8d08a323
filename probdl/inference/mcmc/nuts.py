"""The no-U-turn sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from probdl.inference.mcmc import trajectory
from probdl.inference.mcmc.hamiltonian import Hamiltonian
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.mcmc.trajectory import Chances, Point, Trajectory
from probdl.inference.method import at_least
from probdl.inference.tuning import Tuning
from probdl.program.target import Target


class TreeInfo(NamedTuple):
    """What is recorded of each transition: `Info`, and the size of the tree.

    Attributes:
        diverging: Whether the trajectory diverged.
        energy: Energy of the new state, in nats.
        acceptance_rate: Mean acceptance probability over the trajectory.
        symmetric_acceptance: The same, which too large a gain of density lowers, too: 2 min(1, w) / (1 + w).
        tree_depth: Number of doublings of the trajectory.
        reached_max_tree_depth: Whether the trajectory was cut off before it turned back.
        n_steps: Number of gradients.
        step_size: Step size of the integrator.
        lp: Log-density of the new position, in nats, Jacobian included.
    """

    diverging: Bool[Array, ""]
    energy: Float[Array, ""]
    acceptance_rate: Float[Array, ""]
    symmetric_acceptance: Float[Array, ""]
    tree_depth: Int[Array, ""]
    reached_max_tree_depth: Bool[Array, ""]
    n_steps: Int[Array, ""]
    step_size: Float[Array, ""]
    lp: Float[Array, ""]


@dataclass(frozen=True, kw_only=True)
class NUTS(Hamiltonian):
    """Hamiltonian Monte Carlo that stops each trajectory before it turns back.

    All chains share an affine map, learnt from the draws and scores of all of them, that gives the posterior
    unit scales and no correlations as far as such a map can. The warm-up ends when the map has settled and
    the chains agree.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        target_acceptance: Mean acceptance that the warm-up aims at, in (0, 1): raise it against divergences;
            None: 0.6 for a Gaussian posterior, more the less Gaussian it is found to be.
        preconditioner: The family of maps; None: `Dense` up to 200 dimensions, `LowRank` above.
        jitter: Each trajectory has a step size of its own, uniform within this fraction around the tuned one.
        max_tree_depth: A trajectory has at most 2 to this power gradients.
        reparametrize: In which coordinates hierarchical sites are sampled: "auto", a `Reparametrization`, or
            None for those of the program.
        precision: Precision of all arithmetic.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> NUTS(num_samples=500, target_acceptance=0.95).max_tree_depth
        10

    Source:
        Hoffman and Gelman (2014), with the multinomial weights of Betancourt (2017); the map of least Fisher
        divergence of Seyboldt, Carlson and Carpenter (2026), pooled over chains.
    """

    max_tree_depth: int = 10

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        at_least("max_tree_depth", self.max_tree_depth, 1)

    def step(
        self, key: Array, state: Evaluated, target: Target, tuning: Tuning
    ) -> tuple[Evaluated, TreeInfo]:
        """Return the next state of a chain, and what happened on the way."""
        keys, states = jax.tree.map(lambda leaf: leaf[None], (key, state))
        return jax.tree.map(lambda leaf: leaf[0], self.steps(keys, states, target, tuning))

    def steps(
        self, keys: Array, states: Evaluated, target: Target, tuning: Tuning
    ) -> tuple[Evaluated, TreeInfo]:
        """Return the next states of all chains: their trajectories grow in one loop."""
        begin = jax.vmap(self._begin, (0, 0, None))
        t, chances, step_sizes = begin(keys, states, tuning.step_size)

        def grow(t: Trajectory) -> Trajectory:
            return jax.vmap(trajectory.grow, (0, 0, None, 0))(t, chances, target.log_density, step_sizes)

        t = jax.lax.while_loop(lambda t: trajectory.goes_on(t).any(), grow, t)
        return jax.vmap(self._end)(t, step_sizes)

    def _begin(
        self, key: Array, state: Evaluated, step_size: Float[Array, ""]
    ) -> tuple[Trajectory, Chances, Float[Array, ""]]:
        dim, kind, levels = state.position.shape[0], state.position.dtype, self.max_tree_depth
        least = jnp.nextafter(jnp.array(-1, kind), jnp.array(0, kind))
        numbers = jax.random.uniform(key, (dim + 3 * levels + 1,), kind, minval=least)
        momentum = jnp.sqrt(jnp.array(2, kind)) * jax.lax.erf_inv(numbers[:dim])
        numbers = (numbers[dim:] + 1) / 2
        chances = Chances(*numbers[:-1].reshape(3, levels))
        start = Point(jnp.stack([state.position, state.gradient, momentum]), state.log_density)
        return trajectory.begin(start, chances), chances, self.jittered(step_size, numbers[-1])

    def _end(self, t: Trajectory, step_size: Float[Array, ""]) -> tuple[Evaluated, TreeInfo]:
        point, acceptance = t.proposal, t.acceptance / t.size
        position, gradient, _ = point.vectors
        cut_off = (t.depth == self.max_tree_depth) & ~t.turning & ~t.diverging
        return Evaluated(position, point.log_density, gradient), TreeInfo(
            diverging=t.diverging,
            energy=point.energy,
            acceptance_rate=acceptance[0],
            symmetric_acceptance=acceptance[1],
            tree_depth=t.depth,
            reached_max_tree_depth=cut_off,
            n_steps=t.size,
            step_size=step_size,
            lp=point.log_density,
        )
