"""Programs with subsampled plates: run on rows that are chosen, on all of them, or on a random minibatch."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from probdl.program.bound import Arrays, BoundProgram, hashable
from probdl.program.handlers import Everywhere, Message, Unconstrain
from probdl.program.layout import Layout, uniform_points
from probdl.program.model import Model
from probdl.program.target import Target, latent_values, log_probs, total

FEW_TIMES = 8


class Subsampling(NamedTuple):
    """A plate of which a run of the program sees a part.

    Attributes:
        name: The plate.
        size: Its size.
        seen: How many of its elements a run sees.
    """

    name: str
    size: int
    seen: int

    def __str__(self) -> str:
        """Return what keeps a method from a model, for its message."""
        return f"plate '{self.name}' is subsampled ({self.seen} of {self.size} elements)"

    def rows(self, key: Array) -> Int[Array, " seen"]:
        """Return the numbers of random elements: all sets are equally likely.

        An element can come twice where the plate is so large that this hardly happens: the mean over keys is
        the same, and to exclude it takes time in proportion to the size.

        Args:
            key: The key.
        """
        if self.size <= FEW_TIMES * self.seen:
            return jax.random.choice(key, self.size, (self.seen,), replace=False)
        if jnp.result_type(float) == jnp.float32:  # too few digits to scale
            return jax.random.randint(key, (self.seen,), 0, self.size)
        scaled = self.size * jax.random.uniform(key, (self.seen,))
        return jnp.minimum(scaled, self.size - 1).astype(jnp.int32 if self.size < 2**31 else int)


def subsamplings(model: Model) -> tuple[Subsampling, ...]:
    """Return the plates of a model that are subsampled.

    Args:
        model: The model.
    """
    plates = model.declarations.plates.items()
    return tuple(Subsampling(name, p.size, p.seen) for name, p in plates if p.seen < p.size)


class Taking(Unconstrain):
    """Run the program at an unconstrained position, and on rows that are given.

    Args:
        program: The program.
        values: Unconstrained values of latents.
        scan_of: The scan that each scanned one is in.
        rows: Numbers of elements, by plate; NumPyro scales by how many there are.
    """

    def __init__(
        self,
        program: Callable | None,
        values: Mapping[str, Any],
        scan_of: Mapping[str, str],
        rows: Mapping[str, Any],
    ) -> None:
        super().__init__(program, values, scan_of)
        self.rows = rows

    def visit(self, msg: Message) -> None:
        """Give a plate its rows, and a latent its value."""
        if msg["type"] == "plate" and msg["name"] in self.rows:
            _take(msg, self.rows[msg["name"]])
        super().visit(msg)


class _WholePlates(Everywhere):
    """Give subsampled plates all their rows, and hide what is computed for each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def visit(self, msg: Message) -> None:
        """Complete a plate, or hide a site."""
        if msg["type"] == "plate":
            size, seen = msg["args"]
            if seen is not None and seen < size:
                self.names.add(msg["name"])
                _take(msg, jnp.arange(size))
        elif msg["type"] == "deterministic":
            msg["stop"] = bool(self.names & {frame.name for frame in msg["cond_indep_stack"]})


def _take(msg: Message, rows: Any) -> None:
    msg["value"], msg["args"] = rows, (msg["args"][0], None)


@dataclass(frozen=True)
class Whole:
    """A program whose plates are not subsampled, and without the deterministic sites inside of these.

    Attributes:
        program: The program as it was.
    """

    program: Callable

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program on all rows."""
        with _WholePlates():
            return self.program(*args, **kwargs)

    @property
    def __name__(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Name of the program."""
        return getattr(self.program, "__name__", type(self.program).__name__)

    @property
    def __signature__(self) -> inspect.Signature:
        """The arguments of the program."""
        return inspect.signature(self.program)


def whole(model: Model) -> Model:
    """Return a model without subsampling: what its results are about.

    Args:
        model: The model.

    Returns:
        The model itself, if it has no subsampled plate; deterministic sites inside of one are left out.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def program(y):
        ...     mu = numpyro.sample("mu", dist.Normal(0, 1))
        ...     with numpyro.plate("N", len(y), subsample_size=2):
        ...         numpyro.sample("y", dist.Normal(mu, 1), obs=numpyro.subsample(y, 0))
        >>> whole(Model(program, np.zeros(10))).sites["y"].shape
        (10,)
    """
    if not subsamplings(model):
        return model
    found = Model(Whole(model.program), *model.args, **model.kwargs)
    found = found.condition(**model.observed) if model.observed else found
    return found.do(**model.held) if model.held else found


@dataclass(frozen=True)
class Subsampled:
    """The static half of a target whose log-density can be estimated from a minibatch.

    Attributes:
        bound: The program, which sees the rows that it is given.
        layout: Where the latents lie in a position.
        plates: The plates that are subsampled.
    """

    bound: BoundProgram
    layout: Layout
    plates: tuple[Subsampling, ...]

    @classmethod
    def of(cls, model: Model, complete: Model) -> Subsampled:
        """Return the density of a model.

        Args:
            model: The model.
            complete: The model without subsampling, whose arrays are those of the target; or the model, where
                its arrays are a minibatch.
        """
        bound = replace(complete.bound[0], program=hashable(model.program))
        return cls(bound, complete.density.layout, subsamplings(model))

    def rows(self, key: Array) -> dict[str, Array]:
        """Return random rows of each plate."""
        return {plate.name: plate.rows(jax.random.fold_in(key, i)) for i, plate in enumerate(self.plates)}

    def all_rows(self) -> dict[str, Array]:
        """Return all rows of each plate."""
        return {plate.name: jnp.arange(plate.size) for plate in self.plates}

    def target(self, arrays: Arrays) -> Target:
        """Return the target for some data."""
        return Target(
            functools.partial(self.log_density, arrays),
            lambda key: jax.random.uniform(key, (self.layout.dim,), minval=-2.0, maxval=2.0),
            lambda position: self.complete(arrays, jax.random.key(0), position),
            minibatch=lambda key: jax.value_and_grad(
                functools.partial(log_density_on, self, arrays, self.rows(key))
            ),
        )

    def points(self, arrays: Arrays, keys: Array, attempt: int) -> Float[np.ndarray, "chain dim"]:
        """Return a random starting point for each key of a chain."""
        del arrays
        return uniform_points(self.layout.dim, keys, attempt)

    def log_density(self, arrays: Arrays, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Return the log-density of a position on all rows, in nats, Jacobian included."""
        return log_density_on(self, arrays, self.all_rows(), position)

    def site_log_probs(self, arrays: Arrays, position: Float[Array, " dim"]) -> dict[str, Array]:
        """Return the log-probability of each site at a position, on all rows."""
        return log_probs(self.trace(arrays, self.all_rows(), position), trusted=True)

    def trace(
        self, arrays: Arrays, rows: Mapping[str, Any], position: Float[Array, " dim"]
    ) -> dict[str, Any]:
        """Return NumPyro's trace of the program at a position, on some rows."""
        values, scan_of = self.layout.unravel(position), dict(self.layout.scan_of)
        return self.bound.trace(arrays, Taking(None, values, scan_of, rows))

    def complete(self, arrays: Arrays, keys: Array, positions: Float[Array, "*draw dim"]) -> dict[str, Array]:
        """Return the values of the latent and deterministic sites outside of subsampled plates."""
        del keys
        names = {plate.name for plate in self.plates}
        rows = {plate.name: jnp.arange(plate.seen) for plate in self.plates}

        def run(position: Float[Array, " dim"]) -> dict[str, Array]:
            trace = self.trace(arrays, rows, position)
            kept = {
                name: msg
                for name, msg in trace.items()
                if not names & {frame.name for frame in msg.get("cond_indep_stack", ())}
            }
            return latent_values(kept)

        for _ in positions.shape[:-1]:
            run = jax.vmap(run)
        return run(positions)


@functools.partial(jax.jit, static_argnums=0)
def log_density_on(
    density: Subsampled, arrays: Arrays, rows: dict[str, Array], position: Float[Array, " dim"]
) -> Float[Array, ""]:
    """Return the log-density of a position, scaled up from some rows; traced once for each shape.

    Args:
        density: The static half of the target.
        arrays: The dynamic half.
        rows: Numbers of elements by plate.
        position: An unconstrained position.

    Returns:
        Nats, Jacobian included: unbiased, if the rows are random.
    """
    return total(log_probs(density.trace(arrays, rows, position), trusted=True), position.dtype)
