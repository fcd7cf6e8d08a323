"""BIF, the interchange format for Bayesian networks: read into a model, written from one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from probdl.graphs.bif_parser import parse_bif
from probdl.graphs.source import text_of
from probdl.graphs.tabulate import tabulate
from probdl.program.bayesian_network import BayesianNetwork
from probdl.program.model import Model

PLAIN = re.compile(r'[^\s{}()\[\];,|"]+')


def read_bif(source: str | Path) -> Model:
    """Read a Bayesian network from BIF.

    The program of the model is a `BayesianNetwork`, its data are the tables. A site's values are codes, the
    positions of its states; `model.program.codes(smoke="yes")` gives those for `condition`.

    Args:
        source: The text, or the path of a file, packed with gzip or not.

    Returns:
        A model whose graph has the edges of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the text is no BIF or the network is none; the message gives the line.

    Example:
        >>> text = '''network coins { }
        ... variable coin { type discrete [ 2 ] { heads, tails }; }
        ... probability ( coin ) { table 0.25, 0.75; }'''
        >>> model = read_bif(text)
        >>> print(f"{np.exp(model.log_joint({'coin': 0})):.2f}")
        0.25

    Source:
        Cozman, The Interchange Format for Bayesian Networks, version 0.15 (1998).
    """
    network = parse_bif(text_of(source))
    return Model(network, dict(network.tables))


def to_bif(model: Model) -> str:
    """Write a model of finite discrete sites as a Bayesian network in BIF.

    The variables are the random sites. Which of them are observed is not written: BIF has no place for it.
    Deterministic sites and sites held by `do` become a part of the tables that read them.

    Args:
        model: A model as `read_bif` gives it, or any whose random sites are single, discrete and finite.

    Returns:
        The text; reading it gives the same names and, to the last bit, the same tables.

    Raises:
        ValueError: If a site does not fit or has a name that BIF cannot hold; the message names the site.

    Example:
        >>> import jax.numpy as jnp, numpyro, numpyro.distributions as dist
        >>> def program():
        ...     rain = numpyro.sample("rain", dist.Bernoulli(0.25))
        ...     numpyro.sample("wet", dist.Bernoulli(jnp.where(rain, 0.5, 0.25)))
        >>> print(to_bif(Model(program)).splitlines()[-2])
          (1) 0.5, 0.5;

    Source:
        Cozman, The Interchange Format for Bayesian Networks, version 0.15 (1998).
    """
    network = tabulate(model)
    lines = ["network unknown {", "}"]
    for name, states in network.states.items():
        listed = ", ".join(_written(state, f"a state of '{name}'") for state in states)
        head = _written(name, "a site")
        lines += [f"variable {head} {{", f"  type discrete [ {len(states)} ] {{ {listed} }};", "}"]
    for name, parents in network.parents.items():
        given = f" | {', '.join(_written(parent, 'a site') for parent in parents)}" if parents else ""
        lines += [f"probability ( {_written(name, 'a site')}{given} ) {{", *_rows(network, name), "}"]
    return "\n".join([*lines, ""])


def _rows(network: BayesianNetwork, name: str) -> Iterator[str]:
    table, parents = network.tables[name], network.parents[name]
    axes = [[_written(state, "a state") for state in network.states[parent]] for parent in parents]
    for index, row in zip(np.ndindex(*table.shape[:-1]), table.reshape(-1, table.shape[-1]), strict=True):
        labels = ", ".join(axes[k][i] for k, i in enumerate(index))
        yield f"  {f'({labels})' if axes else 'table'} {', '.join(map(repr, row.tolist()))};"


def _written(name: str, what: str) -> str:
    if PLAIN.fullmatch(name) and "//" not in name and "/*" not in name:
        return name
    if '"' in name or "\n" in name:
        raise ValueError(
            f"Expected {what} without quotes and line breaks, which BIF cannot hold; got {name!r}. Rename it."
        )
    return f'"{name}"'
