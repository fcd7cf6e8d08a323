"""Entropy, mutual information and divergence of elements of a program, exact or from draws, in nats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from probdl.distributions.gaussian import GaussianVector
from probdl.exact.posteriors.covariances import MOST_ELEMENTS
from probdl.exact.posteriors.entries import entries
from probdl.exact.posteriors.joint_probabilities import joint_probabilities, values_of
from probdl.exact.posteriors.posterior import ExactPosterior
from probdl.exact.programs.variables import Kind
from probdl.exact.tables.network import NetworkPosterior
from probdl.inference.elements import drawn
from probdl.inference.joints import DiscreteJoint, GaussianJoint, Joint, SampledJoint
from probdl.inference.mixed_joint import MixedJoint
from probdl.inference.result import Result
from probdl.program.precision import Precision

Source = ExactPosterior | NetworkPosterior | Result
"""What is known of the elements."""


def entropy_of(source: Source, *names: str) -> float:
    r"""Return the entropy of elements together, $-\mathrm E \log p(x)$; differential of continuous ones.

    It is exact for discrete elements of an exact posterior, and where all of its latents are Gaussian. From
    draws it is an estimate: of continuous elements by Kozachenko and Leonenko, of discrete ones the entropy
    of their frequencies, which with n draws is too low by (states - 1) / (2n) on average; of both together
    that of the discrete ones, and the mean over their states of that of the continuous ones.

    Args:
        source: An exact posterior, or a result, whose draws are taken as independent: thin those of a chain,
            since neighbours in time look like neighbours in space.
        *names: Sites, elements or slices: "x", "x[3]", "x[2:5]".

    Returns:
        The entropy, in nats.

    Raises:
        TypeError: If the source is none of these.
        SiteNotFound: If a name is that of no site of the posterior.
        IndexError: If an index is outside its axis.
        ValueError: If an exact posterior is asked about elements that are not all discrete, and is not
            Gaussian, so that a result has to be passed; if there are too many elements, none, or one twice.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl.exact.posteriors.posterior import exact_posterior
        >>> from probdl.program.model import Model
        >>> def coins():
        ...     with numpyro.plate("coin", 3):
        ...         numpyro.sample("x", dist.Bernoulli(0.5))
        >>> print(f"{entropy_of(exact_posterior(Model(coins)), 'x[:2]'):.4f}")  # 2 log 2
        1.3863

    Source:
        Bishop & Bishop (2023), eqs. 2.86 and 2.92; Miller (1955) for the bias; Kozachenko & Leonenko (1987).
    """
    with Precision.DOUBLE.active():
        joint = _joint(source, names, "entropy_of")
        return joint.entropy(range(len(joint.elements)))


def mutual_information_of(
    source: Source, first: str | Iterable[str], second: str | Iterable[str], given: str | Iterable[str] = ()
) -> float:
    r"""Return what elements tell of others, $H(x, z) + H(y, z) - H(x, y, z) - H(z)$, if z is known.

    It is exact for discrete elements of an exact posterior, and where all of its latents are Gaussian. From
    draws it is an estimate: of continuous elements by Kraskov, Stoegbauer and Grassberger, with z by Frenzel
    and Pompe, of discrete and continuous ones together by Ross and Gao; of discrete ones that of their
    frequencies, which with n draws is too high on average, by (states of x - 1) (states of y - 1) / (2n) for
    each state of z if all joint states are possible.

    Args:
        source: An exact posterior, or a result, whose draws are taken as independent.
        first: Names of x: sites, elements or slices.
        second: Names of y.
        given: Names of z.

    Returns:
        The mutual information, in nats; of continuous draws it may be slightly below zero.

    Raises:
        TypeError: If the source is neither.
        SiteNotFound: If a name is that of no site of the posterior.
        IndexError: If an index is outside its axis.
        ValueError: As in `entropy_of`; or if x or y has no name.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl.exact.posteriors.posterior import exact_posterior
        >>> from probdl.program.model import Model
        >>> def program():
        ...     a = numpyro.sample("a", dist.Normal(0.0, 1.0))
        ...     numpyro.sample("b", dist.Normal(a, 1.0))
        >>> print(f"{mutual_information_of(exact_posterior(Model(program)), 'a', 'b'):.4f}")  # log(2) / 2
        0.3466

    Source:
        Bishop & Bishop (2023), eq. 2.110; Cover & Thomas (2006), eq. 2.60; Kraskov et al. (2004),
        doi:10.1103/PhysRevE.69.066138; Frenzel & Pompe (2007), doi:10.1103/PhysRevLett.99.204101;
        Ross (2014), doi:10.1371/journal.pone.0087357; Gao et al. (2017), arXiv:1709.06212.
    """
    groups = [_listed(names) for names in (first, second, given)]
    if not (groups[0] and groups[1]):
        raise ValueError(
            f"Expected a name or more in first and in second; got {groups[0]} and {groups[1]}. Name what is "
            f"asked about."
        )
    where = "mutual_information_of"
    with Precision.DOUBLE.active():
        joint = _joint(source, [name for names in groups for name in names], where)
        own = [_elements(source, names, where) if names else () for names in groups]
        x, y, z = ([joint.elements.index(element) for element in elements] for elements in own)
        return joint.mutual_information(x, y, z)


def kl_divergence_of(source: Source, other: Source, *names: str) -> float:
    r"""Return the divergence of one posterior of elements from another, $\mathrm E_p \log (p(x) / q(x))$.

    Of a posterior from its prior it is the information that the data gave. It is exact for discrete elements
    of exact posteriors, and where all of their latents are Gaussian. From draws it is an estimate: of
    continuous elements by Wang, Kulkarni and Verdu, of discrete ones the divergence of their frequencies,
    which with n draws each is too high on average, by (states - 1) / n where p and q are close, and infinite
    where q was never drawn.

    Args:
        source: The posterior p: an exact one, or a result, whose draws are taken as independent.
        other: The posterior q, in which the elements have the same names.
        *names: Sites, elements or slices.

    Returns:
        The divergence KL(p || q), in nats; of continuous draws it may be slightly below zero.

    Raises:
        TypeError: If one of them is no posterior.
        SiteNotFound: If a name is that of no site of a posterior.
        IndexError: If an index is outside its axis.
        ValueError: As in `entropy_of`; or if discrete and continuous elements are mixed, if the elements
            differ, or if one is exact and one is not.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl.exact.posteriors.posterior import exact_posterior
        >>> from probdl.program.model import Model
        >>> def program(y=None):
        ...     x = numpyro.sample("x", dist.Bernoulli(0.5))
        ...     numpyro.sample("y", dist.Normal(x, 1.0), obs=y)
        >>> prior = exact_posterior(Model(program))
        >>> print(f"{kl_divergence_of(exact_posterior(Model(program, 2.0)), prior, 'x'):.3f}")
        0.218

    Source:
        Bishop & Bishop (2023), eq. 2.100; Wang, Kulkarni & Verdu (2009), doi:10.1109/TIT.2009.2016060.
    """
    with Precision.DOUBLE.active():
        p, q = (_joint(each, names, "kl_divergence_of") for each in (source, other))
        if p.elements != q.elements:
            raise ValueError(
                f"Expected the same elements in both; got {', '.join(p.elements)} and "
                f"{', '.join(q.elements)}. Name those that both have."
            )
        if isinstance(source, NetworkPosterior) and isinstance(other, NetworkPosterior):
            _check_same_states(source, other, names)
        return p.divergence(q)


def _listed(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _elements(source: Source, names: Sequence[str], where: str) -> Sequence[str]:
    """Return the elements that names stand for."""
    if isinstance(source, ExactPosterior):
        return source.elements(*names)
    return (
        names if isinstance(source, NetworkPosterior) else [at.name for at in drawn(source, names, where)[0]]
    )


def _joint(source: Source, names: Sequence[str], where: str) -> Joint:
    """Return the joint distribution of elements, in the best form that a source has for it."""
    match source:
        case ExactPosterior():
            return _of_exact(source, names, where)
        case NetworkPosterior():
            if not names:
                raise ValueError(
                    f"Expected a variable or more in {where}; got none. Name what is asked about."
                )
            return _tabulated(tuple(names), source.joint(*names), [0] * len(names))
        case Result():
            return _of_draws(source, names, where)
    raise TypeError(
        f"Expected an exact posterior or a result in {where}; got {source!r}. Call exact_posterior(model), "
        f"or infer(model, key=0)."
    )


def _of_exact(posterior: ExactPosterior, names: Sequence[str], where: str) -> Joint:
    variables = posterior.integral.variables
    wanted = entries(variables, names, where, MOST_ELEMENTS)
    elements = tuple(entry.name for entry in wanted)
    if all(entry.variable.kind is Kind.DISCRETE for entry in wanted):
        _, table = joint_probabilities(posterior, names)
        return _tabulated(elements, table, [values_of(entry).start for entry in wanted])
    other = next((v.name for v in variables if v.kind is not Kind.GAUSSIAN), None)
    if other is not None:
        raise ValueError(
            f"Expected discrete elements, or latents that are all Gaussian, in {where}; got "
            f"{', '.join(elements)} beside '{other}'. Pass the Result of infer(...) instead: its draws tell."
        )
    means = {name: posterior.mean(name) for name in {entry.variable.name for entry in wanted}}
    mean = np.array([means[entry.variable.name][entry.place] for entry in wanted])
    covariance = posterior.covariance(*names)
    return GaussianJoint(elements, GaussianVector._make((jnp.asarray(mean), jnp.asarray(covariance))))


def _of_draws(result: Result, names: Sequence[str], where: str) -> Joint:
    wanted, columns = drawn(result, names, where)
    elements = tuple(place.name for place in wanted)
    discrete = np.array([column.dtype.kind in "iub" for column in columns])
    draws = np.stack(columns, 1)
    if discrete.all():
        values, counts = np.unique(draws.astype(int), axis=0, return_counts=True)
        return DiscreteJoint(elements, values, counts / counts.sum())
    if discrete.any():
        return MixedJoint(elements, draws.astype(float), discrete)
    return SampledJoint(elements, draws.astype(float))


def _tabulated(
    elements: tuple[str, ...], table: Float[np.ndarray, ...], starts: Sequence[int]
) -> DiscreteJoint:
    values = np.indices(table.shape).reshape(table.ndim, -1).T + np.asarray(starts)
    return DiscreteJoint(elements, values, table.ravel())


def _check_same_states(posterior: NetworkPosterior, other: NetworkPosterior, names: Sequence[str]) -> None:
    for name in names:
        own, others = posterior.network.states[name], other.network.states[name]
        if own != others:
            raise ValueError(
                f"Expected '{name}' to have the same states in both; got {own} and {others}. Give both "
                f"networks the same states, in one order."
            )
