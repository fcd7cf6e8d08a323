"""Sequential learning of Bayesian networks: their tables become the posterior given other evidence."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np

from probdl.errors import NotApplicable, SiteNotFound
from probdl.exact.tables.network import NetworkPosterior
from probdl.program.bayesian_network import BayesianNetwork
from probdl.program.model import Model

ROUNDING = 1e-12


def updated_network(model: Model, posterior: NetworkPosterior, names: Sequence[str]) -> Model:
    r"""Return a network of new evidence in which some variables have their posterior given other evidence.

    $p(a, b \mid e) = p(a \mid e)\, p(b \mid a, e)$: the variables keep their order, and get tables given
    those before them, as far as these matter. All others keep their own tables.

    Args:
        model: The network with the new evidence.
        posterior: The posterior given the old one.
        names: The variables that both have in common; none for all that are above the old evidence.

    Returns:
        The model of another network.

    Raises:
        SiteNotFound: If a name is that of no variable that is unknown in both.
        NotApplicable: If the model is no such network, or if a variable above the old evidence, or above one
            that is named, is unknown and not named.
        ValueError: If the joint table of the variables would be too large.

    Example:
        >>> network = BayesianNetwork(
        ...     {"rain": ("yes", "no"), "wet": ("yes", "no")},
        ...     {"rain": (), "wet": ("rain",)},
        ...     {"rain": np.array([0.2, 0.8]), "wet": np.array([[0.9, 0.1], [0.3, 0.7]])},
        ... )
        >>> wet = Model(network).condition(wet=0)  # one of several hours
        >>> later = updated_network(wet, NetworkPosterior(network, {"wet": 0}), ())
        >>> later.program.tables["rain"].round(3).tolist()
        [0.429, 0.571]
    """
    network = model.program
    if not isinstance(network, BayesianNetwork) or network.states != posterior.network.states:
        raise NotApplicable(
            "updated",
            "the posterior is of a Bayesian network, and the model is no network of the same variables",
            "Take a Model of that network, conditioned on the new evidence.",
        )
    network = network.with_tables(*model.args, **model.kwargs)
    chosen = _chosen(posterior, names)
    for name in chosen:
        if name not in model.latents:
            raise SiteNotFound(name, model.latents, "updated", "a latent site")
    parents, tables = dict(network.parents), dict(network.tables)
    joint = np.asarray(posterior.joint(*chosen)) if chosen else np.ones(())
    for i, name in enumerate(chosen):
        before = joint.sum(tuple(range(i + 1, len(chosen))))
        kept, tables[name] = _conditional(before)
        parents[name] = tuple(chosen[axis] for axis in kept)
    found = BayesianNetwork(network.states, parents, tables)
    given = (dict(found.tables),) if model.args or model.kwargs else ()
    after = Model(found, *given).condition(**model.observed)
    return after.do(**model.held) if model.held else after


def _chosen(posterior: NetworkPosterior, names: Sequence[str]) -> tuple[str, ...]:
    """Return the variables that get other tables, in the order of the network."""
    network, evidence = posterior.network, posterior.evidence
    graph = nx.DiGraph([(parent, child) for child in network.parents for parent in network.parents[child]])
    graph.add_nodes_from(network.variables)
    for name in names:
        if name not in network.parents or name in evidence:
            unknown = [v for v in network.variables if v not in evidence]
            raise SiteNotFound(name, unknown, "updated", "a latent site")
    above = set().union(*(nx.ancestors(graph, name) for name in (*evidence, *names))) - set(evidence)
    missing = [name for name in network.variables if name in above and name not in names]
    if names and missing:
        raise NotApplicable(
            "updated",
            f"'{missing[0]}' is above the old evidence or what is named, so that both have it in common, and "
            f"it is not among {', '.join(map(repr, names))}",
            "Name it as well, or name nothing for all such variables.",
        )
    return tuple(name for name in network.variables if name in names or name in above)


def _conditional(joint: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Return the axes that the last one depends on, and its probabilities given them."""
    whole, kept = _normalised(joint), list(range(joint.ndim - 1))
    for axis in range(joint.ndim - 1):
        without = tuple(a for a in range(joint.ndim - 1) if a == axis or a not in kept)
        less = _normalised(joint.sum(without, keepdims=True))
        if (np.abs(less - whole)[joint.sum(-1) > 0] <= ROUNDING).all():
            kept.remove(axis)
    gone = tuple(a for a in range(joint.ndim - 1) if a not in kept)
    return kept, _normalised(joint.sum(gone))


def _normalised(joint: np.ndarray) -> np.ndarray:
    """Return probabilities along the last axis, equal ones where nothing is possible."""
    total = joint.sum(-1, keepdims=True)
    return np.where(total > 0, joint / np.where(total > 0, total, 1), 1 / joint.shape[-1])
