"""The table of all exponential families, and the family of a NumPyro distribution."""

from __future__ import annotations

from types import MappingProxyType

import numpyro.distributions as dist

from probdl.distributions.counts import GeometricFamily, NegativeBinomialFamily, PoissonFamily
from probdl.distributions.exponential_family import ExponentialFamily
from probdl.distributions.matrices import InverseWishartFamily, WishartFamily
from probdl.distributions.members import bare
from probdl.distributions.normal_gamma import NormalGammaFamily
from probdl.distributions.positive import (
    ExponentialDistributionFamily,
    GammaFamily,
    InverseGammaFamily,
    LogNormalFamily,
    ParetoFamily,
)
from probdl.distributions.real import LaplaceFamily, NormalFamily, VonMisesFamily
from probdl.distributions.simplex import BetaFamily, DirichletFamily
from probdl.distributions.trials import BernoulliFamily, BinomialFamily, CategoricalFamily, MultinomialFamily
from probdl.distributions.vectors import MultivariateNormalFamily

FAMILIES: tuple[type[ExponentialFamily], ...] = (
    BernoulliFamily,
    BinomialFamily,
    CategoricalFamily,
    MultinomialFamily,
    PoissonFamily,
    GeometricFamily,
    NegativeBinomialFamily,
    BetaFamily,
    DirichletFamily,
    GammaFamily,
    InverseGammaFamily,
    ExponentialDistributionFamily,
    LogNormalFamily,
    ParetoFamily,
    NormalFamily,
    LaplaceFamily,
    NormalGammaFamily,
    MultivariateNormalFamily,
    WishartFamily,
    InverseWishartFamily,
    VonMisesFamily,
)
_BY_MEMBER = MappingProxyType({member: family for family in FAMILIES for member in family.members})


def family_of(distribution: dist.Distribution) -> ExponentialFamily:
    """Return the exponential family that a NumPyro distribution belongs to.

    Args:
        distribution: The distribution, maybe expanded; dimensions that `to_event` declared are independent
            elements.

    Returns:
        The family, with its known constants, such as the total count of a binomial distribution.

    Raises:
        TypeError: If the distribution is of no family in the table.
        ValueError: If a known constant differs between elements.

    Example:
        >>> family = family_of(dist.Exponential(1.0))
        >>> p, q = map(family.natural_parameters, (dist.Exponential(1.0), dist.Exponential(2.0)))
        >>> print(f"{family.kl(p, q):.4f}")  # 1 - log 2
        0.3069

    Source:
        Bishop & Bishop (2023), §3.4.
    """
    inner = bare(distribution)
    if type(inner) not in _BY_MEMBER:
        names = ", ".join(sorted(member.__name__ for member in _BY_MEMBER))
        raise TypeError(
            f"Expected a distribution of an exponential family; got {type(inner).__name__}. Known: {names}."
        )
    return _BY_MEMBER[type(inner)].of(inner)
