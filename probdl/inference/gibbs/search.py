"""Which latents can be drawn exactly given all others, and which of them together."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.exact.conjugacy.certificate import candidates, certify
from probdl.exact.conjugacy.conjugate_search import not_smooth_in
from probdl.exact.programs.attempt import Search
from probdl.exact.programs.search import find, is_real
from probdl.exact.programs.variables import Kind
from probdl.exact.tables.limits import MOST_ENTRIES
from probdl.inference.gibbs.blocks import ConjugateBlock, EnumeratedBlock, ExactBlock, JointBlock
from probdl.program.bound import Arrays
from probdl.program.conditional import conditional
from probdl.program.model import Model
from probdl.program.sites import Site
from probdl.program.states import base, finite_range

FEW = 8  # elements that are as well drawn one after the other
PROBES, ANYWHERE = 4, 2


@dataclass
class ExactBlocks:
    """A search for blocks.

    Attributes:
        model: The model.
        found: The blocks so far.
        reasons: Why other latents cannot be drawn exactly.
    """

    model: Model
    found: list[ExactBlock] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    @functools.cached_property
    def search(self) -> Search:
        """The program as the exact engine sees it."""
        return Search(self.model, MOST_ENTRIES)

    def by_itself(self, names: Iterable[str]) -> None:
        """Group latents into blocks: as many of a kind together as can be integrated given all others.

        Args:
            names: The latents.
        """
        sites = [self.model.sites[name] for name in names]
        finite = [site.name for site in sites if is_finite(site)]
        real = [site.name for site in sites if is_real(site)]
        conjugate = [site for site in sites if not site.is_discrete and not is_real(site)]
        for left, kind in ((finite, Kind.DISCRETE), (real, Kind.GAUSSIAN)):
            while left and (block := self._joint(left, kind)) is not None:
                left[:] = [name for name in left if name not in block.names]
        many = [site.name for site in conjugate if elements_of(site) > FEW]
        while many and (block := self._joint(many, Kind.CONJUGATE)) is not None:
            many = [name for name in many if name not in block.names]
        done = {name for block in self.found for name in block.names}
        for site in sites:
            if site.name not in done:
                self._one_by_one(site)

    def together(self, names: Sequence[str]) -> bool:
        """Make one block of latents, if they can be drawn together.

        Args:
            names: The latents.

        Returns:
            Whether they can.
        """
        sites = [self.model.sites[name] for name in names]
        kinds = {Kind.DISCRETE for site in sites if is_finite(site)}
        kinds |= {Kind.GAUSSIAN for site in sites if is_real(site)}
        kinds |= {Kind.CONJUGATE for site in sites if not site.is_discrete and not is_real(site)}
        whole = find(self.model, names, frozenset(kinds))
        if whole.integral is not None and set(whole.integrated) == set(names):
            self.found.append(JointBlock(whole.integral))
            return True
        self.reasons |= {name: why for name, why in whole.reasons.items() if name in names}
        return len(names) == 1 and self._one_by_one(sites[0])

    def _joint(self, names: Sequence[str], kind: Kind) -> JointBlock | None:
        found = find(self.model, names, frozenset({kind}))
        self.reasons |= {name: why for name, why in found.reasons.items() if name in names}
        if found.integral is None:
            return None
        block = JointBlock(found.integral)
        self.found.append(block)
        return block

    def _one_by_one(self, site: Site) -> bool:
        """Draw the elements of a site one after the other, if each has an exact conditional."""
        density = conditional(self.model, [site.name], self.children, own=True)
        if site.is_discrete:
            values = finite_range(site)
            if values is None or not is_finite(site):
                self.reasons.setdefault(site.name, "its values are not finite in number")
                return False
            self.found.append(EnumeratedBlock(site.name, values, density))
            return True
        for family in self._families(site):
            block = ConjugateBlock(site.name, family, density)
            if self._is_conjugate(block):
                self.found.append(block)
                return True
        self.reasons.setdefault(site.name, f"not conjugate: {site.distribution} prior")
        return False

    def _families(self, site: Site) -> Sequence[ExponentialFamily]:
        if site.support is None:
            self.reasons[site.name] = "its support depends on other sites"
            return ()
        support = base(site.support)
        shape = site.shape[len(site.shape) - support.event_dim :]
        families = candidates(support, shape)
        if not families:
            reason = f"no family of conjugate distributions has its support ({site.distribution})"
            self.reasons[site.name] = reason
            return ()
        if rough := not_smooth_in(self.search, site.name):
            self.reasons[site.name] = rough
            return ()
        return families

    def _is_conjugate(self, block: ConjugateBlock) -> bool:
        arrays, looked_at = self.search.arrays, 0
        for values in self._examples():
            for number in {0, block.size - 1}:
                log_density = functools.partial(_of_element, block, number, arrays, values)
                now = np.asarray(block.elements(values[block.name]))[number]
                if not np.isfinite(log_density(now)):
                    continue
                certificate = certify(log_density, block.family)
                if not certificate.holds or not certificate.is_proper:
                    return False
                looked_at += 1
        return looked_at > 0

    def _examples(self) -> Iterator[dict[str, Array]]:
        """Yield values of all latents: starting points, with discrete ones as they are, and at random."""
        model, rng = self.model, np.random.default_rng(0)
        density = model.density
        keys = jax.random.split(jax.random.key(0), PROBES)
        for number, point in enumerate(density.points(self.search.arrays, keys, 0)):
            values = density.values(self.search.arrays, jnp.asarray(point))
            yield values
            random = {}
            for name in density.layout.discrete:
                if (states := finite_range(model.sites[name])) is not None and number < ANYWHERE:
                    drawn = rng.integers(states.start, states.stop, model.sites[name].shape)
                    random[name] = jnp.asarray(drawn, values[name].dtype)
            if random:
                yield {**values, **random}

    @functools.cached_property
    def children(self) -> dict[str, set[str]]:
        """The sites whose distribution, or observed value, is made of each latent."""
        found: dict[str, set[str]] = {name: set() for name in self.model.latents}
        for parent, child in self.search.reads:
            found.setdefault(parent, set()).add(child)
        return found


@functools.partial(jax.jit, static_argnums=0)
def _of_element(
    block: ConjugateBlock, number: int, arrays: Arrays, values: dict[str, Array], x: Array
) -> Array:
    return block.log_density(arrays, values, block.elements(values[block.name]), number, x)  # pyright: ignore[reportArgumentType]


def is_finite(site: Site) -> bool:
    """Whether each entry of a site has finitely many values of its own."""
    return finite_range(site) is not None and not getattr(base(site.support), "event_dim", 0)


def elements_of(site: Site) -> int:
    """Return the number of elements of a site that can be drawn one after the other."""
    rank = getattr(base(site.support), "event_dim", 0)
    return math.prod(site.shape[: len(site.shape) - rank])
