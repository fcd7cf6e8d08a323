"""What is integrated: a site with its elements side by side, and where a term finds them."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.exact.conjugacy.conjugate import Interpolation
from probdl.program.repeated import Repeated
from probdl.program.sites import Site
from probdl.program.states import finite_range, joint_states


class Kind(enum.Enum):
    """How a variable is integrated."""

    DISCRETE = "summed out"
    GAUSSIAN = "integrated as a Gaussian"
    CONJUGATE = "integrated by conjugacy"


class Ref(NamedTuple):
    """Which element of a variable an element of a term reads.

    Attributes:
        name: The variable.
        lag: How many steps of its scan ago.
        at: Positions by axis of the variable, over the axes of the term; an axis that is missing here is
            aligned: the term has it too, and reads the same position.
    """

    name: str
    lag: int = 0
    at: tuple[tuple[str, np.ndarray], ...] = ()

    def at_step(self, place: int, step: int) -> Ref:
        """Return it as read by a term that belongs to one step of a scan.

        Args:
            place: The axis of the scan in the positions.
            step: The step.

        Returns:
            A ref with positions that lack the axis.
        """
        steps = [step if at.shape[place] > 1 else 0 for _, at in self.at]
        taken = [np.take(at, n, axis=place) for n, (_, at) in zip(steps, self.at, strict=True)]
        return self._replace(at=tuple((axis, at) for (axis, _), at in zip(self.at, taken, strict=True)))

    def of_step(self, scan: str, step: int) -> Ref:
        """Return it with its step of a scan as a position.

        Args:
            scan: The scan.
            step: The step of the term.

        Returns:
            A ref without a lag.
        """
        where = np.full((1,) * (self.at[0][1].ndim if self.at else 0), step - self.lag)
        return Ref(self.name, 0, (*self.at, (scan, where)))

    @property
    def gathered(self) -> tuple[str, ...]:
        """The axes along which positions are looked up."""
        return tuple(axis for axis, _ in self.at)


@dataclass(frozen=True, eq=False)
class Variable:
    """A latent site that is integrated.

    Attributes:
        site: The site.
        kind: How it is integrated.
        merged: Plates and scans whose elements are one joint value, not elements side by side.
        family: The family of its conditional distribution, where it is conjugate.
        centre: Values of the coordinates about which terms are expanded, if it is Gaussian; zero if empty.
        points: Where its log-density is evaluated then: its states, as far as an elimination is concerned.
    """

    site: Site
    kind: Kind
    merged: frozenset[str] = frozenset()
    family: ExponentialFamily | None = None
    centre: tuple[float, ...] = ()
    points: Interpolation | None = None

    @property
    def _identity(self) -> tuple:
        site = self.site
        points = b"" if self.points is None else np.asarray(self.points.points).tobytes()
        beyond = None if self.points is None else self.points.beyond
        further = None if beyond is None else np.asarray(beyond).tobytes()
        return (site.name, site.shape, site.event_dim, site.axes, site.scan, site.dtype.str, self.kind) + (
            self.merged,
            finite_range(site),
            repr(self.family),
            points,
            further,
            self.centre,
        )

    def __eq__(self, other: object) -> bool:
        """Compare all that matters when something is compiled; supports need not be comparable."""
        return isinstance(other, Variable) and self._identity == other._identity

    def __hash__(self) -> int:
        """Hash what is compared."""
        return hash(self._identity)

    @property
    def name(self) -> str:
        """Name of the site."""
        return self.site.name

    @property
    def axes(self) -> tuple[str, ...]:
        """The plates and scans whose elements lie side by side, in the order of the axes of its value."""
        return tuple(name for name, _ in self._batch)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(self.site.shape[axis] for _, axis in self._batch)

    @property
    def _batch(self) -> tuple[tuple[str, int], ...]:
        found = [(name, axis) for name, axis in self.site.axes if name not in self.merged]
        return tuple(sorted(found, key=lambda item: item[1]))

    @property
    def nothing(self) -> Array:
        """A value for where it does not matter, in the precision that is in use."""
        kinds = {"f": jnp.result_type(float), "i": jnp.result_type(int), "u": jnp.result_type(int)}
        return jnp.zeros(self.site.shape, kinds.get(self.site.dtype.kind, self.site.dtype))

    @property
    def local_shape(self) -> tuple[int, ...]:
        """Shape of one element."""
        return tuple(self.site.shape[axis] for axis in self.local_axes)

    @property
    def local_axes(self) -> tuple[int, ...]:
        """The axes of its value that belong to one element."""
        batch = {axis for _, axis in self._batch}
        return tuple(axis for axis in range(len(self.site.shape)) if axis not in batch)

    @property
    def origin(self) -> Array:
        """The value of an element at which all of its coordinates are zero, flat."""
        kind = self.nothing.dtype
        return jnp.asarray(self.centre, kind) if self.centre else jnp.zeros(self.size, kind)

    @property
    def size(self) -> int:
        """Number of states of an element, of its points if it is conjugate, of coordinates if Gaussian."""
        entries = math.prod(self.local_shape)
        if self.kind is Kind.DISCRETE:
            return len(finite_range(self.site) or ()) ** entries
        return entries if self.points is None else len(self.points.points)

    @property
    def weight(self) -> int:
        """What it adds to the cost of a table, whatever the points of a conjugate variable are."""
        return self.size if self.family is None else self.family.dimension

    @property
    def log_size(self) -> float:
        """Logarithm of the size; what grows exponentially is counted without being made."""
        entries = math.prod(self.local_shape)
        if self.kind is Kind.DISCRETE:
            return entries * math.log(len(finite_range(self.site) or (0, 0)))
        return math.log(max(self.size, 1))

    @property
    def known_family(self) -> ExponentialFamily:
        """The family of a conjugate variable.

        Raises:
            ValueError: If it is not conjugate.
        """
        if self.family is None:
            raise ValueError(f"Expected a conjugate variable; got '{self.name}'. Give its family.")
        return self.family

    @property
    def known_points(self) -> Interpolation:
        """The points of a conjugate variable.

        Raises:
            ValueError: If it has none.
        """
        if self.points is None:
            raise ValueError(f"Expected a conjugate variable; got '{self.name}'. Give its points.")
        return self.points

    def merging(self, axis: str) -> Variable:
        """Return the variable whose elements along an axis are one joint value."""
        return replace(self, merged=self.merged | {axis})

    def states(self) -> np.ndarray:
        """Return all values of an element that a table has, shape (size, *local_shape)."""
        if self.points is not None:
            return self.points.points  # pyright: ignore[reportReturnType]
        values = finite_range(self.site) or range(0)
        return joint_states(values, math.prod(self.local_shape)).reshape(-1, *self.local_shape)

    def filled(self, element: Array) -> Repeated:
        """Return the value of the site in which each element is the same.

        Args:
            element: Shape local_shape, or flat.

        Returns:
            The value.
        """
        value = jnp.reshape(element, self.local_shape).astype(self.nothing.dtype)
        value = jnp.expand_dims(value, tuple(axis for _, axis in self._batch))
        empty = [axis for axis, length in enumerate(self.site.shape) if not length]
        return Repeated(value, self.site.shape).along(empty)

    def unpacked[Values: (Array, np.ndarray)](self, elements: Values) -> Values:
        """Return the value of the site from its elements.

        Args:
            elements: Shape (*lengths, *local_shape), or with the latter flat; of JAX or of NumPy.

        Returns:
            Shape of the site.
        """
        batch = [axis for _, axis in self._batch]
        rest = [axis for axis in range(len(self.site.shape)) if axis not in batch]
        shaped = elements.reshape(self.lengths + self.local_shape)
        return shaped.transpose(np.argsort([*batch, *rest]).tolist())
