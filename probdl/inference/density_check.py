"""Whether reference draws fit a program: a test that needs no sampler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from probdl.errors import NotApplicable
from probdl.inference.mcmc.nuts import NUTS
from probdl.inference.reference_draws import reference_draws
from probdl.inference.result import Result
from probdl.inference.scores import coordinate_names, scores_at
from probdl.inference.stein import (
    MOST_IN_PAIRS,
    Statement,
    SteinTests,
    directions,
    stein_tests,
)
from probdl.program.model import Model

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

ROWS = 8
MOST_NAMES = 3
LARGE_PART = 0.3


@dataclass(frozen=True)
class SteinTest:
    """One identity of Stein at one place.

    Attributes:
        statement: What holds of right draws.
        where: The coordinates: those of u and v, or of u alone.
        mean: The mean over the draws.
        error: Its Monte Carlo standard error.
        z: How many errors it is away from what it should be.
        p_value: Probability that any of all tests is so far off with right draws, at most.

    Example:
        >>> print(SteinTest(Statement.SCALE, ("tau",), -1.21, 0.02, -10.5, 1e-20))
        E[u dlogp/du] = -1             at tau: -1.21 +- 0.02, z = -10.5
    """

    statement: Statement
    where: tuple[str, ...]
    mean: float
    error: float
    z: float
    p_value: float

    def __str__(self) -> str:
        """Return the test in a line."""
        where = "; ".join(self.where)
        return (
            f"{self.statement.value:<29}  at {where}: {self.mean:.3g} +- {self.error:.2g}, z = {self.z:.1f}"
        )


@dataclass(frozen=True, eq=False)
class DensityCheck:
    """Whether draws fit a density. True if nothing speaks against it; it prints itself.

    Attributes:
        tests: The tests that were evaluated, the most extreme first.
        num_tests: How many tests there are; the most extreme are evaluated.
        num_draws: How many draws there are.
        false_alarm: Probability that right draws fail in any test, at most.
        sensitivity: How far off, relatively, a scale has to be to be found, about; of several coordinates,
            the scale along the directions in which the draws are uncorrelated.
    """

    tests: tuple[SteinTest, ...]
    num_tests: int
    num_draws: int
    false_alarm: float
    sensitivity: float

    @property
    def failures(self) -> tuple[SteinTest, ...]:
        """The tests that fail."""
        return tuple(test for test in self.tests if test.p_value < self.false_alarm)

    @property
    def passed(self) -> bool:
        """Whether no test fails."""
        return not self.failures

    def __bool__(self) -> bool:
        """Return whether no test fails."""
        return self.passed

    @property
    def table(self) -> pd.DataFrame:
        """One row a test that was evaluated, the most extreme first."""
        import pandas as pd

        columns = ("statement", "where", "mean", "error", "z", "p_value")
        rows = [(t.statement.value, "; ".join(t.where), t.mean, t.error, t.z, t.p_value) for t in self.tests]
        return pd.DataFrame(rows, columns=list(columns))

    @property
    def verdict(self) -> str:
        """What was found, in words."""
        if self.failures:
            return (
                f"The draws do not fit the density: {len(self.failures)} of {self.num_tests} tests fail. "
                f"Compare priors, likelihood and Jacobians of the two at these places, or draw for longer."
            )
        return (
            f"Nothing speaks against the draws, in {self.num_tests} tests. A scale that is wrong by "
            f"{100 * self.sensitivity:.2g} per cent would have been found."
        )

    def __str__(self) -> str:
        """Return the verdict, and the tests that are most extreme."""
        shown = self.failures[:ROWS] or self.tests[:1]
        lines = [self.verdict, *(f"  {test}" for test in shown)]
        if len(self.failures) > ROWS:
            lines.append(f"  and {len(self.failures) - ROWS} more")
        lines.append(
            f"{self.num_draws} draws; right ones fail with probability {self.false_alarm:g} at most."
        )
        return "\n".join(lines)

    __repr__ = __str__


def check_density(
    model: Model, draws: Result | xr.DataTree | Mapping[str, Any], *, false_alarm: float = 0.01
) -> DensityCheck:
    r"""Test whether draws of the latent sites come from the posterior that a program defines.

    No sampler is run: reference draws of another program, another system or a run of any method are
    compared with the gradient of the log-density at them. For right draws u, in unconstrained space,
    $E[\partial_i \log p] = 0$ and $E[u_i\, \partial_j \log p] = -\delta_{ij}$; a wrong prior, a wrong
    scale, a forgotten Jacobian or draws that have not converged break it. The same is tested along the
    directions in which the draws are uncorrelated, found from the first quarter of them: errors of strongly
    correlated latents show there; and with a weight that takes the tails away, where a few draws may hide an
    error of all others. Standard errors respect the autocorrelation of the draws. The test does not see a
    mode that no draw has visited.

    Args:
        model: The model.
        draws: A result, a DataTree with a posterior, or arrays (chain, draw, ...) by site, constrained, as
            the program gives them. Other sites than the latents are left aside.
        false_alarm: Probability, at most, that right draws fail in any of the tests (Bonferroni).

    Returns:
        The result, which is true if the draws pass.

    Raises:
        TypeError: If the model or the draws are none.
        NotApplicable: If the model has no log-density with a gradient; the message names the site.
        SiteNotFound: If a latent has no draws, or a name is that of no site.
        ValueError: If draws have another shape, lie outside the support, are weighted, too few or all the
            same.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def coin():
        ...     bias = numpyro.sample("bias", dist.Beta(1, 1))
        ...     numpyro.sample("heads", dist.Binomial(10, bias), obs=7)
        >>> posterior = np.random.default_rng(0).beta(8, 4, size=(4, 500))
        >>> bool(check_density(Model(coin), {"bias": posterior}))
        True
        >>> without_prior = np.random.default_rng(0).beta(7, 3, size=(4, 500))
        >>> print(check_density(Model(coin), {"bias": without_prior}).failures[0])
        E[dlogp/du] = 0                at bias: -0.37 +- 0.037, z = -9.9

    Source:
        Stein (1972); as a test of draws: Gorham and Mackey (2015), arXiv:1506.03039.
    """
    if not isinstance(model, Model):
        raise TypeError(
            f"Expected model to be a Model; got {model!r}. Call check_density(Model(program), draws)."
        )
    if not 0 < false_alarm < 1:
        raise ValueError(
            f"Expected false_alarm between 0 and 1; got {false_alarm!r}. Pass for instance 0.01."
        )
    if reason := NUTS().applicable(model):
        raise NotApplicable("check_density", reason, NUTS().instead)
    model.check()
    positions, scores = scores_at(model, reference_draws(model, draws))
    views = [_View(positions, scores, coordinate_names(model))]
    if positions.shape[2] > 1:
        views.append(_along_directions(views[0]))
    tested = [stein_tests(view.draws, view.scores) for view in views]
    total = sum(tests.total for tests in tested)
    found = [test for tests, view in zip(tested, views, strict=True) for test in _named(tests, view, total)]
    return DensityCheck(
        tests=tuple(sorted(found, key=lambda test: (test.p_value, -abs(test.z)))),
        num_tests=total,
        num_draws=positions.shape[0] * positions.shape[1],
        false_alarm=false_alarm,
        sensitivity=tested[-1].sensitivity(false_alarm / total),
    )


class _View(NamedTuple):
    """Draws in some coordinates: (chain, draw, coordinate), the scores in them, and their names."""

    draws: Float[np.ndarray, "chain draw coordinate"]
    scores: Float[np.ndarray, "chain draw coordinate"]
    names: list[str]


def _named(tests: SteinTests, view: _View, total: int) -> Iterator[SteinTest]:
    numbers = zip(tests.candidates, tests.deviation, tests.error, tests.z, tests.p_values, strict=True)
    for (statement, u, v), deviation, error, z, p_value in numbers:
        where = tuple(view.names[i] for i in dict.fromkeys((u, v)))
        mean, adjusted = float(deviation) + statement.expected, min(1.0, total * float(p_value))
        yield SteinTest(statement, where, mean, float(error), float(z), adjusted)


def _along_directions(whole: _View) -> _View:
    """Return the later draws along the directions that the first quarter of them gives."""
    dim, early = whole.draws.shape[2], whole.draws.shape[1] // 4
    picked = np.unique(np.linspace(0, dim - 1, min(dim, MOST_IN_PAIRS)).astype(int))
    u, g = whole.draws[..., picked], whole.scores[..., picked]
    along = directions(u[:, :early].reshape(-1, len(picked)))
    parts = np.abs(along) * u.std((0, 1))[:, None]
    names = []
    for part in parts.T:
        largest = np.argsort(-part)[:MOST_NAMES]
        chosen = [whole.names[picked[i]] for i in largest if part[i] > LARGE_PART * part.max()]
        names.append(f"the direction of {', '.join(chosen)}")
    return _View(u[:, early:] @ along, g[:, early:] @ np.linalg.inv(along).T, names)
