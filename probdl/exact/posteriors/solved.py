"""A model whose latents are all integrated: what every question to its posterior begins with."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from probdl.errors import SiteNotFound
from probdl.exact.posteriors.conditionals import summed
from probdl.exact.programs.chain_steps import ChainStep
from probdl.exact.programs.expectations import Expectations, Moments, expectations, moments
from probdl.exact.programs.integral import Integral
from probdl.exact.programs.search import Found
from probdl.exact.programs.steps import DiscreteStep
from probdl.exact.programs.variables import Kind, Variable
from probdl.program.bound import Arrays
from probdl.program.model import Model
from probdl.program.precision import Precision


@dataclass(frozen=True, eq=False)
class Solved:
    """A model with the integral over all of its latents.

    Attributes:
        model: The model.
        found: How its latents are integrated.
    """

    model: Model
    found: Found

    @property
    def integral(self) -> Integral:
        """The integral.

        Raises:
            ValueError: If nothing is latent.
        """
        if self.found.integral is None:
            raise ValueError("Expected a model with latent sites; got none. Call model.log_joint({}).")
        return self.found.integral

    @functools.cached_property
    def arrays(self) -> Arrays:
        """The data, in double precision."""
        with Precision.DOUBLE.active():
            return self.model.arrays(Precision.DOUBLE)

    @functools.cached_property
    def expectations(self) -> Expectations:
        """What the derivatives of the log evidence say of each variable."""
        with Precision.DOUBLE.active():
            return expectations(self.integral, self.arrays, {})

    @property
    def has_points(self) -> bool:
        """Whether expectations are read off at points of conjugate sites."""
        return any(v.kind is Kind.CONJUGATE for v in self.integral.variables)

    @functools.cached_property
    def moments(self) -> Moments:
        """Moments of all latents, where some of them are conjugate."""
        with Precision.DOUBLE.active():
            return moments(self.integral, self.arrays)

    @functools.cached_property
    def summed(self) -> list[DiscreteStep | ChainStep]:
        """How discrete latents are distributed given those that were summed out after them."""
        with Precision.DOUBLE.active():
            return summed(self.integral, self.arrays)

    def variable(self, name: str, *kinds: Kind) -> Variable:
        """Return what is integrated, by the name of its site.

        Args:
            name: The site.
            *kinds: How it may be integrated.

        Returns:
            The variable.

        Raises:
            SiteNotFound: If it is no latent site.
            ValueError: If it is integrated otherwise.
        """
        variables = {v.name: v for v in self.integral.variables}
        if name not in variables:
            raise SiteNotFound(name, variables, "the posterior", "a latent site")
        if variables[name].kind not in kinds:
            raise ValueError(
                f"Expected a {'discrete' if Kind.DISCRETE in kinds else 'continuous'} site; got '{name}'. "
                f"Ask for `probabilities` of discrete sites, for `mean` and `variance` of the others."
            )
        return variables[name]
