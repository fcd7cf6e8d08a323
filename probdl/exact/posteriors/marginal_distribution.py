"""The exact posterior of a site as a NumPyro distribution, where it has one."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from probdl.distributions.integer_range import IntegerRange
from probdl.exact.posteriors.solved import Solved
from probdl.exact.programs.variables import Kind, Variable
from probdl.program.precision import Precision
from probdl.program.states import base, finite_range


def marginal_distribution(
    solved: Solved, name: str, probabilities: Callable[[str], np.ndarray]
) -> dist.Distribution:
    """Return the marginal posterior of each element of a site.

    Args:
        solved: The model.
        name: The site.
        probabilities: Gives those of a discrete site: its shape, then its values.

    Returns:
        A distribution with an element of the batch for each element of the site: Bernoulli, categorical or
        over a range of integers; normal, or multivariate normal where an element is a vector; or of the
        family of a conjugate site.

    Raises:
        SiteNotFound: If it is no latent site.
        ValueError: If its posterior is a mixture over other sites, which are named.
    """
    variable = solved.variable(name, *Kind)
    if variable.kind is Kind.DISCRETE:
        return discrete_marginal(variable, probabilities(name))
    others = mixed_over(solved, name)
    if others:
        raise ValueError(
            f"Expected a site whose posterior is of one family; got '{name}', a mixture over "
            f"{', '.join(repr(other) for other in others)}. Ask for its `mean` and `covariance`, or `sample`."
        )
    with Precision.DOUBLE.active():
        if variable.kind is Kind.CONJUGATE:
            family = variable.known_family
            natural = solved.expectations.natural[name]
            shape = variable.site.shape[: len(variable.site.shape) - len(family.event_shape)]
            return family.distribution(natural.reshape(*shape, natural.shape[-1]))
        return _normal(variable, *gaussian_moments(solved, variable))


def discrete_marginal(variable: Variable, probabilities: np.ndarray) -> dist.Distribution:
    """Return the distribution of a discrete site with some probabilities.

    Args:
        variable: The site.
        probabilities: Its shape, then its values in increasing order.

    Returns:
        Bernoulli where its support is boolean, categorical where its values begin at zero.
    """
    with Precision.DOUBLE.active():
        start = (finite_range(variable.site) or range(0)).start
        return over_states(jnp.asarray(probabilities), start, is_boolean=is_bernoulli(variable))


def is_bernoulli(variable: Variable) -> bool:
    """Whether a discrete site is a Bernoulli one."""
    return type(base(variable.site.support)).__name__.strip("_").lower() == "boolean"


def over_states(
    probabilities: Float[Array, "*batch state"], start: int, *, is_boolean: bool
) -> dist.Distribution:
    """Return the distribution over consecutive integers with some probabilities.

    Args:
        probabilities: One number a state, last.
        start: The least integer.
        is_boolean: Whether it is a Bernoulli distribution.

    Returns:
        Bernoulli, categorical where the integers begin at zero, or over a range of them.

    Example:
        >>> type(over_states(jnp.array([0.5, 0.5]), 1, is_boolean=False)).__name__
        'IntegerRange'
    """
    if is_boolean:
        return dist.BernoulliProbs(probabilities[..., 1])
    return IntegerRange(probabilities, start) if start else dist.CategoricalProbs(probabilities)


def mixed_over(solved: Solved, name: str) -> tuple[str, ...]:
    """Return the sites of which the posterior of a continuous site is a mixture.

    Args:
        solved: The model.
        name: The site.

    Returns:
        The discrete and conjugate sites that it depends on, directly or through Gaussian ones that are
        integrated later; none where it is of one family.
    """
    step_of = {own: step for step in solved.found.steps for own in step.names}
    kinds = solved.found.integrated
    found: dict[str, None] = {}
    waiting, seen = [name], set()
    while waiting:
        own = waiting.pop()
        if own in seen:
            continue
        seen.add(own)
        step = step_of[own]
        found |= dict.fromkeys(ref.name for ref in step.given)
        waiting += [ref.name for ref in getattr(step, "others", ()) if kinds[ref.name] is Kind.GAUSSIAN]
    return tuple(found)


def gaussian_moments(solved: Solved, variable: Variable) -> tuple[np.ndarray, np.ndarray]:
    """Return the posterior mean and covariance of each element of a Gaussian site.

    Args:
        solved: The model, in which the posterior of the site is Gaussian.
        variable: The site.

    Returns:
        Elements, coordinates; elements, coordinates, coordinates.
    """
    size = variable.size
    mean = np.asarray(solved.expectations.linear[variable.name]).reshape(-1, size)
    second = -2 * np.asarray(solved.expectations.precision[variable.name]).reshape(-1, size, size)
    covariance = second - mean[:, :, None] * mean[:, None, :]
    return mean + np.array(variable.centre or 0.0), (covariance + covariance.mT) / 2


def _normal(variable: Variable, mean: np.ndarray, covariance: np.ndarray) -> dist.Distribution:
    if variable.size > 1 and not is_trailing(variable):
        raise ValueError(
            f"Expected a site whose plates come before its other axes; got '{variable.name}', whose values "
            f"are correlated along axes {variable.local_axes}. Ask for its `covariance`."
        )
    loc = jnp.asarray(mean.reshape(*variable.lengths, -1))
    root = jnp.linalg.cholesky(covariance.reshape(*loc.shape, -1))
    return normal(loc, variable.site.shape, variable.local_shape, root=root)


def is_trailing(variable: Variable) -> bool:
    """Whether the axes of one element of a site are its last ones."""
    first = len(variable.site.shape) - len(variable.local_shape)
    return variable.local_axes == tuple(range(first, len(variable.site.shape)))


def normal(
    loc: Float[Array, "*plates k"],
    site_shape: tuple[int, ...],
    local_shape: tuple[int, ...],
    *,
    root: Float[Array, "*plates k k"] | None = None,
    precision: Float[Array, "*plates k k"] | None = None,
) -> dist.Distribution:
    """Return a normal distribution of the shape of a site, from a root of its covariance or its precision.

    Args:
        loc: Means.
        site_shape: Shape of the site.
        local_shape: Shape of one element, its last axes.
        root: Lower triangular square roots of covariances.
        precision: Precision matrices, where there are no roots.

    Returns:
        Normal where an element is a number, else multivariate normal.

    Example:
        >>> normal(jnp.zeros((3, 1)), (3,), (), precision=jnp.ones((3, 1, 1))).batch_shape
        (3,)
    """
    if loc.shape[-1] == 1:
        scale = jnp.asarray(root) if precision is None else 1 / jnp.sqrt(precision)
        return dist.Normal(loc.reshape(site_shape), scale.reshape(site_shape))
    joint = dist.MultivariateNormal(loc, precision_matrix=precision, scale_tril=root)
    if len(local_shape) == 1:
        return joint
    return dist.TransformedDistribution(
        joint, dist.transforms.ReshapeTransform(local_shape, joint.event_shape)
    )
