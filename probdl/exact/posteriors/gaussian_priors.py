"""Steps of an elimination that are normal distributions given others, as priors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from probdl.exact.posteriors.conditional_priors import Earlier, GaussianPrior, no_chain, statistics
from probdl.exact.posteriors.marginal_distribution import is_trailing
from probdl.exact.programs.potential import Space
from probdl.exact.programs.steps import GaussianStep
from probdl.exact.programs.variables import Kind, Ref, Variable

SAME = 1e-8  # of a spread: what rounding, not another form, makes different at the points of a site


class Spread(NamedTuple):
    """What the covariance of a site is made of.

    Attributes:
        root: Square root of the covariance, or None where it depends on another site.
        slopes: Precision by the entries of that site.
        inverse: Whether it is by those of its inverse.
    """

    root: Float[np.ndarray, "*plates k k"] | None
    slopes: Float[np.ndarray, "*plates entries k k"] | None = None
    inverse: bool = False


@dataclass(frozen=True)
class GaussianPriors:
    """Priors of the Gaussian sites of a posterior, made in the order in which they are drawn.

    Attributes:
        space: The variables.
        units: By site so far, the order of magnitude of the spread of its coordinates.
    """

    space: Space
    units: dict[str, np.ndarray] = field(default_factory=dict)

    def of(self, step: GaussianStep, *conditional: np.ndarray) -> GaussianPrior:
        """Return the distribution of a site given those that are removed later.

        Args:
            step: The step that removes it.
            *conditional: Gain, offset and lower factor of the precision, in numbers.

        Returns:
            The prior.

        Raises:
            NotApplicable: If it depends on others in another way; the message names them.
        """
        own, by = self.space.variables[step.name], self._by(step)
        if own.size > 1 and not is_trailing(own):
            raise no_chain(f"the values of '{own.name}' depend on each other along axes {own.local_axes}")
        lead = (*own.lengths, 1 if by is None else self.space.variables[by.name].size)
        if by is None:
            conditional = tuple(np.expand_dims(x, len(own.lengths)) for x in conditional)
        gain, offset, factor = (np.broadcast_to(x, (*lead, *x.shape[len(lead) :])) for x in conditional)
        precision = factor @ factor.mT
        self._remember(own, precision)
        self._check_mean(own, step, gain, offset)
        gain, offset = gain[..., 0, :, :], offset[..., 0, :]
        spread = _spread(own, precision, None if by is None else self.space.variables[by.name])
        read, drawn = self._variables(step), list(self.units)
        centre = np.concatenate([*(v.origin for v in read), np.zeros(0)])
        order = sorted(range(len(read)), key=lambda i: drawn.index(read[i].name))
        ends = np.cumsum([0, *(v.size for v in read)])
        columns = [j for i in order for j in range(ends[i], ends[i + 1])]
        return GaussianPrior(
            offset + np.asarray(own.origin) - gain @ centre,
            gain[..., columns],
            spread.root,
            spread.slopes,
            tuple(Earlier.of(self.space, step.axes, step.others[i]) for i in order),
            None if by is None or spread.root is not None else Earlier.of(self.space, step.axes, by),
            spread.inverse,
            own.site.shape,
            own.local_shape,
        )

    def _variables(self, step: GaussianStep) -> list[Variable]:
        return [self.space.variables[ref.name] for ref in step.others]

    def _by(self, step: GaussianStep) -> Ref | None:
        """Return the conjugate site that a site depends on."""
        names = dict.fromkeys(repr(ref.name) for ref in step.given)
        discrete = [r for r in step.given if self.space.variables[r.name].kind is Kind.DISCRETE]
        if discrete or len(step.given) > 1:
            raise no_chain(f"'{step.name}' is a mixture over {', '.join(names)}")
        return step.given[0] if step.given else None

    def _remember(self, own: Variable, precision: np.ndarray) -> None:
        scale = 1 / np.sqrt(np.diagonal(precision, axis1=-2, axis2=-1))
        self.units[own.name] = scale.reshape(-1, own.size).mean(0) if scale.size else np.ones(own.size)

    def _check_mean(self, own: Variable, step: GaussianStep, gain: np.ndarray, offset: np.ndarray) -> None:
        """Check that the mean is the same at all points."""
        unit = self.units[own.name]
        rest = np.concatenate([*(self.units[v.name] for v in self._variables(step)), np.zeros(0)])
        moved = np.abs(offset - offset[..., :1, :]) > SAME * (unit + np.abs(offset))
        turned = np.abs(gain - gain[..., :1, :, :]) * rest > SAME * (unit[:, None] + np.abs(gain) * rest)
        if moved.any() or turned.any():
            raise no_chain(f"the mean of '{own.name}' depends on '{step.given[0].name}'")


def _spread(own: Variable, precision: np.ndarray, by: Variable | None) -> Spread:
    """Return how the covariance of elements depends on a conjugate site, given precisions at its points."""
    scale = np.sqrt(np.diagonal(precision, axis1=-2, axis2=-1))
    size = scale[..., :, None] * scale[..., None, :]
    first = precision[..., 0, :, :]
    if by is None or (np.abs(precision - first[..., None, :, :]) <= SAME * size).all():
        upper = np.linalg.qr(np.linalg.inv(np.linalg.cholesky(first)), "r")
        signs = np.sign(np.diagonal(upper, axis1=-2, axis2=-1))
        return Spread((signs[..., :, None] * upper).mT)
    points = by.states().reshape(by.size, -1)
    matrix = by.local_shape[-1:] * 2 == by.local_shape[-2:]
    for inverted in (False, True) if points.shape[-1] == 1 or matrix else (False,):
        entries = np.asarray(statistics(jnp.asarray(points), inverse=inverted))
        norms = np.linalg.norm(entries, axis=-1)
        target = precision / norms[:, None, None]
        slopes = np.einsum("fp,...pij->...fij", np.linalg.pinv(entries / norms[:, None]), target)
        found = np.einsum("pf,...fij->...pij", entries, slopes)
        if (np.abs(found - precision) <= SAME * size).all():
            return Spread(None, (slopes + slopes.mT) / 2, inverted)
    raise no_chain(f"the precision of '{own.name}' is no multiple of '{by.name}', nor of its inverse")
