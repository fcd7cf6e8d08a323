"""Small Markov chains for tests of calibration: a right one, and some with a planted mistake each."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

import probdl as pdl
from probdl.inference.mcmc.markov_chain import MarkovChain


class Place(NamedTuple):
    position: Array
    log_density: Array
    gradient: Array


class Step(NamedTuple):
    acceptance_rate: Array
    lp: Array


@dataclass(frozen=True, kw_only=True)
class Walk(MarkovChain):
    """Random-walk Metropolis."""

    has_gradient = False

    scale: float = 1.0

    def density(self, position, target):
        return target.log_density(position)

    def init(self, key, position, target):
        return Place(position, self.density(position, target), jnp.zeros_like(position))

    def log_acceptance(self, gain):
        return gain

    def proposed(self, key, state, target):
        noise = jax.random.normal(key, state.position.shape, state.position.dtype)
        return state.position + self.scale * noise

    def step(self, key, state, target, tuning):
        moving, accepting = jax.random.split(key)
        proposal = self.init(key, self.proposed(moving, state, target), target)
        chance = self.log_acceptance(proposal.log_density - state.log_density)
        accepted = jnp.log(jax.random.uniform(accepting, dtype=chance.dtype)) < chance
        state = jax.tree.map(lambda new, old: jnp.where(accepted, new, old), proposal, state)
        return state, Step(jnp.minimum(1.0, jnp.exp(chance)), state.log_density)


class WrongRule(Walk):
    """Accepts by the square root of the ratio: the posterior is too wide."""

    def log_acceptance(self, gain):
        return gain / 2


class Uncorrected(Walk):
    """A Langevin step of a large size that is always accepted: the posterior is too wide."""

    def proposed(self, key, state, target):
        drift = jax.grad(target.log_density)(state.position)
        return super().proposed(key, state, target) + self.scale**2 / 2 * drift

    def log_acceptance(self, gain):
        return jnp.inf + jnp.zeros_like(gain)


class NoJacobian(Walk):
    """Forgets the Jacobian of the last coordinate, the logarithm of a scale: scales come out too small."""

    def density(self, position, target):
        return target.log_density(position) - position[-1]


class Deaf(Walk):
    """Does not hear the data: draws from the prior of `unit_gaussian`, so that only joint quantities tell."""

    def density(self, position, target):
        return -(position**2).sum() / 2


@dataclass(frozen=True, kw_only=True)
class Drawn(pdl.Method):
    """Draws independently from the posterior of `unit_gaussian`, `stretch` times as wide."""

    num_samples: int = 200
    stretch: float = 1.0
    weighted: bool = False

    def applicable(self, model):
        return None

    @property
    def instead(self):
        return "Nothing."

    def run(self, key, model, options):
        import numpy as np
        import xarray as xr

        y = np.asarray(model.observed["y"])
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
        mean, sd = y.sum() / (1 + len(y)), (1 + len(y)) ** -0.5
        z = rng.normal(size=(1, self.num_samples))
        stats = {"lp": (("chain", "draw"), -(z**2) / 2)}
        if self.weighted:
            z = 1.5 * z
            stats["log_weight"] = (("chain", "draw"), -(z**2) / 2 + (z / 1.5) ** 2 / 2)
        posterior = xr.Dataset({"mu": (("chain", "draw"), mean + self.stretch * sd * z)})
        return pdl.Result(xr.DataTree.from_dict({"posterior": posterior, "sample_stats": xr.Dataset(stats)}))
