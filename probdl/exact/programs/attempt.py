"""Attempts to integrate more and more latents of a model."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpyro.distributions import biject_to

from probdl.exact.programs.integral import Integral, digest_of, merged_as_needed
from probdl.exact.programs.local import NotIntegrable, Unaligned
from probdl.exact.programs.quadratic import check_quadratic
from probdl.exact.programs.steps import Step
from probdl.exact.programs.variables import Kind, Variable
from probdl.graphs.read import edges_of
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.provenance import Provenance, provenance
from probdl.program.sites import Site


class Search:
    """What is integrated so far, and why not more.

    Args:
        model: The model.
        max_table: The most entries that a table may have.
    """

    def __init__(self, model: Model, max_table: int) -> None:
        self.model, self.max_table = model, max_table
        self.reads = edges_of(model, latent_only=True)
        self.arrays = model.arrays(Precision.DOUBLE)
        self.reasons: dict[str, str] = {}
        self.done: Integral | None = None
        self.steps: tuple[Step, ...] = ()
        self.by_hand = False

    @functools.cached_property
    def provenance(self) -> Provenance:
        """What the distributions of the model are made of, traced once for all questions."""
        return provenance(*self.model.bound, self.model.declarations, latent_only=True)

    def integral(self, variables: Sequence[Variable]) -> Integral:
        """Return the integral over some variables, before it is known whether it can be done."""
        sites = self.model.sites
        scans = self.model.declarations.scan_of(self.model.latents)
        digest = digest_of(self.reads, {v.name for v in variables})
        return Integral(
            self.model.bound[0], tuple(variables), scans, digest, sites, self.reads, self.max_table
        )

    def values(self, integral: Integral) -> dict[str, Any]:
        """Return abstract values of the other latents."""
        names = {v.name for v in integral.variables}
        others = [Variable(self.model.sites[n], Kind.GAUSSIAN) for n in self.model.latents if n not in names]
        return {v.name: jax.eval_shape(lambda v=v: v.nothing) for v in others}

    def attempt(self, variables: Sequence[Variable]) -> None:
        """Integrate some variables.

        Raises:
            NotIntegrable: If they cannot be, together.
        """
        tried = self.integral(variables)
        tried, swept = merged_as_needed(tried, self.arrays, self.values(tried))
        self.by_hand = check_quadratic(tried, self.arrays, self.values(tried))
        self.done, self.steps = tried, swept.steps

    def add(self, variables: Sequence[Variable]) -> bool:
        """Integrate further variables if that is possible; keep the reason if not."""
        before = () if self.done is None else self.done.variables
        try:
            self.attempt([*before, *variables])
        except (NotIntegrable, Unaligned) as error:
            if len(variables) == 1:
                self.reasons[variables[0].name] = getattr(error, "reason", str(error))
            return False
        return True


def example(search: Search, seed: int, reach: float = 1.0) -> dict[str, Array]:
    """Return values of the latents that are not integrated, from their supports.

    Args:
        search: The search.
        seed: A number; other values for another one.
        reach: How far from zero they are at most, where they are unconstrained.

    Returns:
        Values by site.
    """
    names = [] if search.done is None else [v.name for v in search.done.variables]
    found = {}
    for number, name in enumerate(n for n in search.model.latents if n not in names):
        found[name] = _feasible(search.model.sites[name], np.random.default_rng([seed, number]), reach)
    return found


def _feasible(site: Site, rng: np.random.Generator, reach: float) -> Array:
    nothing = Variable(site, Kind.GAUSSIAN).nothing
    if site.is_discrete or site.support is None:
        return nothing
    bijection = biject_to(site.support)
    shape = bijection.inverse_shape(site.shape)
    return jnp.asarray(bijection(jnp.asarray(rng.uniform(-reach, reach, shape))), nothing.dtype)
