"""A model: a NumPyro program with its inputs and its data."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.program.arrays import convert, widened
from probdl.program.bound import Arrays, BoundProgram, as_array, hashable, split
from probdl.program.checks import check_complete, check_data, check_values
from probdl.program.compilable import compilable
from probdl.program.datatree import check_equally_weighted, posterior_draws, tree
from probdl.program.declarations import Declarations
from probdl.program.density import Density
from probdl.program.discover import discover
from probdl.program.keys import as_key
from probdl.program.known import known
from probdl.program.precision import Precision
from probdl.program.runs import log_joint, replicate
from probdl.program.signature import check_call, leaf_names
from probdl.program.sites import Site, SiteKind
from probdl.program.target import Target

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, init=False, eq=False)
class Model:
    """A NumPyro program bound to its inputs and its data. Immutable.

    Args:
        program: A callable of NumPyro statements.
        *args: Its positional arguments.
        **kwargs: Its keyword arguments; an array that arrives at an `obs=` is an observation.

    Raises:
        TypeError: If an argument is missing or unknown.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def coin(y=None):
        ...     bias = numpyro.sample("bias", dist.Beta(1, 1))
        ...     numpyro.sample("y", dist.Bernoulli(bias), obs=y)
        >>> model = Model(coin).condition(y=np.array(1))
        >>> print(f"{model.log_joint({'bias': 0.25}):.6f}")  # log 0.25
        -1.386294
    """

    program: Callable
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    observed: Mapping[str, Any]
    held: Mapping[str, Any]

    def __init__(self, program: Callable, /, *args: Any, **kwargs: Any) -> None:
        if not callable(program):
            raise TypeError(f"Expected a NumPyro program, a callable; got {type(program).__name__}.")
        check_call(program, args, kwargs)
        self._set(program, args, MappingProxyType(kwargs), MappingProxyType({}), MappingProxyType({}))

    def _set(self, *values: Any) -> None:
        for field, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, field.name, value)

    def condition(self, /, **data: Any) -> Model:
        """Return the model with sites observed.

        A value for a site inside a `scan` has the steps as its first axis. The same as passing the data
        to the program's `obs=`.

        Args:
            **data: Values by site.

        Returns:
            A new model.

        Raises:
            SiteNotFound: If a name is no site.
            ValueError: If a site cannot be observed.
        """
        values = self._checked(data, "condition")
        for name in values:
            if not self.sites[name].is_random:
                raise ValueError(
                    f"Expected a sample site in condition; got '{name}', which is "
                    f"{self.sites[name].kind.value}. Condition on one of its parents or descendants."
                )
        return self._with({**self.observed, **values}, self.held)

    def do(self, /, **values: Any) -> Model:
        """Return the model under an intervention: the sites are constants without parents.

        Args:
            **values: Values by site.

        Returns:
            A new model.

        Raises:
            SiteNotFound: If a name is no site.
            ValueError: If a site is a factor.
        """
        held = self._checked(values, "do")
        for name in held:
            if self.sites[name].kind is SiteKind.FACTOR:
                raise ValueError(
                    f"Expected a site with a value in do; got '{name}', a factor, which has no value. "
                    f"Intervene on the sites that it reads."
                )
        return self._with(self.observed, {**self.held, **held})

    def _with(self, observed: Mapping[str, Any], held: Mapping[str, Any]) -> Model:
        model = object.__new__(Model)
        observed = {name: value for name, value in observed.items() if name not in held}
        model._set(self.program, self.args, self.kwargs, MappingProxyType(observed), MappingProxyType(held))
        return model

    def _checked(self, values: Mapping[str, Any], where: str) -> dict[str, Any]:
        return check_values(self.sites, {k: as_array(v) for k, v in values.items()}, where)

    @functools.cached_property
    def _declared(self) -> tuple[BoundProgram, Declarations]:
        structure, static, _ = split(self.args, self.kwargs)
        scans: tuple[tuple[str, str], ...] = ()
        if self.observed or self.held:
            plain = Model(self.program, *self.args, **self.kwargs)
            scans = plain.declarations.scan_of([*self.observed, *self.held])
        return discover(BoundProgram(hashable(self.program), structure, static, scans), self._data)

    @functools.cached_property
    def _data(self) -> Arrays:
        """The data, wide: arrays that JAX met in single precision stay so as long as a trace holds them."""
        return Arrays(*map(widened, (split(self.args, self.kwargs)[2], self.observed, self.held)))

    @property
    def bound_to_data(self) -> tuple[BoundProgram, Arrays]:
        """The program and all of its data."""
        return self._declared[0], self._data

    @property
    def declarations(self) -> Declarations:
        """What one abstract run of the program found."""
        return self._declared[1]

    @functools.cached_property
    def sites(self) -> Mapping[str, Site]:
        """The sites by name, in the order of declaration."""
        return MappingProxyType({name: d.site for name, d in self.declarations.sites.items()})

    @property
    def plates(self) -> dict[str, int]:
        """Sizes of the plates."""
        return {name: plate.size for name, plate in self.declarations.plates.items()}

    @property
    def scans(self) -> dict[str, int]:
        """Lengths of the scans."""
        return dict(self.declarations.scans)

    @property
    def latents(self) -> tuple[str, ...]:
        """Names of the latent sites."""
        return tuple(name for name, site in self.sites.items() if site.is_latent)

    def check(self) -> None:
        """Check the observations against their sites, and covariances that no latent enters.

        Raises:
            ValueError: If one does not fit, or is singular; the message names site, index and value.
        """
        check_data(self.declarations, self.observed, known(self))

    @functools.cached_property
    def bound(self) -> tuple[BoundProgram, Arrays]:
        """The program as it is compiled, and the arrays that flow through it.

        Arrays that the program needs while it is traced (a number of groups, a boolean index) become
        part of the program: only they cause another compilation when they change.
        """
        return compilable(*self.bound_to_data)

    def arrays(self, precision: Precision) -> Arrays:
        """Return the arrays that flow through the program, in a precision.

        Args:
            precision: The precision of the run.

        Returns:
            The dynamic half of the model.

        Raises:
            OverflowError: If an integer does not fit.
        """
        raw, labels = self.bound[1], self.argument_names
        return Arrays(
            {k: convert(v, precision, labels[int(k)]) for k, v in raw.leaves.items()},
            {k: convert(v, precision, k) for k, v in raw.observed.items()},
            {k: convert(v, precision, k) for k, v in raw.held.items()},
        )

    @functools.cached_property
    def argument_names(self) -> tuple[str, ...]:
        """Names of the leaves of the arguments, for messages and for `constant_data`."""
        return leaf_names(self.program, self.args, self.kwargs)

    @functools.cached_property
    def density(self) -> Density:
        """The static half of the target: equal for models that can share a compilation."""
        return Density(self.bound[0], self.declarations.layout())

    @functools.cached_property
    def target(self) -> Target:
        """The unconstrained log-density with its start and its map to the sites, in JAX's precision."""
        return self.density.target(self.arrays(Precision(jnp.result_type(float).name)))

    def log_joint(self, values: Mapping[str, Any]) -> np.float64:
        """Return log p(latents, observations) in nats, in double precision.

        Args:
            values: Values of all latent sites, constrained; a param may be given too.

        Returns:
            A scalar; for a function that can be differentiated, see `target`.

        Raises:
            SiteNotFound: If a name is no site.
            ValueError: If a latent has no value, or one of another shape.
        """
        check_complete(self.sites, given := self._checked(values, "log_joint"))
        self.check()
        with Precision.DOUBLE.active():
            fixed = {name: convert(value, Precision.DOUBLE, name) for name, value in given.items()}
            arrays = self.arrays(Precision.DOUBLE)
            return np.float64(log_joint(self.bound[0], self.declarations.scan_of(given), arrays, fixed))

    def sample(self, key: int | Array, num_samples: int | None = None, *, given: Any = None) -> xr.DataTree:
        """Draw from the prior, or from the predictive distribution given a posterior.

        Observed sites are drawn anew. With `given`, latent sites that the posterior holds keep its draws, and
        all others are drawn given them: also at new inputs, with a model of the same program.

        Args:
            key: A seed or a JAX key.
            num_samples: Number of draws, 1000 if None. With `given`: that many of its draws, evenly spaced,
                as one chain; if None all of them, chains apart.
            given: A Result, or a DataTree with a posterior.

        Returns:
            Groups `prior` and `prior_predictive`, or `posterior_predictive`; dimensions chain, draw, then
            those of the site.

        Raises:
            SiteNotFound: If the posterior has a site that the program has not.
            ValueError: If a latent has another shape in the posterior, or its draws are weighted.
        """
        held, lead = {}, (1, 1000 if num_samples is None else num_samples)
        if given is not None:
            given = getattr(given, "data", given)
            check_equally_weighted(given, "given")
            held, lead = posterior_draws(given, self.sites, num_samples)
        with Precision.DOUBLE.active():
            keys = jax.random.split(as_key(key), lead[0] * lead[1])
            arrays = self.arrays(Precision.DOUBLE)
            drawn = replicate(self.bound[0], self.declarations.scan_of(held), arrays, keys, held)
        latent, new = ({k: np.asarray(v).reshape(*lead, *v.shape[1:]) for k, v in d.items()} for d in drawn)
        if given is None:
            return tree({"prior": latent, "prior_predictive": new}, self.sites)
        return tree({"posterior_predictive": {**latent, **new}}, self.sites)
