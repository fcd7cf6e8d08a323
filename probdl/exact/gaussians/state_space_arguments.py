"""State-space models and their data at the border: shapes always, values where they are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.distributions.positive_definite import REMEDY, check_symmetric, is_regular, least_eigenvalue
from probdl.program.describe import is_abstract

if TYPE_CHECKING:
    from probdl.exact.gaussians.state_space import StateSpace

_SHAPES = {
    "transition": "dd",
    "transition_noise": "dd",
    "transition_offset": "d",
    "emission": "pd",
    "emission_noise": "pp",
    "emission_offset": "p",
    "mean": "d",
    "covariance": "dd",
}
_COVARIANCES = ("transition_noise", "emission_noise", "covariance")
_NOISES = ("transition_noise", "covariance")


def state_space_arguments(model: StateSpace, data: Any) -> tuple[StateSpace, Float[Array, "time p"]]:
    """Return a model and its data as arrays that fit together.

    Args:
        model: The model.
        data: Observations, (time, p), or (time,) where an observation is one number; NaN where missing.

    Returns:
        The model and the data, (time, p).

    Raises:
        ValueError: If a shape is wrong; or, outside a trace, if a value is not finite, if a covariance is not
            symmetric or has a negative eigenvalue, or if the emission noise is singular.
    """
    model = model._replace(**{name: _array(getattr(model, name)) for name in _SHAPES})
    sizes = _sizes(model)
    for name, axes in _SHAPES.items():
        expected, shape = tuple(sizes[axis] for axis in axes), getattr(model, name).shape
        if shape != expected:
            raise ValueError(
                f"Expected {name} of shape {expected} for {sizes['d']} states and observations of size "
                f"{sizes['p']}; got shape {shape}. The sizes are those of mean and emission."
            )
    values = _array(data)
    if values.ndim == 1 and sizes["p"] == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] != sizes["p"] or not len(values):
        raise ValueError(
            f"Expected data of shape (time, {sizes['p']}), one column for each row of emission; got shape "
            f"{values.shape}. Reshape the data, or give emission a row for each column."
        )
    if not is_abstract(model):
        _check_values(model)
    if not is_abstract(values) and np.isinf(values).any():
        index = [int(i) for i in np.argwhere(np.isinf(values))[0]]
        raise ValueError(
            f"Expected finite data, or NaN where an element is missing; got {values[*index]} at index "
            f"{index}. Correct it, or make it NaN."
        )
    return model, values


def is_singular(model: StateSpace) -> bool:
    """Return whether the states have no density: a combination of them has no noise, or a known start.

    Args:
        model: A model that is known.

    Returns:
        Whether a covariance of states is singular.
    """
    return not all(is_regular(np.asarray(getattr(model, name))) for name in _NOISES)


def _array(value: Any) -> Any:
    """Return an array of floating-point numbers, of NumPy where it is known."""
    if is_abstract(value):
        return jnp.asarray(value, jnp.result_type(float, value))
    array = np.asarray(value)
    return array if array.dtype.kind == "f" else array.astype(float)


def _sizes(model: StateSpace) -> dict[str, int]:
    if model.mean.ndim != 1 or not model.mean.size:
        raise ValueError(
            f"Expected a mean of shape (states,); got shape {model.mean.shape}. Map over models with "
            f"jax.vmap."
        )
    if model.emission.ndim != 2:
        raise ValueError(
            f"Expected an emission of shape (p, {model.mean.size}); got shape {model.emission.shape}. Give "
            f"it a row for each element of an observation."
        )
    return {"d": model.mean.size, "p": len(model.emission)}


def _check_values(model: StateSpace) -> None:
    for name in _SHAPES:
        value = getattr(model, name)
        if not np.isfinite(value).all():
            index = [int(i) for i in np.argwhere(~np.isfinite(value))[0]]
            raise ValueError(
                f"Expected a finite {name}; got {value[*index]} at index {index}. Correct it; a start about "
                f"which little is known is a large variance."
            )
    for name in _COVARIANCES:
        matrix = getattr(model, name)
        check_symmetric(matrix, name)
        least = least_eigenvalue(matrix)
        if least < 0:
            raise ValueError(
                f"Expected a {name} without negative eigenvalues; got one of {least:.3g}. Variances and "
                f"covariances do not fit together: correct them."
            )
    if not is_regular(np.asarray(model.emission_noise)):
        raise ValueError(
            f"Expected a positive definite emission_noise; got one with an eigenvalue of "
            f"{np.linalg.eigvalsh(model.emission_noise)[0]:.3g}. {REMEDY}"
        )
