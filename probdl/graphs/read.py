"""The graph of a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from probdl.graphs.dataflow import Dataflow
from probdl.graphs.flow import Flow, Sources
from probdl.graphs.relation import Read, edge_attributes, relate
from probdl.graphs.strands import Along, Index, Strand
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.provenance import provenance
from probdl.program.sites import Site, SiteKind

if TYPE_CHECKING:
    import networkx as nx


def graph(model: Model) -> nx.DiGraph:
    """Read the graph of a model. No array is computed.

    The nodes are the sites, in the order of declaration, each with the attribute `site`. An edge u -> v
    says that v is made of u: that a parameter of its distribution, its support, its value, depends on u in
    a way that can matter. A state-space model written with `scan` is one node a site, with an edge x -> x
    that is shifted by -1 along the scan.

    Args:
        model: The model.

    Returns:
        A `networkx.DiGraph`. `graph.graph["plates"]` and `graph.graph["scans"]` give sizes by name. Edges
        have the attributes `aligned`, `crossed`, `shifted`, `gathered` and `reads`
        (see `probdl.graphs.relation.edge_attributes`).

    Raises:
        ValueError: If the program branches in Python on a latent; the message names the site.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def program(y):
        ...     mu = numpyro.sample("mu", dist.Normal(0, 1))
        ...     with numpyro.plate("n", 3):
        ...         x = numpyro.sample("x", dist.Normal(mu, 1))
        ...         numpyro.sample("y", dist.Normal(x, 1), obs=y)
        >>> import numpy as np
        >>> read = graph(Model(program, np.zeros(3)))
        >>> list(read.edges), read.edges["x", "y"]["aligned"]
        ([('mu', 'x'), ('x', 'y')], frozenset({'n'}))

    Source:
        The edges are those of Bishop & Bishop (2023), §11.1; how they are found is ours.
    """
    import networkx as nx

    sites = model.sites
    edges = edges_of(model)
    shadowed = _shadowed(sites, {parent for parent, _ in edges})
    result = nx.DiGraph(plates=model.plates, scans=model.scans)
    for name, site in sites.items():
        if name not in shadowed:
            result.add_node(name, site=site)
    order = {name: i for i, name in enumerate(sites)}
    for parent, child in sorted(edges, key=lambda edge: (order[edge[1]], order[edge[0]])):
        result.add_edge(parent, child, **edge_attributes(edges[parent, child]))
    return result


def edges_of(model: Model, *, latent_only: bool = False) -> dict[tuple[str, str], list[Read]]:
    """Return what each site reads of each other one.

    Args:
        model: The model.
        latent_only: Whether deterministic and observed sites are no parents: what the former are made of is
            read through them, the latter are their data.

    Returns:
        Reads by parent and child.
    """
    sites = model.sites
    traced = provenance(*model.bound_to_data, model.declarations, latent_only=latent_only)
    parents = [sites[name] for name in dict.fromkeys(traced.inputs) if name in sites]
    number = {site.name: i for i, site in enumerate(parents)}
    sources = Sources(tuple(tuple(site.shape[axis] for _, axis in site.axes) for site in parents))
    inputs = [
        _source(number[name], sites[name], tuple(var.aval.shape)) if name in number else Flow(var.aval.shape)
        for name, var in zip(traced.inputs, traced.jaxpr.jaxpr.invars, strict=True)
    ]
    with Precision.DOUBLE.active():
        flows = Dataflow(sources).run(traced.jaxpr.jaxpr, traced.jaxpr.consts, inputs)
    edges: dict[tuple[str, str], list[Read]] = {}
    for leaf, flow in zip(traced.outputs, flows, strict=True):
        child = sites[leaf.site]
        for source, strands in flow.reads.items():
            parent = parents[source]
            found = relate(strands, flow.shape, child, leaf.trailing, parent, sources.of(source))
            edges.setdefault((parent.name, child.name), []).extend(found)
    return edges


def _source(number: int, site: Site, shape: tuple[int, ...]) -> Flow:
    """Return the flow of a site's own value: every element reads itself."""

    def own(axis: int) -> Index:
        return Along(axis) if shape[axis] != 1 else np.zeros((1,) * len(shape), int)

    return Flow(shape, {number: (Strand(tuple(own(axis) for _, axis in site.axes)),)})


def _shadowed(sites: Mapping[str, Site], read: set[str]) -> set[str]:
    """Return the params of networks whose place random sites have taken (`random_flax_module` and others)."""
    return {
        name
        for name, site in sites.items()
        if site.kind is SiteKind.PARAM
        and name not in read
        and any(other.startswith(f"{name.removesuffix('$params')}/") for other in sites)
    }
