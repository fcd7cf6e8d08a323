"""The log evidence of a model in which single latents are weighed: its derivatives are their moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.exact.posteriors.entries import Entry
from probdl.exact.programs.integral import Integral
from probdl.exact.programs.variables import Kind, Variable
from probdl.program.bound import Arrays

Grouped = dict[str, list[Entry]]


def log_evidence_weighed(integral: Integral, arrays: Arrays, weights: Mapping[str, Array]) -> Array:
    r"""Return the log evidence with a factor $\exp(w_x)$ for each latent.

    Args:
        integral: The integral, over all latents.
        arrays: The data.
        weights: By variable, $w$: elements, then its states in nats, or a coefficient for each coordinate of
            a Gaussian one; minus infinity forbids a state.

    Returns:
        The log evidence, in nats.
    """
    extra = []
    for variable, probe in zip(integral.variables, integral.probes(), strict=True):
        if variable.name not in weights:
            continue
        weight = weights[variable.name]
        if probe.linear is None:
            extra.append(replace(probe, log=weight.reshape(probe.log.shape)))
        else:
            extra.append(replace(probe, linear=weight.reshape(probe.linear.shape)))
    return integral.swept(arrays, {}, extra).log_normalizer


def grouped(entries: Sequence[Entry]) -> Grouped:
    """Return entries by their site, in the order in which sites are named first."""
    found: Grouped = {}
    for entry in entries:
        found.setdefault(entry.variable.name, []).append(entry)
    return found


def directions(variable: Variable, coordinates: Sequence[int]) -> np.ndarray:
    """Return entries of an element as functions of its state.

    Args:
        variable: The site.
        coordinates: Which entries.

    Returns:
        Entries, then states (points of a conjugate site, coordinates of a Gaussian one).
    """
    if variable.kind is Kind.GAUSSIAN:
        return np.eye(variable.size)[list(coordinates)]
    return np.asarray(variable.states()).reshape(variable.size, -1).T[list(coordinates)].astype(float)


def scattered(integral: Integral, name: str, elements: Array, values: Array) -> Array:
    """Return values added up at the elements of a site, zeros elsewhere.

    Args:
        integral: The integral.
        name: The site.
        elements: Numbers of elements.
        values: One row an element.

    Returns:
        All elements, then states.
    """
    variable = integral.space.variables[name]
    whole = jnp.zeros((int(np.prod(variable.lengths)), variable.size), values.dtype)
    return whole.at[elements].add(values)
