"""Maximum likelihood, or maximum a posteriori, for the parameters of any program: EM."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Float

from probdl.errors import SiteNotFound
from probdl.exact.programs.attempt import Search
from probdl.exact.programs.search import Found, find
from probdl.exact.tables.limits import MOST_ENTRIES
from probdl.inference.assemble import provenance
from probdl.inference.em.climb import Climb, Fall
from probdl.inference.em.clusters import KMeansStart
from probdl.inference.em.expected import Expected, Seen, values_of
from probdl.inference.em.fitted import degenerate, fitted, observations
from probdl.inference.em.ordering import ordered
from probdl.inference.em.squarem import SQUAREM
from probdl.inference.em.starts import fallen, impossible, starts
from probdl.inference.em.stepping import Stepping
from probdl.inference.meter import meter
from probdl.inference.method import Method, Options, at_least
from probdl.inference.result import Result
from probdl.program.model import Model
from probdl.program.parameters import Parameters
from probdl.program.precision import Precision
from probdl.program.sites import SiteKind
from probdl.program.subsample import subsamplings


@dataclass(frozen=True, kw_only=True)
class EM(Method):
    """Fit the params of a program, and latent sites if asked, with all other latents integrated exactly.

    The E-step finds the posterior of the latents given the parameters: of discrete ones, Gaussian ones and
    chains of them, as `plan` says. The M-step has a closed form for a param whose entries are arguments of
    distributions, looked up by a latent or not: weights and probabilities, means, variances, covariances,
    rates; tied ones too. All others are raised by Newton steps in unconstrained coordinates. Where the
    parameters of an observed site are the same all along a plate or a scan, its data are gone through as
    sums of statistics. The objective never falls. It stops when, by Aitken's rule, no more than `tolerance`
    is left to gain.

    Sites in `parameters` are estimated with their priors: at the mode of their density, in their own values.

    Args:
        parameters: Latent sites that are estimated, besides all params.
        max_steps: The most steps of each restart.
        tolerance: How much of the objective may be left to gain, in nats.
        num_restarts: How many starts; the first is the program's own, others are around it, as far as one
            observation allows. The best fit is kept.
        start: Where restarts begin instead: from clusters of the data, for instance.
        accelerate: How steps are extrapolated; None: not.
        num_newton_steps: The most Newton steps of an M-step.
        order_by: A parameter in whose ascending order the components are: along its first axis. Which other
            axes belong to them is found out: exchanging them leaves the objective as it is.
        standard_errors: Whether the curvature of the objective is found at the end, and standard errors of
            the parameters from it.
        num_samples: Draws of the latents given the parameters.
        max_table: The most entries of a table, as in `exact_posterior`.

    Raises:
        TypeError: If `parameters` are no names.
        ValueError: If a number is out of range.

    Example:
        >>> import numpy as np, numpyro, numpyro.distributions as dist
        >>> from probdl.inference.infer import infer
        >>> def coins(heads):
        ...     bias = numpyro.param("bias", np.array([0.3, 0.6]), constraint=dist.constraints.unit_interval)
        ...     with numpyro.plate("N", len(heads)):
        ...         coin = numpyro.sample("coin", dist.Bernoulli(0.5))
        ...         numpyro.sample("heads", dist.Binomial(20, bias[coin]), obs=heads)
        >>> result = infer(Model(coins, np.array([4, 15, 5, 3, 16])), EM(), key=0)
        >>> result.parameters["bias"].round(2)
        array([0.2 , 0.77])

    Source:
        Bishop & Bishop (2023), §15.3 and §15.4; Dempster, Laird & Rubin (1977); Aitken's rule: Böhning et al.
        (1994).
    """

    parameters: Sequence[str] = ()
    max_steps: int = 1000
    tolerance: float = 1e-6
    num_restarts: int = 1
    start: KMeansStart | None = None
    accelerate: SQUAREM | None = None
    num_newton_steps: int = 10
    order_by: str | None = None
    standard_errors: bool = False
    num_samples: int = 1
    max_table: int = MOST_ENTRIES

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        if isinstance(self.parameters, str) or not all(isinstance(name, str) for name in self.parameters):
            raise TypeError(
                f"Expected names of sites in parameters; got {self.parameters!r}. Write parameters=('mu',)."
            )
        object.__setattr__(self, "parameters", tuple(self.parameters))
        if len({*self.parameters}) < len(self.parameters):
            raise ValueError(f"Expected each name once in parameters; got {self.parameters}. Drop one.")
        for name in ("max_steps", "num_restarts", "num_newton_steps", "num_samples", "max_table"):
            at_least(name, getattr(self, name), 1)
        if not 0 < self.tolerance < math.inf:
            raise ValueError(
                f"Expected a positive tolerance in nats; got {self.tolerance!r}. Pass 1e-6, say."
            )
        if not isinstance(self.accelerate, SQUAREM | None):
            raise TypeError(f"Expected accelerate to be SQUAREM() or None; got {self.accelerate!r}.")
        if not isinstance(self.start, KMeansStart | None):
            raise TypeError(f"Expected start to be KMeansStart() or None; got {self.start!r}.")

    @property
    def instead(self) -> str:
        """What to do with a model whose latents cannot be integrated."""
        return "Estimate the site as well, EM(parameters=(...)), or sample: infer(model, key=0)."

    def estimated(self, model: Model) -> tuple[str, ...]:
        """Return the sites that are estimated: params, then latents.

        Args:
            model: The model.

        Raises:
            SiteNotFound: If a name is no latent site.
        """
        for name in self.parameters:
            if name not in model.latents:
                raise SiteNotFound(name, model.latents, "the parameters of EM", "a latent site")
        params = (name for name, site in model.sites.items() if site.kind is SiteKind.PARAM)
        return (*params, *self.parameters)

    def _found(self, model: Model) -> Found:
        return find(model, set(model.latents) - {*self.parameters}, max_table=self.max_table)

    def _begin(
        self, key: Array, model: Model, plain: Expected, whole: Seen, steps: Stepping
    ) -> Float[np.ndarray, "restart dim"]:
        begin = starts(key, plain, whole, self.num_restarts, observations(model))
        if self.start is None:
            return begin
        variables = plain.integral.variables
        seeds = np.asarray(jax.random.randint(key, (len(begin),), 0, 2**31 - 1 - len(variables)))
        return np.stack(
            [
                steps.begun(position, self.start.states(model, variables, int(seed)))
                for position, seed in zip(begin, seeds, strict=True)
            ]
        )

    def applicable(self, model: Model) -> str | None:
        """Return which site stands in the way, and why, if one does."""
        names = self.estimated(model)
        if not names:
            return "the program has no numpyro.param, and no parameters were named"
        for plate in subsamplings(model):
            return str(plate)
        for name in names:
            site = model.sites[name]
            leaves = jax.tree.leaves(model.declarations.sites[name].value)
            if len(leaves) > 1:
                return f"param '{name}' is a tree of {len(leaves)} arrays, not one"
            if site.is_discrete or site.dtype.kind != "f":
                return f"site '{name}' holds {site.dtype}, not floating-point numbers, which have slopes"
            if site.kind is SiteKind.PARAM and site.scan is not None:
                return f"param '{name}' stands inside of a scan: declare it before"
            if site.is_latent and site.support is None:
                return f"the support of site '{name}' depends on other sites"
        if self.order_by is not None:
            if self.order_by not in names:
                raise SiteNotFound(self.order_by, names, "order_by of EM", "a parameter")
            if not model.sites[self.order_by].shape:
                return f"site '{self.order_by}' in order_by is one number, without components to put in order"
        found = self._found(model)
        for name in model.latents:
            if name not in found.integrated and name not in names:
                return (
                    f"site '{name}' is not integrated exactly: {found.reasons.get(name, 'it is continuous')}"
                )
        return None

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Fit the parameters of a model."""
        for name in ("until", "callback", "mesh"):
            if getattr(options, name) is not None:
                raise ValueError(
                    f"Expected no {name} with EM, which makes no chains of draws; got one. Drop it."
                )
        with Precision.DOUBLE.active():
            integral = self._found(model).integral or Search(model, self.max_table).integral(())
            plain = Expected(integral, Parameters.of(model, self.estimated(model)))
            whole = Seen(model.arrays(Precision.DOUBLE), {})
            steps = Stepping(plain, model, whole, self.num_newton_steps)
            begin = self._begin(key, model, plain, whole, steps)
            climb = Climb(self, steps, begin)

            def shrunk(position: np.ndarray) -> bool:
                values = values_of(steps.expected, steps.seen, position)
                return any(degenerate(model, {name: np.asarray(x) for name, x in values.items()}))

            interrupted = False
            with meter("fitting", wanted=options.progress) as report:
                try:
                    while not climb.is_done:
                        climb.advance()
                        report(climb.steps / self.max_steps, f"objective {climb.best:.8g}")
                except Fall as fall:
                    raise fallen(plain, whole, fall) from None
                except KeyboardInterrupt:
                    interrupted = True
                try:
                    fit = climb.finished(shrunk, interrupted=interrupted)
                except Fall as fall:
                    raise fallen(plain, whole, fall) from None
            if fit is None:
                raise impossible(plain, whole, begin[0])
            if self.order_by is not None:
                fit = ordered(steps.expected, steps.seen, fit, self.order_by)
            attributes = provenance(key, self) | {"num_samples": self.num_samples}
            return fitted(key, self, model, steps.expected, steps.seen, fit, options, attributes)
