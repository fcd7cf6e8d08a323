"""What EM returns: parameters, the latents given them, and what is wrong."""

from __future__ import annotations

import functools
import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro.distributions import constraints

from probdl.exact.posteriors.posterior import entry_probabilities
from probdl.exact.programs.expectations import Expectations
from probdl.exact.programs.expectations import expected as expected_of
from probdl.exact.programs.variables import Kind, Variable
from probdl.inference.destination import destination
from probdl.inference.diagnostics import by_severity
from probdl.inference.em.climb import Fit
from probdl.inference.em.expected import Expected, Seen
from probdl.inference.method import Options
from probdl.inference.result import FIT, Result
from probdl.inference.status import Finding, InferenceWarning, Status, verdict
from probdl.program.datatree import SLASH, tree
from probdl.program.handlers import Fix
from probdl.program.missing import seen_of
from probdl.program.model import Model
from probdl.program.states import base, finite_range
from probdl.program.target import latent_values

if TYPE_CHECKING:
    import xarray as xr

    from probdl.inference.em.em import EM

LEAST = 1e-10  # of the largest element
STATE = "state"


def fitted(
    key: Array,
    method: EM,
    model: Model,
    expected: Expected,
    seen: Seen,
    fit: Fit,
    options: Options,
    attributes: dict[str, Any],
) -> Result:
    """Return the result of a fit.

    Args:
        key: The key of the run.
        method: The method.
        model: The model.
        expected: It with its latents integrated.
        seen: Its data.
        fit: The fit.
        options: Where draws go, and how they are labelled.
        attributes: Where the result comes from.
    """
    position = jnp.asarray(fit.position)
    values, drawn, known = _latents(expected, method.num_samples, key, seen, position)
    parameters = {name: np.asarray(values[name]) for name in expected.parameters.layout.names}
    dim = expected.parameters.layout.dim
    attributes |= {
        "objective": float(fit.trace[-1]),
        "num_parameters": dim,
        "num_steps": fit.steps,
        "objectives": json.dumps(fit.objectives.tolist()),
    }
    if not method.parameters:  # with priors the objective is no log-likelihood
        attributes |= {
            "aic": float(2 * dim - 2 * fit.trace[-1]),
            "bic": float(dim * math.log(observations(model)) - 2 * fit.trace[-1]),
        }
    kept = destination(model, options, attributes)
    lead = (1, method.num_samples)
    whole = {**{name: np.broadcast_to(v, (*lead[1:], *v.shape)) for name, v in parameters.items()}, **drawn}
    kept.append(
        {name: np.asarray(value).reshape(*lead, *value.shape[1:]) for name, value in whole.items()},
        {"objective": np.full(lead, fit.trace[-1])},
    )
    data = _with_latents(kept.finish(), model, expected.integral.variables, known, options)
    findings = [*_of_fit(fit, method), *_untouched(fit, expected), *degenerate(model, parameters)]
    if method.standard_errors:
        errors, is_maximum = _standard_errors(expected, seen, position)
        if bool(is_maximum):
            data = _with_group(data, {"standard_errors": _numpy(errors)}, model, options)
        else:
            findings.append(Finding(Status.NO_MAXIMUM, "the objective does not fall off in all directions"))
    found = by_severity(findings)
    kept = {"parameters": list(parameters), "objective": fit.trace.tolist()}
    data.attrs[FIT] = json.dumps(kept | {"findings": [(f.status.name, f.detail) for f in found]})
    result = Result(data, found, parameters=parameters, objective=fit.trace, model=model)
    if result.findings:
        warnings.warn(verdict(result.findings), InferenceWarning, stacklevel=4)
    return result


def observations(model: Model) -> int:
    """Return how many observations a model has: elements of observed sites that were seen, events once."""
    gaps, count = seen_of(model), 0
    for site in model.sites.values():
        if site.is_observed:
            batch = len(site.shape) - site.event_dim
            seen = gaps.get(site.name)
            events = tuple(range(batch, len(site.shape)))
            count += math.prod(site.shape[:batch]) if seen is None else int(seen.any(events).sum())
    return max(1, count)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _latents(
    expected: Expected, count: int, key: Array, seen: Seen, position: Array
) -> tuple[dict[str, Array], dict[str, Array], Expectations | None]:
    """Return the parameters, draws of the latents and what follows, and what is expected of them."""
    values, integral = expected.parameters.values(seen.arrays, position), expected.integral
    steps = expected.swept(seen, position).steps

    def once(key: Array) -> dict[str, Array]:
        latents = integral.drawn(key, steps, seen.arrays, values)
        fixed = Fix(None, {**values, **latents}, dict(integral.scan_of))
        found = latent_values(integral.bound.trace(seen.arrays, fixed))
        return {name: x for name, x in found.items() if name not in values}

    has_moments = integral.variables and all(v.kind is not Kind.CONJUGATE for v in integral.variables)
    known = expected_of(integral, functools.partial(expected.swept, seen, position)) if has_moments else None
    return values, jax.lax.map(once, jax.random.split(key, count)), known


def _with_latents(
    data: xr.DataTree,
    model: Model,
    variables: Sequence[Variable],
    known: Expectations | None,
    options: Options,
) -> xr.DataTree:
    """Add the posterior probabilities of discrete latents, and means and deviations of Gaussian ones."""
    if known is None:
        return data
    mean, deviation, responsibilities = {}, {}, {}
    for v in variables:
        if v.kind is Kind.DISCRETE:
            responsibilities[v.name] = entry_probabilities(v, np.asarray(known.log[v.name]))
        else:
            first = np.asarray(known.linear[v.name])
            second = -2 * np.diagonal(np.asarray(known.precision[v.name]), axis1=-2, axis2=-1)
            mean[v.name] = v.unpacked(first + np.array(v.centre) if v.centre else first)
            deviation[v.name] = v.unpacked(np.sqrt(np.maximum(second - first**2, 0)))
    groups = {"latent_mean": mean, "latent_sd": deviation}
    return _with_states(_with_group(data, groups, model, options), responsibilities, model, options)


def _with_group(data: xr.DataTree, groups: dict[str, Any], model: Model, options: Options) -> xr.DataTree:
    """Add groups of values of sites."""
    wanted = {name: values for name, values in groups.items() if values}
    added = tree(wanted, model.sites, (), options.dims, options.coords) if wanted else None
    return data if added is None else _merged(data, added)


def _with_states(
    data: xr.DataTree, found: dict[str, np.ndarray], model: Model, options: Options
) -> xr.DataTree:
    """Add probabilities of states: the dimensions of the site, then its values."""
    import xarray as xr

    nodes: dict[str, xr.Dataset] = {}
    for name, values in found.items():
        state = f"{name}_{STATE}".replace("/", SLASH)
        moved = {name: np.moveaxis(values, -1, 0)}
        one = tree({"responsibilities": moved}, model.sites, (state,), options.dims, options.coords)
        labels = {state: np.array(finite_range(model.sites[name]))}
        for node in one.subtree:
            table = node.to_dataset(inherit=False)
            if state in table.dims:
                table = table.assign_coords(labels).transpose(..., state)
            nodes[node.path] = nodes[node.path].merge(table) if node.path in nodes else table
    return _merged(data, xr.DataTree.from_dict(nodes)) if nodes else data


def _merged(data: xr.DataTree, added: xr.DataTree) -> xr.DataTree:
    from probdl.inference.files import merged

    return merged(data, added)


def _numpy(values: dict[str, Array]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in values.items()}


@functools.partial(jax.jit, static_argnums=0)
def _standard_errors(
    expected: Expected, seen: Seen, position: Float[Array, " dim"]
) -> tuple[dict[str, Array], Array]:
    """Return standard errors by the observed information, and whether this is a strict maximum."""
    information = -jax.hessian(functools.partial(expected.objective, seen))(position)
    diagonal = jnp.diagonal(information)
    unit = 1 / jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0))
    values, vectors = jnp.linalg.eigh(unit[:, None] * (information + information.T) / 2 * unit)
    is_maximum = (values.min() > LEAST * values.max()) & (diagonal > 0).all()
    root = unit[:, None] * vectors / jnp.sqrt(jnp.where(is_maximum, values, 1.0))
    slopes = jax.jacfwd(functools.partial(expected.parameters.values, seen.arrays))(position)
    return {name: jnp.sqrt(((slope @ root) ** 2).sum(-1)) for name, slope in slopes.items()}, is_maximum


def _of_fit(fit: Fit, method: EM) -> Iterator[Finding]:
    if fit.interrupted:
        yield Finding(Status.INTERRUPTED, f"the fit was stopped after {fit.steps} steps")
    elif fit.without_slope:
        yield Finding(Status.NO_SLOPE, f"after {fit.steps} steps")
    elif fit.unbounded:
        yield Finding(Status.DEGENERATE, f"the objective is no number after {fit.steps} steps")
    elif not fit.converged:
        gain = fit.trace[-1] - fit.trace[-2] if len(fit.trace) > 1 else math.inf
        detail = f"the last of {fit.steps} steps still gained {gain:.2g} nats"
        yield Finding(Status.NOT_CONVERGED, detail)
    if fit.unordered:
        yield Finding(Status.UNORDERED, f"no exchange of components by '{method.order_by}' fits as well")


def _untouched(fit: Fit, expected: Expected) -> Iterator[Finding]:
    layout = expected.parameters.layout
    for name in layout.names:
        places = layout.places([name])
        if (
            fit.steps > 1
            and not (fit.without_slope or fit.unbounded)
            and places.size
            and (fit.start[places] == fit.position[places]).all()
        ):
            yield Finding(Status.UNTOUCHED, f"'{name}' is where it began: the data do not move it")


def degenerate(model: Model, parameters: Mapping[str, np.ndarray]) -> Iterator[Finding]:
    """Yield what has shrunk to a point: variances, and directions of covariances.

    Args:
        model: The model.
        parameters: Values of its parameters.
    """
    for name, value in parameters.items():
        support = base(model.sites[name].support)
        if support in (base(constraints.positive), base(constraints.softplus_positive)):
            sizes = value
        elif support is base(constraints.positive_definite):
            typical = np.sqrt(np.einsum("...ii->...i", value).reshape(-1, value.shape[-1]).mean(0))
            sizes = np.linalg.eigvalsh(value / typical / typical[:, None])
        else:
            continue
        if sizes.size and sizes.min() <= LEAST * sizes.max():
            yield Finding(
                Status.DEGENERATE, f"'{name}' has shrunk to {sizes.min():.2g} beside {sizes.max():.2g}"
            )
