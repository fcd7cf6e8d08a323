"""Sampling of what cannot be integrated, with everything else integrated out and drawn back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from jaxtyping import Array

from probdl.errors import SiteNotFound
from probdl.exact.programs.marginal_density import MarginalDensity
from probdl.exact.programs.search import Found, find
from probdl.exact.tables.limits import MOST_ENTRIES
from probdl.inference.driver import drive
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.inference.mcmc.nuts import NUTS
from probdl.inference.method import Method, Options, at_least
from probdl.inference.monte_carlo.outcome import warn
from probdl.inference.monte_carlo.smc import SMC, unsuited
from probdl.inference.result import Result
from probdl.program.model import Model
from probdl.program.precision import Precision

MOST_COORDINATES = 200


@dataclass(frozen=True)
class Marginalized(Method):
    """Integrate latents out, sample the others, then draw the integrated ones given each draw.

    The result has every site. A posterior over fewer and better behaved latents has neither the funnels of
    hierarchies nor discrete sites.

    Args:
        inner: The method that samples the rest.
        sites: Which latents are integrated; None for all that can be and are worth it.
        max_table: The most entries of a table, as in `exact_posterior`.

    Raises:
        TypeError: If `inner` does not sample, or `sites` is a string or empty.
        ValueError: If `max_table` is not positive.

    Example:
        >>> print(Marginalized(NUTS(num_samples=10), sites=("z",)))
        Marginalized(inner=NUTS(num_samples=10), sites=('z',))

    Source:
        Gelman et al. (2013), §5.4 and §22.3: marginal and conditional computation.
    """

    goes_on: ClassVar[bool] = True

    inner: MarkovChain | SMC = field(default_factory=NUTS)
    sites: Sequence[str] | None = None
    max_table: int = MOST_ENTRIES

    def __post_init__(self) -> None:
        """Check the types."""
        if not isinstance(self.inner, MarkovChain | SMC):
            raise TypeError(
                f"Expected an inner method that samples, such as NUTS(); got {self.inner!r}. Exact() alone "
                f"draws from a posterior without it."
            )
        if isinstance(self.sites, str) or (self.sites is not None and not self.sites):
            raise TypeError(
                f"Expected names of sites; got {self.sites!r}. Write sites=('z',), or leave it out."
            )
        at_least("max_table", self.max_table, 1)

    @property
    def unlimited(self) -> Marginalized:
        """The method, however many draws are asked for."""
        return replace(self, inner=self.inner.unlimited)

    @property
    def instead(self) -> str:
        """What to do with a model that has nothing to integrate, or nothing to sample."""
        return "Call infer(model, key=0) without a method: it follows plan(model)."

    def found(self, model: Model) -> Found:
        """Return what is integrated.

        Args:
            model: The model.

        Returns:
            What was found; of all latents those are left out whose elimination is dearer than sampling.

        Raises:
            SiteNotFound: If one of `sites` is no latent site.
        """
        for name in self.sites or ():
            if name not in model.latents:
                raise SiteNotFound(name, model.latents, "sites", "a latent site")
        found = find(model, self.sites, max_table=self.max_table)
        if self.sites is not None or found.integral is None or not found.rest:
            return found
        large = {v.name for v in found.integral.variables if v.local_shape and v.size > MOST_COORDINATES}
        dear = {n for n in large if not model.sites[n].is_discrete}
        if not dear:
            return found
        names = [name for name in found.integrated if name not in dear]
        kept = find(model, names, max_table=self.max_table)
        why = f"a joint covariance of more than {MOST_COORDINATES} coordinates at each step is slower"
        return replace(kept, reasons={**found.reasons, **kept.reasons, **dict.fromkeys(sorted(dear), why)})

    def applicable(self, model: Model) -> str | None:
        """Return what prevents it, if something does."""
        if self.inner.precision is not Precision.DOUBLE:
            name = self.inner.precision.value
            return f"'inner' samples in {name}, in which integrals lose their digits; use Precision.DOUBLE"
        found = self.found(model)
        for name in self.sites or ():
            if name not in found.integrated:
                return (
                    f"site '{name}' cannot be integrated: {found.reasons.get(name, 'it depends on others')}"
                )
        if found.integral is None:
            why = "; ".join(f"'{name}': {reason}" for name, reason in found.reasons.items())
            return f"no latent site can be integrated ({why})"
        for name in model.latents:
            if model.sites[name].is_discrete and name not in found.integrated:
                why = found.reasons.get(name, "name it in `sites`")
                return f"site '{name}' is discrete and cannot be summed out: {why}"
        if not found.rest:
            return "every latent site is integrated and nothing is left to sample; Exact() draws from them"
        return unsuited(model, found.rest) if isinstance(self.inner, SMC) else None

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Draw from the posterior of a model."""
        found = self.found(model)
        if found.integral is None:
            raise ValueError("Expected a latent that can be integrated; got none. Check `applicable` first.")
        with self.inner.precision.active():
            density = MarginalDensity(found.integral, found.layout)
            if isinstance(self.inner, SMC):
                return warn(self.inner.run_on(key, model, options, density, self))
            inner, density = self.inner.prepared(model, density)
            return drive(key, inner, model, options, density, asked=self)
