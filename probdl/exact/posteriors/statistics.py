"""Expected sufficient statistics of the latents, and of neighbouring steps: what an M step needs."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.exact.posteriors.solved import Solved
from probdl.exact.programs.expectations import AGREE, Expectations, expectations, widened
from probdl.exact.programs.integral import Integral
from probdl.exact.programs.local import Unaligned
from probdl.exact.programs.potential import Potential
from probdl.exact.programs.variables import Kind, Ref, Variable
from probdl.program.bound import Arrays
from probdl.program.precision import Precision
from probdl.program.states import finite_range


def continuous_statistics(solved: Solved, variable: Variable) -> Float[np.ndarray, "*elements dimension"]:
    r"""Return $\mathrm E[T(x)]$ of each element of a continuous site.

    Args:
        solved: The model.
        variable: The site: Gaussian with $T(x) = (x, x x^\top)$, or conjugate with $T$ of its family.

    Returns:
        One vector an element.

    Raises:
        ValueError: If an expectation has no closed form.
    """
    with Precision.DOUBLE.active():
        if variable.kind is Kind.CONJUGATE and variable.name in solved.expectations.natural:
            natural = solved.expectations.natural[variable.name]
            found = np.asarray(variable.known_family.mean_parameters(natural))
        elif not solved.has_points:
            found = _statistics(solved.integral, variable.name, solved.expectations)
        else:
            one, *others = (
                _statistics(integral, variable.name, expectations(integral, solved.arrays, {}))
                for integral in widened(solved.integral)
            )
            scale = np.abs([one, *others]).max(0).max(-1, keepdims=True)
            same = [np.abs(one - other) <= AGREE * scale for other in others]
            found = np.where(np.all(same, axis=0), one, np.nan)
    if not np.isfinite(found).all():
        raise ValueError(
            f"Expected a site whose statistics have a finite expectation of closed form; got "
            f"'{variable.name}'. Average them over draws of `sample`."
        )
    return found


def _statistics(integral: Integral, name: str, known: Expectations) -> np.ndarray:
    variable = integral.space.variables[name]
    if variable.kind is Kind.CONJUGATE:
        weights = np.asarray(known.log[name])
        return weights @ np.asarray(variable.known_family.sufficient_statistics(variable.states()))
    mean, second = _raw_moments(variable, known)
    return np.concatenate([mean, second.reshape(*mean.shape[:-1], -1)], -1)


def _raw_moments(variable: Variable, known: Expectations) -> tuple[np.ndarray, np.ndarray]:
    """Return E[x] and E[x x'] of each element of a Gaussian site."""
    mean = np.asarray(known.linear[variable.name])
    centre = np.array(variable.centre or [0.0] * variable.size)
    cross = mean[..., :, None] * centre
    second = -2 * np.asarray(known.precision[variable.name]) + cross + cross.mT + np.outer(centre, centre)
    return mean + centre, second


def products_of_steps(solved: Solved, variable: Variable) -> Float[np.ndarray, "step *elements state state"]:
    r"""Return $\mathrm E[s_{t-1} s_t^\top]$ of neighbouring steps of a scan.

    The derivative of the log evidence by a potential of both, zero everywhere.

    Args:
        solved: The model.
        variable: A discrete site, whose $s$ is one at its state, or a Gaussian one, whose $s$ is its value.

    Returns:
        All steps but the first, other plates, then two axes: of the step before, and of the step.

    Raises:
        ValueError: If the site is in no scan, or if the products have no closed form.
    """
    scan = variable.site.scan
    if scan is None:
        raise ValueError(
            f"Expected a site of a scan; got '{variable.name}'. Ask for `joint` or `covariance` of elements."
        )
    if variable.kind is Kind.CONJUGATE:
        raise _not_known(variable)
    with Precision.DOUBLE.active():
        try:
            known = [
                _products(integral, variable, scan, solved.arrays)
                for integral in (widened(solved.integral) if solved.has_points else [solved.integral])
            ]
        except Unaligned:
            raise _not_known(variable) from None
    scale = np.abs(known[0]).max()
    if not all((np.abs(known[0] - other) <= AGREE * scale).all() for other in known[1:]):
        raise _not_known(variable)
    return known[0]


def _not_known(variable: Variable) -> ValueError:
    return ValueError(
        f"Expected a site whose neighbouring steps have a joint distribution of closed form; got "
        f"'{variable.name}'. Ask for `joint` or `covariance` of elements such as '{variable.name}[0]'."
    )


def _products(integral: Integral, variable: Variable, scan: str, arrays: Arrays) -> np.ndarray:
    if scan not in variable.axes:
        return _products_within(variable, expectations(integral, arrays, {}))
    slope, mean = (np.asarray(x) for x in _pairs(integral, variable.name, arrays))
    if variable.kind is Kind.DISCRETE or not variable.centre:
        return slope
    centre = np.array(variable.centre)
    slope = slope + mean[:-1, ..., :, None] * centre + centre[:, None] * mean[1:, ..., None, :]
    return slope + np.outer(centre, centre)


def _products_within(variable: Variable, known: Expectations) -> np.ndarray:
    """Return the products of steps that are one joint value."""
    steps = variable.local_shape[0]
    if variable.local_axes[0] != 0:
        raise _not_known(variable)
    if variable.kind is Kind.DISCRETE:
        states = variable.states().reshape(variable.size, steps, -1)
        values = finite_range(variable.site) or range(0)
        codes = ((states - values.start) * len(values) ** np.arange(states.shape[-1])[::-1]).sum(-1)
        hits = np.eye(len(values) ** states.shape[-1])[codes]
        log = np.asarray(known.log[variable.name])
        return np.einsum("...s,sti,stj->t...ij", log, hits[:, :-1], hits[:, 1:])
    mean, second = _raw_moments(variable, known)
    blocks = second.reshape(*mean.shape[:-1], steps, variable.size // steps, steps, variable.size // steps)
    return np.stack([blocks[..., t, :, t + 1, :] for t in range(steps - 1)])


@functools.partial(jax.jit, static_argnums=(0, 1))
def _pairs(integral: Integral, name: str, arrays: Arrays) -> tuple[Array, Array]:
    """Return the expected products, and the means where the site is Gaussian."""
    space, variable = integral.space, integral.space.variables[name]
    axes, size = space.ordered(set(variable.axes)), variable.size
    lengths = [space.lengths[axis] - (axis == variable.site.scan) for axis in axes]
    refs = (Ref(name, 1), Ref(name))
    zeros = jnp.zeros((*lengths, size, size))

    def total(pair: Array, single: Array) -> Array:
        if variable.kind is Kind.DISCRETE:
            return integral.swept(arrays, {}, [Potential(axes, refs, pair, start=1)]).log_normalizer
        nothing = jnp.zeros_like(pair)
        upper = jnp.concatenate([nothing, -pair], -1)
        precision = jnp.concatenate([upper, jnp.concatenate([-pair.mT, nothing], -1)], -2)
        linear = jnp.zeros((*lengths, 2 * size))
        between = Potential(axes, refs, jnp.zeros(lengths), linear, precision, start=1)
        none = jnp.zeros((*single.shape, size))
        own = Potential(axes, (Ref(name),), jnp.zeros(single.shape[:-1]), single, none)
        return integral.swept(arrays, {}, [between, own]).log_normalizer

    shape = tuple(space.lengths[axis] for axis in axes)
    return jax.grad(total, (0, 1))(zeros, jnp.zeros((*shape, size)))
