"""Parallel tempering: chains of flatter and flatter posteriors that swap their states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array

from probdl.inference.mcmc.inner import as_long_as, check_inner
from probdl.inference.mcmc.ladder import first_ladder
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.inference.mcmc.nuts import NUTS
from probdl.inference.mcmc.replicas import Replicas
from probdl.inference.mcmc.tempered_chains import TemperedChains
from probdl.inference.method import at_least
from probdl.inference.tuning import Tuning
from probdl.program.model import Model
from probdl.program.target import Sampled, Target

HOTTEST = 100.0  # where the prior cannot be drawn


@dataclass(frozen=True, kw_only=True)
class ParallelTempering(MarkovChain):
    r"""Chains at several temperatures, which swap states: for posteriors of several modes far apart.

    A replica of inverse temperature $\beta$ samples prior times likelihood to the power of $\beta$; where the
    prior is improper, the whole density to that power. The inner method moves each of them in coordinates of
    its own. Hot replicas cross from mode to mode, and swaps of neighbours bring what they find down to the
    one at $\beta = 1$, which alone is kept. Where the prior can be drawn, the hottest one draws from it:
    $\beta = 0$. The warm-up moves the temperatures until all neighbours swap equally often.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains, each with replicas of its own.
        inner: The method that moves replicas.
        num_temperatures: Number of replicas of a chain.
        temperatures: The temperatures $1 / \beta$ themselves, from 1 up; they are not moved then. Infinity,
            as the last one, is the prior.
        tempers_prior: Whether the prior is tempered, too; None: if it cannot be drawn.
        precision: Precision of all arithmetic.

    Raises:
        TypeError: If `inner` moves no single state.
        ValueError: If temperatures are out of order.

    Example:
        >>> ParallelTempering(temperatures=(1.0, 4.0, 16.0)).count
        3

    Source:
        Swendsen and Wang (1986); Syed, Bouchard-Côté, Deligiannidis and Doucet (2021) for the order of swaps
        and the temperatures.
    """

    has_gradient: ClassVar[bool] = False

    inner: MarkovChain = field(default_factory=NUTS)
    num_temperatures: int = 10
    temperatures: Sequence[float] | None = None
    tempers_prior: bool | None = None

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        at_least("num_temperatures", self.num_temperatures, 2)
        check_inner(self.inner)
        if self.temperatures is not None:
            object.__setattr__(self, "temperatures", tuple(map(float, self.temperatures)))
            steps = np.diff(self.temperatures)
            if len(steps) < 1 or self.temperatures[0] != 1 or not (steps > 0).all():
                raise ValueError(
                    f"Expected two or more temperatures from 1 up; got {self.temperatures}. Pass for "
                    f"instance (1.0, 3.0, 9.0), or leave them out."
                )

    @property
    def only_alone(self) -> str:
        """Why no other method can move latents by this one."""
        return "it moves several replicas of all sites"

    @property
    def count(self) -> int:
        """Number of replicas of a chain."""
        return self.num_temperatures if self.temperatures is None else len(self.temperatures)

    @property
    def instead(self) -> str:
        """What to do with a model that it cannot treat."""
        return self.inner.instead

    def obstacle(self, model: Model, names: Sequence[str]) -> str | None:
        """Return the reason why the inner method cannot move some latents, if so."""
        return self.inner.obstacle(model, names)

    def prepared(self, model: Model, density: Sampled | None = None) -> tuple[MarkovChain, Sampled]:
        """Return the chains that know what is tempered, and all replicas of what is sampled."""
        inner, one = as_long_as(self, self.inner).prepared(model, density)
        can_draw = _can_draw(one, model, self)
        whole = not can_draw if self.tempers_prior is None else self.tempers_prior
        draws = can_draw and not whole
        if self.temperatures is not None:
            if np.isinf(self.temperatures[-1]) and not draws:
                raise ValueError(
                    "Expected finite temperatures where the prior is tempered or cannot be drawn; got "
                    "infinity. Leave it out, or give all latents proper priors."
                )
            draws = bool(np.isinf(self.temperatures[-1]))
            ladder = 1 / np.array(self.temperatures)
        else:
            ladder = first_ladder(self.num_temperatures, 0.0 if draws else 1 / HOTTEST)
        chains = TemperedChains(
            num_samples=self.num_samples,
            num_warmup=self.num_warmup,
            num_chains=self.num_chains,
            precision=self.precision,
            inner=inner,
            ladder=tuple(ladder.tolist()),
            moves=self.temperatures is None,
            whole=whole,
            draws_prior=draws,
        )
        return chains, Replicas(one, len(ladder))

    def init(self, key: Array, position: Array, target: Target) -> Any:
        """Refuse: what is tempered depends on the model."""
        raise _unprepared()

    def step(self, key: Array, state: Any, target: Target, tuning: Tuning) -> tuple[Any, Any]:
        """Refuse: what is tempered depends on the model."""
        raise _unprepared()


def _unprepared() -> TypeError:
    return TypeError("Expected the chains of a model; got the method. Call its prepared(model) first.")


def _can_draw(density: Sampled, model: Model, method: MarkovChain) -> bool:
    """Whether the latents can be drawn from their prior."""
    target = density.target(model.arrays(method.precision))
    if target.prior is None:
        return False
    try:
        jax.eval_shape(target.prior.draw, jax.random.key(0))
    except NotImplementedError:
        return False
    return True
