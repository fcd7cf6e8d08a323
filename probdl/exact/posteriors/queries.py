"""Questions about several elements together, about whole distributions, and about their statistics."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from probdl.exact.posteriors.covariances import MOST_ELEMENTS, covariance
from probdl.exact.posteriors.entries import Entry, entries
from probdl.exact.posteriors.joint_probabilities import joint_probabilities, most_probable_states
from probdl.exact.posteriors.marginal_distribution import marginal_distribution
from probdl.exact.posteriors.solved import Solved
from probdl.exact.posteriors.statistics import continuous_statistics, products_of_steps
from probdl.exact.programs.variables import Kind


@dataclass(frozen=True, eq=False)
class Queries(Solved, abc.ABC):
    """What can be asked of a posterior beyond each site on its own.

    Elements are named as in graphs: "x", "x[3]", "x[3,1]", "x[2:5]"; a scan first, then plates from the
    outermost inward, then the other axes of the value. The name of a site stands for all of its elements.

    Example:
        >>> import numpyro
        >>> from probdl.exact.posteriors.posterior import exact_posterior
        >>> from probdl.program.model import Model
        >>> def program(y):
        ...     mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
        ...     with numpyro.plate("n", 2):
        ...         x = numpyro.sample("x", dist.Normal(mu, 1.0))
        ...         numpyro.sample("y", dist.Normal(x, 1.0), obs=y)
        >>> posterior = exact_posterior(Model(program, np.zeros(2)))
        >>> posterior.covariance("mu", "x[1]").round(6).tolist()
        [[0.5, 0.25], [0.25, 0.625]]
    """

    @abc.abstractmethod
    def probabilities(self, name: str) -> Float[np.ndarray, "*site state"]:
        """Return the posterior probabilities of the values of a discrete site."""

    def elements(self, *names: str) -> tuple[str, ...]:
        """Return the elements that names stand for, in the order of the axes of `joint` and `covariance`.

        Args:
            *names: Sites, elements or slices.

        Returns:
            One name an element.

        Raises:
            SiteNotFound: If a name is that of no latent site.
            IndexError: If an index is outside its axis.
        """
        return tuple(e.name for e in entries(self.integral.variables, names, "elements", MOST_ELEMENTS))

    def joint(self, *names: str) -> Float[np.ndarray, ...]:
        """Return the joint posterior probabilities of discrete elements, wherever they are.

        Args:
            *names: Sites, elements or slices.

        Returns:
            One axis an element, its values in increasing order.

        Raises:
            SiteNotFound: If a name is that of no latent site.
            IndexError: If an index is outside its axis.
            ValueError: If a site is not discrete, or if a table would have more entries than `max_table`.
        """
        return joint_probabilities(self, names)[1]

    def covariance(self, *names: str) -> Float[np.ndarray, "element element"]:
        r"""Return the posterior covariance matrix of elements; of a discrete one, of its values.

        Args:
            *names: Sites, elements or slices; `elements(*names)` are the rows and columns.

        Returns:
            The matrix, in the units of the sites; inf on its diagonal where a variance is infinite.

        Raises:
            SiteNotFound: If a name is that of no latent site.
            IndexError: If an index is outside its axis.
            ValueError: If a covariance has no closed form, which happens with conjugate sites alone.
        """
        wanted, found = covariance(self, names)
        unknown = np.argwhere(np.isnan(found))
        if len(unknown):
            a, b = (wanted[i].name for i in unknown[0])
            raise ValueError(
                f"Expected elements whose covariances have a closed form; got '{a}' and '{b}'. Ask for the "
                f"others, or take the covariance of draws of `sample`."
            )
        return found

    def distribution(self, name: str) -> dist.Distribution:
        """Return the posterior of each element of a site as a NumPyro distribution, in JAX's precision.

        Args:
            name: The site.

        Returns:
            A batch of the marginals of its elements: Bernoulli, categorical, or over a range of integers;
            normal, or multivariate normal of what is in no plate; or of the family of a conjugate site.

        Raises:
            SiteNotFound: If it is no latent site.
            ValueError: If its posterior is a mixture; the message says over which sites.
        """
        found = marginal_distribution(self, name, self.probabilities)
        return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), found)

    def expected_statistics(self, name: str) -> Float[np.ndarray, "*elements dimension"]:
        r"""Return the posterior expectation of the sufficient statistics of each element of a site.

        Args:
            name: The site.

        Returns:
            Of a discrete site the probabilities of its values; of a Gaussian one $\mathrm E[x]$, then the
            rows of $\mathrm E[x x^\top]$; of a conjugate one $\mathrm E[T(x)]$ of its family, such as
            $(\mathrm E \log x, \mathrm E x)$ of a gamma distribution.

        Raises:
            SiteNotFound: If it is no latent site.
            ValueError: If an expectation is infinite or has no closed form.
        """
        variable = self.variable(name, *Kind)
        if variable.kind is Kind.DISCRETE:
            return self.probabilities(name)
        return continuous_statistics(self, variable)

    def expected_transitions(self, name: str) -> Float[np.ndarray, "step *plates before after"]:
        r"""Return the expected products of the statistics of neighbouring steps of a scan.

        Args:
            name: The site.

        Returns:
            Of a discrete site the joint probabilities of its states at a step and the next, whose sum over
            steps counts transitions; of a Gaussian one $\mathrm E[x_{t-1} x_t^\top]$. Shape (steps - 1,
            *plates, states or coordinates, the same).

        Raises:
            SiteNotFound: If it is no latent site.
            ValueError: If it is in no scan, or conjugate, or has no closed form.
        """
        return products_of_steps(self, self.variable(name, *Kind))

    def _most_probable_of(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the values of discrete elements that are most probable together, by the name asked for."""
        _, best = most_probable_states(self, names)
        found, start = {}, 0
        for name in names:
            own = entries(self.integral.variables, [name], "most_probable", MOST_ELEMENTS)
            part = _arranged(own, name, best[start : start + len(own)])
            found[name], start = part, start + len(own)
        return found


def _arranged(own: Sequence[Entry], name: str, values: Sequence[int]) -> np.ndarray:
    """Return values in the shape of their site if all of it was asked for, else one after the other."""
    if name != own[0].variable.name:
        return np.array(values if len(own) > 1 else values[0])
    whole = np.zeros(own[0].variable.site.shape, int)
    for entry, value in zip(own, values, strict=True):
        whole[entry.place] = value
    return whole
