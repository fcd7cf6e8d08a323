"""Hidden Markov models of two states: the states summed out by hand, and as sites."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan
from numpyro.distributions import constraints

from .reference import Case, Draws, read


def forward(log_transition, log_likelihood):
    """Return log p(observations), in nats, from a first state of which nothing is known (times 2)."""

    def step(log_alpha, terms):
        return jax.nn.logsumexp(log_alpha[:, None] + log_transition, axis=0) + terms, None

    log_alpha, _ = jax.lax.scan(step, log_likelihood[0], log_likelihood[1:])
    return jax.nn.logsumexp(log_alpha)


def ordered(name, means) -> Any:
    """Draw two positive numbers in order, with normal priors."""
    values = numpyro.sample(name, dist.ImproperUniform(constraints.positive_ordered_vector, (), (2,)))
    numpyro.factor(f"prior of {name}", dist.Normal(means, 1).log_prob(values).sum())
    return values


def states(probabilities) -> Any:
    """Return the distribution of a state."""
    return dist.Categorical(probabilities)


def means_of_example() -> tuple[Any, Any]:
    """Draw the parameters of the example."""
    with numpyro.plate("state", 2):
        theta = numpyro.sample("theta", dist.Dirichlet(jnp.ones(2)))
    return theta, ordered("mu", jnp.array([3.0, 10.0]))


def example(y):
    """Normal observations of unit noise."""
    theta, mu = means_of_example()
    numpyro.factor("y", forward(jnp.log(theta), dist.Normal(mu, 1).log_prob(y[:, None])))


def example_with_states(y):
    """The same, with the states as sites."""
    theta, mu = means_of_example()

    def step(row, value):
        z = numpyro.sample("z", states(row))
        numpyro.sample("y", dist.Normal(jnp.take(mu, z), 1), obs=value)
        return jnp.take(theta, z, axis=0), None

    scan(step, jnp.full(2, 0.5), y)


def rates_of_drives(alpha) -> tuple[Any, Any, Any]:
    """Draw the parameters of the drives."""
    with numpyro.plate("state", 2):
        theta = numpyro.sample("theta", dist.Dirichlet(alpha))
    means = jnp.array([0.0, 3.0])
    return theta, ordered("phi", means), ordered("lambda", means)


def drives(alpha, u, v):
    """Two exponential observations at each time."""
    theta, phi, rate = rates_of_drives(alpha)
    terms = dist.Exponential(phi).log_prob(u[:, None]) + dist.Exponential(rate).log_prob(v[:, None])
    numpyro.factor("uv", forward(jnp.log(theta), terms))


def drives_with_states(alpha, u, v):
    """The same, with the states as sites."""
    theta, phi, rate = rates_of_drives(alpha)

    def step(row, values):
        z = numpyro.sample("z", states(row))
        numpyro.sample("u", dist.Exponential(jnp.take(phi, z)), obs=values[0])
        numpyro.sample("v", dist.Exponential(jnp.take(rate, z)), obs=values[1])
        return jnp.take(theta, z, axis=0), None

    scan(step, jnp.full(2, 0.5), (u, v))


def rows(draws: Draws) -> Draws:
    """Return the rows of the matrix of transitions as theta1 and theta2."""
    return {**draws, "theta1": draws["theta"][:, :, 0], "theta2": draws["theta"][:, :, 1]}


def hmm_example() -> Case:
    """A hundred simulated values."""
    data, reference = read("hmm_example")
    return Case(program=example, data=data, reference=reference, parts=rows, discrete=example_with_states)


def hmm_drive_0() -> Case:
    """A basketball player on the way to the hoop: speed, and distance."""
    data, reference = read("hmm_drive_0")
    data["alpha"] = data["alpha"].astype(float)
    return Case(program=drives, data=data, reference=reference, parts=rows, discrete=drives_with_states)
