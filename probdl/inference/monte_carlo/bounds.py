"""The largest ratio of a posterior to what is proposed, which rejection sampling has to know."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from probdl.inference.monte_carlo.guides import AnyProposal
from probdl.inference.monte_carlo.maxima import Highest, highest
from probdl.inference.monte_carlo.outcome import causes, check_some_possible, defined
from probdl.inference.monte_carlo.positions import positions
from probdl.inference.monte_carlo.proposals import draws
from probdl.program.density import Density
from probdl.program.model import Model
from probdl.program.states import finite_range, joint_states

LOOKED_AT = 1024
STARTS = 8
SLACK = 1e-6
MOST_STATES = 4096
BOUND = 2**32 - 2  # the number of a chain that no run has


@dataclass(frozen=True, eq=False)
class BoundSearch:
    """The search for the largest log ratio.

    Attributes:
        model: The model.
        static: The static half of the proposal.
        arrays: Its dynamic half.
    """

    model: Model
    static: AnyProposal
    arrays: Any

    def first(self, key: Array) -> float:
        """Return a bound: the highest maximum found from the best of some draws, and from others.

        Args:
            key: The key of the run.

        Returns:
            Nats.

        Raises:
            ValueError: If the ratio rises without end, or is zero at all draws.
        """
        chain = jax.random.fold_in(key, BOUND)[None]
        found = draws(self.static, self.arrays, chain, np.arange(LOOKED_AT)[None])
        ratios = defined(np.asarray(found.log_ratio[0]))
        check_some_possible(ratios, why=lambda: causes(self.model, found.values))
        values = {name: np.asarray(found.values[name][0]) for name in self.model.latents}
        best = float(ratios.max())
        if self._density.layout.dim == 0:
            return max(best, self._of_all_states()) + SLACK
        order = np.argsort(-ratios)[: np.isfinite(ratios).sum()]
        starts = np.unique(np.concatenate([order[:STARTS], order[:: max(len(order) // STARTS, 1)]]))
        return max(best, *(self.near({n: x[i] for n, x in values.items()}) for i in starts)) + SLACK

    def near(self, values: dict[str, np.ndarray]) -> float:
        """Return the highest log ratio that is found from one draw.

        Args:
            values: Values of all latents.

        Returns:
            Nats; minus infinity if the draw is on the border of its support.

        Raises:
            ValueError: If the ratio rises without end, or has no derivative.
        """
        model, layout = self.model, self._density.layout
        if layout.dim == 0:
            return -np.inf
        scan_of = model.declarations.scan_of(model.latents)
        row = {name: value[None] for name, value in values.items()}
        start = positions(model.bound[0], layout, scan_of, self._data, row)
        if not np.isfinite(start).all():
            return -np.inf
        given = {name: x for name, x in values.items() if model.sites[name].is_discrete}
        static = (self.static, self._density)
        try:
            top = highest(_log_ratio, static, (self.arrays, given), start)
        except (TypeError, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"Expected a likelihood with a derivative, to find the bound of its ratio to the proposal; "
                f"got one without: {error} Pass log_bound."
            ) from error
        self._check_bounded(top)
        return top.value

    @property
    def _density(self) -> Density:
        """The density over the unconstrained coordinates alone; values of discrete latents are given."""
        density = self.model.density
        return replace(density, layout=density.layout.only(density.layout.continuous))

    @property
    def _data(self) -> Any:
        return self.arrays[0] if isinstance(self.arrays, tuple) else self.arrays

    def _check_bounded(self, top: Highest) -> None:
        if np.isfinite(top.value) and not top.is_found:
            raise ValueError(
                f"Expected a likelihood whose ratio to the proposal is bounded; got one that rises without "
                f"end, at a log ratio of {top.value:.4g} along {top.where(self._density.layout)}. Take "
                f"a proposal with heavier tails there, ImportanceSampling() or NUTS()."
            )

    def _of_all_states(self) -> float:
        """Return the largest log ratio of all joint states of discrete latents, if they are not too many."""
        sites = [self.model.sites[name] for name in self.model.latents]
        ranges = [finite_range(site) for site in sites]
        if any(values is None for values in ranges):
            return -np.inf
        sizes = [math.prod(site.shape) for site in sites]
        logs = sum(n * math.log(max(len(r), 1)) for n, r in zip(sizes, ranges, strict=True) if r is not None)
        if logs > math.log(MOST_STATES):
            return -np.inf
        tables = [joint_states(r, n) for n, r in zip(sizes, ranges, strict=True) if r is not None]
        rows = np.indices([len(table) for table in tables]).reshape(len(tables), -1)
        given = {
            site.name: table[row].reshape(-1, *site.shape)
            for site, table, row in zip(sites, tables, rows, strict=True)
        }
        found = _log_ratios(self.static, self._density, self.arrays, given)
        return float(defined(np.asarray(found)).max())


def _log_ratio(
    static: tuple[AnyProposal, Density], arrays: tuple[Any, dict[str, Any]], position: Array
) -> Array:
    proposal, density = static
    return proposal.log_ratio(density, arrays[0], position, arrays[1])


@functools.partial(jax.jit, static_argnums=(0, 1))
def _log_ratios(proposal: AnyProposal, density: Density, arrays: Any, given: dict[str, Any]) -> Array:
    empty = np.zeros(0)
    return jax.vmap(lambda own: proposal.log_ratio(density, arrays, jax.numpy.asarray(empty), own))(given)
