"""A model whose data have gaps: what was not seen is integrated out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array

from probdl.distributions.partly_observed import PartlyObservedNormal
from probdl.program.bound import Arrays
from probdl.program.discover import Discover, leaves_of
from probdl.program.handlers import Everywhere, Message, bare
from probdl.program.jaxprs import part
from probdl.program.known import observation_of
from probdl.program.model import Model
from probdl.program.sites import Site
from probdl.program.wrapped import Wrapped


class Unseen(Everywhere):
    """Give observed sites the density of the elements that were seen: those whose value is True."""

    def visit(self, msg: Message) -> None:
        """Take the other elements out of a site."""
        if msg["type"] == "sample" and msg["name"] in self.values:
            seen = self.value(msg["name"])
            whole, msg["fn"] = msg["fn"], seen_part(msg["fn"], seen)
            if msg["is_observed"]:
                msg["value"] = filled(whole, jnp.asarray(msg["value"]), seen)


def seen_part(fn: Any, seen: Any) -> Any:
    """Return a distribution whose density is that of some elements of a value.

    Args:
        fn: The distribution of all.
        seen: Which elements count, of the shape of a value: of an event that is no vector of independent
            elements and not normal, all or none.
    """
    match type(fn).__name__:
        case "Independent":
            return seen_part(fn.base_dist, seen).to_event(fn.reinterpreted_batch_ndims)
        case "MaskedDistribution":
            return seen_part(fn.base_dist, seen).mask(fn._mask)
        case "ExpandedDistribution" if fn.event_dim:
            return seen_part(fn.base_dist, seen).expand(fn.batch_shape)
        case "MultivariateNormal":
            return PartlyObservedNormal(fn, seen)
        case _:
            return fn.mask(seen.all(tuple(range(seen.ndim - fn.event_dim, seen.ndim))))


def filled(fn: Any, value: Any, seen: Any) -> Any:
    """Return a value with possible numbers where none was seen."""
    kept = jnp.where(seen, value, fn.support.feasible_like(value))
    return kept.astype(jnp.result_type(int)) if fn.is_discrete else kept


@dataclass(frozen=True)
class WithMissing(Wrapped):
    """A program whose first argument says, by site, which elements were seen.

    Attributes:
        program: The program.
        scan_of: The scan that each of these sites is in.
    """

    scan_of: tuple[tuple[str, str], ...] = ()
    argument: ClassVar[str] = "seen"

    def __call__(self, first: Mapping[str, Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run the program."""
        with Unseen(None, first, dict(self.scan_of)):
            return self.program(*args, **kwargs)


def with_missing(model: Model) -> Model:
    """Return a model in which observations that are NaN were not seen: they are integrated out.

    What is missing has to be missing at random: whether it is must not depend on what it would have been,
    given what was seen. Each element of a site is missing by itself: also of a vector that is multivariate
    normal, or whose elements are independent. All methods of inference see such a model as any other; its
    `sample` draws all elements.

    Args:
        model: The model.

    Returns:
        The model itself if nothing is missing; else one with the same latents.

    Raises:
        ValueError: If nothing of a site was seen, or only a part of an event that counts as a whole; if what
            is missing enters another site, such as the next step of an autoregression; if observations are
            not known before a run.

    Example:
        >>> import numpyro
        >>> def program(y):
        ...     mean = numpyro.param("mean", 0.0)
        ...     with numpyro.plate("n", len(y)):
        ...         numpyro.sample("y", dist.Normal(mean, 1), obs=y)
        >>> model = with_missing(Model(program, np.array([0.0, np.nan])))
        >>> print(f"{model.log_joint({'mean': 0.0}):.3f}")
        -0.919

    Source:
        Rubin (1976), Inference and missing data, Biometrika 63(3).
    """
    seen: dict[str, np.ndarray] = {}
    for name, site in model.sites.items():
        value = observation_of(model, name)
        if site.is_observed and value is None and _has_gaps(model):
            raise ValueError(
                f"Expected the observation of site '{name}' to be known before a run, with its gaps; got one "
                f"of a part of a plate, or one that latents enter. Mask it by `numpyro.handlers.mask`."
            )
        if value is not None and np.isnan(value).any():
            seen[name] = ~np.broadcast_to(np.isnan(value), site.shape)
    if not seen:
        return model
    _check(seen, _whole_events(model, frozenset(seen)))
    scan_of = tuple((name, site.scan) for name in seen if (site := model.sites[name]).scan is not None)
    changed = Model(WithMissing(model.program, scan_of), seen, *model.args, **model.kwargs)
    observed = {name: _filled(model.sites[name], v, seen.get(name)) for name, v in model.observed.items()}
    changed = changed.condition(**observed) if observed else changed
    return changed.do(**model.held) if model.held else changed


def _filled(site: Site, value: Any, seen: np.ndarray | None) -> Any:
    """Return an observation with a value that was seen in the place of those that were not."""
    if seen is None:
        return value
    whole = np.broadcast_to(value, site.shape)
    rank = site.event_dim
    complete = np.argwhere(seen.all(tuple(range(seen.ndim - rank, seen.ndim))))
    like = whole[tuple(complete[0])] if len(complete) else whole[seen][0]
    kept = np.where(seen, whole, like)
    return kept.astype(int) if site.is_discrete else kept


def _check(seen: Mapping[str, np.ndarray], whole: Mapping[str, tuple[str, int]]) -> None:
    """Refuse sites of which nothing was seen, and events that count as a whole of which a part was not."""
    for name, present in seen.items():
        if not present.any():
            raise ValueError(
                f"Expected a value of site '{name}' that is not NaN; got none of {present.size}. Leave the "
                f"site out of the data: pass None as its `obs`."
            )
        if name not in whole:
            continue
        kind, rank = whole[name]
        events = present.reshape(*present.shape[: present.ndim - rank], -1)
        partly = np.argwhere(events.any(-1) & ~events.all(-1))
        if len(partly):
            raise ValueError(
                f"Expected each draw of site '{name}' to be seen or not as a whole, since it is of a {kind}; "
                f"got one with some NaN at index {partly[0].tolist()}. Make all of it NaN, or drop it."
            )


def _has_gaps(model: Model) -> bool:
    leaves = model.bound_to_data[1].leaves.values()
    return any(leaf.dtype.kind == "f" and bool(np.isnan(leaf).any()) for leaf in leaves)


class _Reach(Discover):
    """Mark the values of some sites, so that what is made of them is known, and find their families.

    Args:
        gaps: The sites.
        mark: A traced number, as good as zero.
    """

    def __init__(self, gaps: frozenset[str], mark: Any) -> None:
        super().__init__()
        self.gaps, self.mark = gaps, mark
        self.whole: dict[str, tuple[str, int]] = {}

    def visit(self, msg: Message) -> None:
        """Mark a site; note the name and the rank of events that are seen as a whole or not at all."""
        super().visit(msg)
        if msg["type"] == "sample" and msg["name"] in self.gaps:
            msg["value"] = jnp.asarray(msg["value"]) + self.mark
            inner = bare(msg["fn"])
            if inner.event_dim and not isinstance(inner, dist.MultivariateNormal):
                self.whole[msg["name"]] = type(inner).__name__, inner.event_dim


def _whole_events(model: Model, gaps: frozenset[str]) -> dict[str, tuple[str, int]]:
    """Return which sites with gaps have events that count as a whole, with family and rank.

    Raises:
        ValueError: If gaps enter the distribution of a site, a factor, or what is deterministic.
    """
    bound, arrays = model.bound
    labels: list[str] = []
    whole: dict[str, tuple[str, int]] = {}

    def run(arrays: Arrays, unit: Array, mark: Array) -> list[Any]:
        look = _Reach(gaps, mark)
        look.unit = unit
        found = []
        for name, msg in bound.trace(arrays, look).items():
            own = {"sample": msg.get("fn"), "deterministic": msg["value"]}.get(msg["type"])
            made = [leaf for leaf in leaves_of(own) if isinstance(leaf, jax.Array)]
            labels.extend([name] * len(made))
            found += made
        whole.update(look.whole)
        return found

    number = jax.ShapeDtypeStruct((), jnp.result_type(float))
    closed = jax.make_jaxpr(run)(jax.tree.map(np.asarray, arrays), number, number)
    for i, name in enumerate(labels):
        if part(closed, [i]).used[-1]:
            sites = ", ".join(f"'{gap}'" for gap in sorted(gaps))
            raise ValueError(
                f"Expected missing values of {sites} to enter no other site; got '{name}', which is made of "
                f"them. Make what is missing a latent: observe it with noise, or impute it."
            )
    return whole


def seen_of(model: Model) -> Mapping[str, np.ndarray]:
    """Return which elements of observations were seen, by site, of those that have gaps."""
    return model.args[0] if isinstance(model.program, WithMissing) else {}
