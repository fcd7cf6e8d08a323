"""Adaptive rejection sampling: independent draws from log-concave densities of one variable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.errors import NotApplicable
from probdl.inference.mcmc.derivative_free import PlainState
from probdl.inference.mcmc.hull import Hull
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.inference.method import at_least
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import Schedule, Window, windows
from probdl.program.layout import Layout
from probdl.program.target import Target

DOUBLINGS, TRIES = 60, 500
FALL = 0.1  # nats by which the density falls off at least, at its slope, over the way from the start
NEGLIGIBLE = 100.0  # nats under another point: no draw comes from there, whatever the form of the density

Line = Callable[[Array], tuple[Array, Array]]  # a point -> log-density and slope


class RejectionInfo(NamedTuple):
    """What is recorded of each draw.

    Attributes:
        acceptance_rate: The share of candidates that were accepted.
        n_evaluations: Number of log-densities with their slopes.
        not_concave: A coordinate whose log-density turned out not to be concave; -1 if there is none.
        lp: Log-density of the new position, in nats, Jacobian included.
    """

    acceptance_rate: Float[Array, ""]
    n_evaluations: Array
    not_concave: Array
    lp: Float[Array, ""]


@dataclass(frozen=True, kw_only=True)
class AdaptiveRejection(MarkovChain):
    """Exact draws from log-concave densities of one variable, or of one given all others.

    Tangents of the log-density form a hull above it, from which candidates are drawn; each candidate that is
    rejected becomes a point of the hull. The densities are those of the unconstrained coordinates, where many
    a density is log-concave that is not in its own (a Gamma of any shape). With a single continuous latent,
    draws are independent; with several, or inside `Gibbs`, each coordinate is drawn given all others.

    Whether a log-density is concave is looked at wherever it is evaluated; where it is not, the run ends with
    an error that names the site.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that are not kept: they learn where hulls begin.
        num_chains: Number of chains.
        num_points: The most points of a hull.
        precision: Precision of all arithmetic.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> AdaptiveRejection(num_samples=500).num_points
        24

    Source:
        Gilks and Wild (1992); Bishop & Bishop (2023), §14.1.4. The lower hull is used to check, not to save
        evaluations, which chains side by side would do anyway.
    """

    has_gradient: ClassVar[bool] = False

    num_warmup: int = 200
    num_points: int = 24

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        at_least("num_points", self.num_points, 3)

    def init(self, key: Array, position: Float[Array, " dim"], target: Target) -> PlainState:
        """Return the state of a chain at a position."""
        del key
        return PlainState(position, target.log_density(position), jnp.zeros_like(position))

    def step(
        self, key: Array, state: PlainState, target: Target, tuning: Tuning
    ) -> tuple[PlainState, RejectionInfo]:
        """Return the next state of a chain, and what happened on the way: each coordinate is drawn once."""
        dim, kind = state.position.shape[0], state.position.dtype
        widths = jnp.asarray(tuning.own, kind)

        def turn(i: Array, carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
            position, tries, count, bad = carry

            def line(t: Array) -> tuple[Array, Array]:
                along = lambda t: target.log_density(position.at[i].set(t))  # noqa: E731
                return jax.jvp(along, (t,), (jnp.ones_like(t),))

            drawn = draw(jax.random.fold_in(key, i), line, position[i], widths[i], self.num_points)
            moved = position.at[i].set(jnp.where(drawn.is_concave, drawn.value, position[i]))
            bad = jnp.where(drawn.is_concave, bad, i)
            return moved, tries + drawn.tries, count + drawn.evaluations, bad

        none = jnp.zeros((), int)
        begun = (state.position, none, none, none - 1)
        position, tries, count, bad = jax.lax.fori_loop(0, dim, turn, begun)
        log_density = target.log_density(position)
        return PlainState(position, log_density, state.gradient), RejectionInfo(
            acceptance_rate=jnp.asarray(dim, kind) / tries,
            n_evaluations=count + 1,
            not_concave=bad,
            lp=log_density,
        )

    def schedule(self) -> Schedule:
        """Return the windows of the warm-up."""
        return windows(self.num_warmup)

    def untuned(self, dim: int) -> Tuning:
        """Return unit widths: how far from the present point hulls begin."""
        return super().untuned(dim)._replace(own=np.ones(dim))

    def learn(self, tuning: Tuning, window: Window) -> tuple[Tuning, bool]:
        """Return widths as large as the spread of the draws."""
        if window.is_last or window.draws.shape[1] < 2:
            return tuning, True
        spread = np.asarray(window.draws.std((0, 1)))
        return tuning._replace(own=np.where(spread > 0, spread, tuning.own)), True

    def check(self, stats: Mapping[str, np.ndarray], layout: Layout) -> None:
        """Look for densities that are not log-concave.

        Raises:
            NotApplicable: If there is one; the message names the site.
        """
        bad = stats["not_concave"]
        if not (bad >= 0).any():
            return
        place = int(bad[bad >= 0][0])
        numbers = layout.unravel(np.arange(layout.dim))  # pyright: ignore[reportArgumentType]
        name = next(n for n, own in numbers.items() if (np.asarray(own) == place).any())
        index = [int(k) for k in np.argwhere(np.asarray(numbers[name]) == place)[0]]
        raise NotApplicable(
            type(self).__name__,
            f"the log-density of site '{name}'{f' at {index}' if index else ''}, unconstrained and given all "
            f"others, is not concave, or does not fall off",
            "Use Slice(), or NUTS(), which need no such form.",
        )


class Drawn(NamedTuple):
    """What came of a draw.

    Attributes:
        value: The value.
        is_concave: Whether the log-density was concave wherever it was looked at.
        tries: Number of candidates.
        evaluations: Number of evaluations of the log-density.
    """

    value: Array
    is_concave: Array
    tries: Array
    evaluations: Array


def draw(key: Array, line: Line, start: Array, width: Array, size: int) -> Drawn:
    """Draw from a log-concave density of one variable.

    Args:
        key: A key.
        line: Gives its logarithm, in nats, and the slope of that.
        start: A point where it is finite.
        width: How far from there the hull begins.
        size: The most points of the hull.

    Returns:
        The draw.

    Example:
        >>> normal = lambda x: (-(x**2) / 2, -x)
        >>> one = lambda key: draw(key, normal, jnp.array(5.0), jnp.array(1.0), 12)
        >>> draws = jax.vmap(one)(jax.random.split(jax.random.key(0), 2000))
        >>> bool(draws.is_concave.all()), abs(float(draws.value.mean())) < 0.1
        (True, True)
    """
    log_density, slope = line(start)
    hull = Hull.empty(size, start.dtype).with_point(start, log_density, slope)
    hull, broken, count = _bracket(line, hull, start, -width, log_density)
    hull, also, more = _bracket(line, hull, start, width, log_density)

    def goes_on(carry: tuple) -> Array:
        _, _, tries, done, broken = carry
        return ~done & ~broken & (tries < TRIES)

    def attempt(carry: tuple) -> tuple:
        hull, _, tries, _, _ = carry
        own = jax.random.fold_in(key, tries)
        x = hull.draw(jax.random.fold_in(own, 0))
        log_density, slope = line(x)
        uniform = jax.random.uniform(jax.random.fold_in(own, 1), (), start.dtype)
        done = jnp.log(uniform) < log_density - hull.upper(x)
        counts = log_density > hull.highest - NEGLIGIBLE  # where a program clips, far out, it bends
        broken = (counts & hull.is_broken_by(x, log_density, slope)) | ~jnp.isfinite(x)
        return hull.with_point(x, log_density, slope, wanted=counts & ~done), x, tries + 1, done, broken

    begun = (hull, start, jnp.zeros((), int), jnp.zeros((), bool), broken | also)
    _, value, tries, done, _ = end = jax.lax.while_loop(goes_on, attempt, begun)
    is_concave = done & ~end[4]
    return Drawn(value, is_concave, jnp.maximum(tries, 1), tries + count + more + 1)


def _bracket(line: Line, hull: Hull, start: Array, step: Array, level: Array) -> tuple[Hull, Array, Array]:
    """Go on to one side until the density falls off there; where it is nothing, come back halfway.

    Returns the hull with the points on the way, whether the density is not concave or does not fall off, and
    the number of evaluations.
    """

    def goes_on(carry: tuple) -> Array:
        _, _, _, _, found, broken, count = carry
        return ~found & ~broken & (count < DOUBLINGS)

    def look(carry: tuple) -> tuple:
        hull, x, near, far, _, _, count = carry
        log_density, slope = line(x)
        possible = jnp.isfinite(log_density) & jnp.isfinite(slope)
        possible &= log_density > level - NEGLIGIBLE
        found = possible & (slope * (x - start) < -FALL)
        broken = possible & hull.is_broken_by(x, log_density, slope)
        near, far = jnp.where(possible, x, near), jnp.where(possible, far, x)
        beyond = start + 2 * (x - start)
        onward = jnp.where(jnp.isfinite(far), (near + far) / 2, beyond)
        hull = hull.with_point(x, log_density, slope, wanted=found | (count < 3))
        return hull, onward, near, far, found, broken, count + 1

    at_rest = jnp.zeros((), bool)
    far = jnp.asarray(jnp.inf, start.dtype)
    begun = (hull, start + step, start, far, at_rest, at_rest, jnp.zeros((), int))
    hull, *_, found, broken, count = jax.lax.while_loop(goes_on, look, begun)
    return hull, broken | ~found, count
