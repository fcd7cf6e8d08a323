"""Gibbs sampling with conditionals that are found in the program."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Array

from probdl.errors import NotApplicable, SiteNotFound
from probdl.inference.gibbs.blocks import ExactBlock
from probdl.inference.gibbs.search import ExactBlocks
from probdl.inference.gibbs.sweep import Block, InnerBlock, Sweep, SweepDensity
from probdl.inference.gibbs.table import Blocks, table
from probdl.inference.mcmc.inner import as_long_as, check_inner
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.inference.mcmc.metropolis import Metropolis
from probdl.inference.mcmc.nuts import NUTS
from probdl.inference.tuning import Tuning
from probdl.program.conditional import conditional
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.target import Sampled, Target


@dataclass(frozen=True, kw_only=True)
class Gibbs(MarkovChain):
    """Draw blocks of latents in turn, each from its distribution given all others.

    The distributions are found in the program: discrete latents are drawn from all of their values, whole
    plates and chains of them at once where elimination can; Gaussian blocks jointly; conjugate latents from
    their families. An inner method moves all other latents, in coordinates of its own that it learns.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most sweeps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        blocks: Latents that are drawn together; those that are not named form blocks by themselves. None: all
            do. A block that cannot be drawn exactly is moved by the inner method.
        inner: The method that moves what cannot be drawn exactly, or a method by site; None, and for what it
            cannot move: NUTS, and Metropolis for discrete latents.
        by_inner: Latents that the inner method moves although they could be drawn exactly.
        precision: Precision of all arithmetic.

    Raises:
        TypeError: If `blocks` are no names of sites, or `inner` moves no single chain.
        ValueError: If a site is in two blocks.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def program():
        ...     z = numpyro.sample("z", dist.Bernoulli(0.3))
        ...     x = numpyro.sample("x", dist.Normal(3.0 * z, 1.0))
        ...     numpyro.sample("y", dist.StudentT(3.0, x, 1.0), obs=2.0)
        >>> print(Gibbs().blocks_of(Model(program)))
        A sweep of 2 blocks
          1  z  drawn from its values  1 entry
          2  x  moved by NUTS          1 entry  the log density of 'y' is not quadratic in 'x'

    Source:
        Bishop & Bishop (2023), §14.2.4; Geman and Geman (1984).
    """

    takes_discrete: ClassVar[bool] = True

    blocks: Sequence[Sequence[str]] | None = None
    inner: MarkovChain | Mapping[str, MarkovChain] | None = None
    by_inner: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        if isinstance(self.by_inner, str):
            raise TypeError(f"Expected names of sites; got {self.by_inner!r}. Write by_inner=('mu',).")
        if isinstance(self.inner, Mapping):
            object.__setattr__(self, "inner", tuple(self.inner.items()))
        for chain in self._inner_methods:
            check_inner(chain)
        object.__setattr__(self, "by_inner", tuple(self.by_inner))
        if self.blocks is None:
            return
        if isinstance(self.blocks, str) or any(isinstance(block, str) for block in self.blocks):
            raise TypeError(
                f"Expected blocks of names; got {self.blocks!r}. Write blocks=(('z',), ('mu', 'tau'))."
            )
        named = [name for block in self.blocks for name in block] + list(self.by_inner)
        for name in named:
            if named.count(name) > 1:
                raise ValueError(
                    f"Expected each site once in blocks and by_inner; got '{name}' twice. Drop one."
                )
        object.__setattr__(self, "blocks", tuple(tuple(block) for block in self.blocks if block))

    @property
    def only_alone(self) -> str:
        """Why no other method can move latents by this one."""
        return "it draws blocks of all sites"

    @property
    def _inner_methods(self) -> list[Any]:
        if isinstance(self.inner, tuple):
            return [chain for _, chain in self.inner]
        return [] if self.inner is None else [self.inner]

    @property
    def instead(self) -> str:
        """What to do with a model that it cannot treat."""
        return "Observe the site, or sum it out with Marginalized(); drop the subsample_size of a plate."

    def blocks_of(self, model: Model) -> Blocks:
        """Return the blocks of a model, and what is done with each: it prints itself.

        Args:
            model: The model.

        Returns:
            The table.

        Raises:
            SiteNotFound: If a block names no latent site.
            NotApplicable: If a latent can neither be drawn exactly nor moved by the inner method.
        """
        return table(model, *self._planned(model))

    def applicable(self, model: Model) -> str | None:
        """Return what prevents it, if something does."""
        reason = super().applicable(model)
        if reason is not None:
            return reason
        blocks, _ = self._planned(model)
        exact = [block for block in blocks if not isinstance(block, InnerBlock)]
        if exact and self.precision is not Precision.DOUBLE:
            name = exact[0].names[0]
            return (
                f"'{name}' is drawn exactly, and {self.precision.value} loses the digits of integrals; use "
                f"Precision.DOUBLE"
            )
        return None

    def obstacle(self, model: Model, names: Sequence[str]) -> str | None:
        """Return the reason why latents have no density, if so."""
        for name in names:
            if model.sites[name].distribution == "Delta":
                return super().obstacle(model, [name])
        return None

    def prepared(self, model: Model, density: Sampled | None = None) -> tuple[MarkovChain, Sampled]:
        """Return the chains that draw the blocks of a model."""
        if density is not None:
            raise NotApplicable(
                "Gibbs", "it has to see all latents of a program", "Call infer(model, Gibbs(), key=0) itself."
            )
        blocks, _ = self._planned(model)
        own = {name for block in blocks for name in _own(block)}
        layout = model.declarations.layout(frozenset(own))
        whole = SweepDensity(model.bound[0], layout)
        sweep = Sweep(
            num_samples=self.num_samples,
            num_warmup=self.num_warmup,
            num_chains=self.num_chains,
            precision=self.precision,
            blocks=blocks,
            density=whole,
        )
        return sweep, whole

    def _planned(self, model: Model) -> tuple[tuple[Block, ...], Mapping[str, str]]:
        """Return the blocks, and why latents are not drawn exactly."""
        for name in dict(self.inner) if isinstance(self.inner, tuple) else ():
            if name not in model.latents:
                raise SiteNotFound(name, model.latents, "the inner methods of Gibbs", "a latent site")
        found = _searched(model, self.blocks, self.by_inner)  # pyright: ignore[reportArgumentType]
        blocks: list[Block] = list(found.exact)
        for names in found.others:
            for chain, some in self._movers(model, names, found.reasons):
                density = conditional(model, some, found.children, own=chain.own_values)
                kernel, _ = as_long_as(self, chain).prepared(model, density)
                moving = any(model.sites[name].support is None for name in some)
                blocks.append(InnerBlock(kernel, density, moving))
        return tuple(blocks), found.reasons

    def _movers(
        self, model: Model, names: Sequence[str], reasons: Mapping[str, str]
    ) -> Iterator[tuple[MarkovChain, list[str]]]:
        """Yield the chains that move some latents, and which: what an inner method cannot move is parted."""
        asked = names in (self.blocks or ())
        given: dict[str, Any] = (
            dict(self.inner) if isinstance(self.inner, tuple) else dict.fromkeys(names, self.inner)
        )
        for chain in dict.fromkeys(given.get(name) for name in names):
            some = [name for name in names if given.get(name) == chain]
            apart = some if chain is None else []
            if chain is not None and not asked and not isinstance(self.inner, tuple):
                apart = [name for name in some if chain.obstacle(model, [name]) is not None]
            discrete = [name for name in apart if model.sites[name].is_discrete]
            if asked and discrete and chain is None:
                discrete = apart
            rest = [name for name in apart if name not in discrete]
            kept = [name for name in some if name not in apart]
            movers: list[tuple[Any, list[str]]] = [(chain, kept), (NUTS(), rest), (Metropolis(), discrete)]
            for mover, part in movers:
                if part and mover is not None:
                    self._check_mover(mover, model, part, reasons)
                    yield mover, part

    def init(self, key: Array, position: Array, target: Target) -> Any:
        """Refuse: a sweep has to know the blocks."""
        raise _unprepared()

    def step(self, key: Array, state: Any, target: Target, tuning: Tuning) -> tuple[Any, Any]:
        """Refuse: a sweep has to know the blocks."""
        raise _unprepared()

    def _check_mover(
        self, mover: MarkovChain, model: Model, names: Sequence[str], reasons: Mapping[str, str]
    ) -> None:
        obstacle = mover.obstacle(model, names)
        if obstacle is not None:
            first = next((n for n in names if n in reasons), names[0])
            why = f"; it is not drawn exactly: {reasons[first]}" if first in reasons else ""
            reason = f"{type(mover).__name__} cannot move a block: {obstacle}{why}"
            raise NotApplicable("Gibbs", reason, self.instead)


@dataclass(frozen=True, eq=False)
class _Searched:
    """What can be drawn exactly, and what is left.

    Attributes:
        exact: The blocks that are drawn exactly.
        others: The latents of each other block.
        reasons: Why these are not drawn exactly.
        children: The sites that are made of each latent.
    """

    exact: tuple[ExactBlock, ...]
    others: tuple[tuple[str, ...], ...]
    reasons: Mapping[str, str]
    children: Mapping[str, set[str]]


@functools.lru_cache(maxsize=16)
def _searched(
    model: Model, blocks: tuple[tuple[str, ...], ...] | None, by_inner: tuple[str, ...]
) -> _Searched:
    named = [name for block in blocks or () for name in block] + list(by_inner)
    for name in named:
        if name not in model.latents:
            raise SiteNotFound(name, model.latents, "the blocks of Gibbs", "a latent site")
    with Precision.DOUBLE.active():
        search = ExactBlocks(model)
        others = [block for block in blocks or () if not search.together(block)]
        search.by_itself([name for name in model.latents if name not in named])
        children = search.children
    done = {name for block in search.found for name in block.names} | {n for b in others for n in b}
    rest = tuple(name for name in model.latents if name not in done)
    asked = {name: "it is named in by_inner" for name in by_inner}
    return _Searched(
        tuple(search.found), (*others, *((rest,) if rest else ())), {**search.reasons, **asked}, children
    )


def _unprepared() -> TypeError:
    return TypeError("Expected the chains of a model; got Gibbs itself. Call Gibbs().prepared(model) first.")


def _own(block: Block) -> frozenset[str]:
    """Return the sites whose values, not unconstrained coordinates, lie in positions."""
    return block.density.layout.own if isinstance(block, InnerBlock) else frozenset(block.names)
