"""A model of finite discrete sites as a Bayesian network: the tables that its program amounts to."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Array

from probdl.graphs.read import graph
from probdl.program.bayesian_network import BayesianNetwork, check_rows, given
from probdl.program.bound import Arrays, BoundProgram
from probdl.program.handlers import Fix
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.sites import Site, SiteKind
from probdl.program.states import finite_range
from probdl.program.target import log_probs

if TYPE_CHECKING:
    import networkx as nx

REMEDY = "Only models of single, discrete, finite random sites, without plates and scans, are tables."


def tabulate(model: Model) -> BayesianNetwork:
    """Return a model of finite discrete sites as a Bayesian network.

    The variables are the random sites, observed or not. Deterministic sites and sites held by `do` become a
    part of the tables that read them. States are named by their values.

    Args:
        model: The model; that of a `BayesianNetwork` gives that network, with the tables it is bound to.

    Returns:
        The network.

    Raises:
        ValueError: If a random site is not single, discrete and finite, or if the program has factors or
            params; the message names the site.

    Example:
        >>> import jax.numpy as jnp, numpyro, numpyro.distributions as dist
        >>> def program():
        ...     rain = numpyro.sample("rain", dist.Bernoulli(0.25))
        ...     numpyro.sample("wet", dist.Bernoulli(jnp.where(rain, 0.5, 0.125)))
        >>> network = tabulate(Model(program))
        >>> network.parents["wet"], network.tables["wet"].round(6).tolist()
        (('rain',), [[0.875, 0.125], [0.5, 0.5]])
    """
    if isinstance(model.program, BayesianNetwork) and not model.held:
        return model.program.with_tables(*model.args, **model.kwargs)
    values = {site.name: _values(site) for site in model.sites.values() if _is_variable(site)}
    read = graph(model)
    parents = {name: _random_parents(read, name) for name in values}
    tables = {}
    with Precision.DOUBLE.active():
        arrays = model.arrays(Precision.DOUBLE)
        for name in values:
            axes = [*parents[name], name]
            shape = tuple(len(values[axis]) for axis in axes)
            index = np.indices(shape).reshape(len(shape), -1)
            held = {other: np.full(math.prod(shape), known[0]) for other, known in values.items()}
            held |= {axis: np.array(values[axis])[index[k]] for k, axis in enumerate(axes)}
            found = _log_probs(model.bound[0], name, arrays, held)
            tables[name] = np.exp(np.asarray(found)).reshape(shape)
            remedy = f"Remove masks and scales from '{name}'."
            check_rows(name, tables[name], functools.partial(given, parents[name], values), remedy)
    states = {name: tuple(map(str, known)) for name, known in values.items()}
    return BayesianNetwork(states, parents, tables)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _log_probs(bound: BoundProgram, name: str, arrays: Arrays, values: dict[str, Array]) -> Array:
    """Return the log-probability of one site for rows of values of all."""

    def once(row: dict[str, Array]) -> Array:
        return log_probs(bound.trace(arrays, Fix(None, row)))[name]

    return jax.vmap(once)(values)


def _is_variable(site: Site) -> bool:
    if site.kind in (SiteKind.FACTOR, SiteKind.PARAM):
        remedy = "Write it as an observed site." if site.kind is SiteKind.FACTOR else "Hold it with `do`."
        raise ValueError(
            f"Expected a model of random sites alone; got '{site.name}', a {site.kind.value}. {remedy}"
        )
    return site.is_random


def _values(site: Site) -> range:
    """Return the values that a site can take."""
    if site.shape or site.plates or site.scan is not None:
        where = f"of shape {site.shape}" + (f" in plate '{site.plates[0]}'" if site.plates else "")
        raise ValueError(f"Expected single sites; got '{site.name}' {where}. {REMEDY}")
    found = finite_range(site)
    if found is None:
        raise ValueError(
            f"Expected discrete sites with a finite number of values that depends on no other site; got "
            f"'{site.name}', which is {site.distribution}. {REMEDY}"
        )
    return found


def _random_parents(read: nx.DiGraph, name: str) -> tuple[str, ...]:
    """Return the random sites that a site reads, itself or through deterministic ones."""
    found, todo = set(), list(read.predecessors(name))
    while todo:
        parent = todo.pop()
        if read.nodes[parent]["site"].is_random:
            found.add(parent)
        else:
            todo.extend(read.predecessors(parent))
    return tuple(node for node in read if node in found)
