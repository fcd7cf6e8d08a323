r"""Stein's identities as tests: do draws come from a density of which only the score is known?

For draws u of a density p on all of space, and functions f that do not grow too fast, $E[f(u)\, \partial_j
\log p(u) + \partial_j f(u)] = 0$. Here f is 1 or a coordinate about its median, $f = u_i - c_i$, or one of
these times a weight $w(u) = \exp(-\frac{1}{2d} \sum_i ((u_i - c_i) / s_i)^2)$ that leaves the bulk of the
draws nearly alone and takes away what is far out in a tail, where a few draws may hide an error of all
others.

The standard error of each mean is that of correlated draws. It is estimated, too, so each mean is compared
with Student's t distribution, with a quarter of the effective sample size as its degrees of freedom.

Source:
    Stein (1972), A bound for the error in the normal approximation, Proceedings of the Sixth Berkeley
    Symposium, volume 2; Gorham and Mackey (2015), arXiv:1506.03039.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

MOST_IN_PAIRS = 1000
MOST_EVALUATED = 200
ALWAYS_EVALUATED = 100
ESS_PER_DEGREE = 4
PSEUDO_COUNTS = 5
IQR_OF_NORMAL = 1.349

Draws = Float[np.ndarray, "chain draw dim"]


class Statement(enum.Enum):
    """What holds of draws u, v of a density p, where w is a weight that takes the tails away.

    Example:
        >>> Statement.SCALE.expected
        -1
    """

    LOCATION = "E[dlogp/du] = 0"
    SCALE = "E[u dlogp/du] = -1"
    DEPENDENCE = "E[u dlogp/dv] = 0"
    LOCATION_OF_BULK = "E[w dlogp/du + dw/du] = 0"
    SCALE_OF_BULK = "E[wu dlogp/du + d(wu)/du] = 0"

    @property
    def expected(self) -> int:
        """The mean that right draws have."""
        return -1 if self is Statement.SCALE else 0


class Candidate(NamedTuple):
    """A test that can be made: a statement about coordinates u and v, of which only v has a score."""

    statement: Statement
    u: int
    v: int


@dataclass(frozen=True, eq=False)
class SteinTests:
    """Tests in one set of coordinates. Of many, only those that look most extreme are evaluated.

    Attributes:
        candidates: The tests that are evaluated.
        deviation: Mean of the draws, less what it should be.
        error: Its standard error.
        degrees: Degrees of freedom of the error.
        total: How many tests there are, with those that are not evaluated.
    """

    candidates: tuple[Candidate, ...]
    deviation: Float[np.ndarray, " test"]
    error: Float[np.ndarray, " test"]
    degrees: Float[np.ndarray, " test"]
    total: int

    @property
    def z(self) -> Float[np.ndarray, " test"]:
        """How many standard errors each mean is off."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(self.deviation / self.error, nan=0, posinf=np.inf, neginf=-np.inf)

    @property
    def p_values(self) -> Float[np.ndarray, " test"]:
        """The two-sided p-value of each test alone."""
        return 2 * stats.t.sf(np.abs(self.z), self.degrees)

    def sensitivity(self, p_value: float) -> float:
        """Return how far off, relatively, a scale has to be for its deviation to reach a p-value.

        Args:
            p_value: The two-sided p-value of one test alone.

        Returns:
            The largest over the coordinates whose scale was tested.
        """
        scales = np.array([candidate.statement is Statement.SCALE for candidate in self.candidates])
        farthest = stats.t.isf(p_value / 2, self.degrees[scales]) * self.error[scales]
        return float(np.max(farthest / 2, initial=0))  # draws too wide by e have a mean of -(1 + e)^2


def stein_tests(positions: Draws, scores: Draws) -> SteinTests:
    """Test draws against the scores of a density at them.

    Every coordinate is tested for its location and its scale, with and without tails, and every pair of them,
    among 1000 that are evenly spaced if there are more, for its dependence. Tests are sorted by errors that
    take draws as independent; the 200 most extreme, and the scale of up to 100 coordinates, are evaluated
    with better ones.

    Args:
        positions: Draws.
        scores: Gradients of the log-density at them.

    Returns:
        The tests.

    Example:
        >>> draws = np.random.default_rng(0).normal(size=(4, 1000, 2))
        >>> right, wrong = stein_tests(draws, -draws), stein_tests(draws, -1.2 * draws)
        >>> right.total, bool(right.p_values.min() > 0.01), bool(wrong.p_values.min() < 1e-6)
        (10, True, True)
    """
    terms = _Terms.of(positions, scores)
    dim = positions.shape[2]
    looks = {
        statement: _extremeness(terms.all(statement)) for statement in Statement if not _is_pair(statement)
    }
    some = _evenly(dim, MOST_IN_PAIRS)
    pairs = _pairs(terms, some)
    candidates = [
        (look, Candidate(kind, i, i)) for kind, each in looks.items() for i, look in enumerate(each)
    ]
    largest = _largest(pairs)
    candidates += [
        (pairs[i, j], Candidate(Statement.DEPENDENCE, int(some[i]), int(some[j]))) for i, j in largest
    ]
    candidates.sort(key=lambda pair: -pair[0])
    chosen = dict.fromkeys(candidate for _, candidate in candidates[:MOST_EVALUATED])
    chosen |= dict.fromkeys(
        Candidate(Statement.SCALE, int(i), int(i)) for i in _evenly(dim, ALWAYS_EVALUATED)
    )
    deviation, error, degrees = np.array([_measured(terms.one(candidate)) for candidate in chosen]).T
    total = dim * len(looks) + pairs.size - len(pairs)
    return SteinTests(tuple(chosen), deviation, error, degrees, total)


def _is_pair(statement: Statement) -> bool:
    return statement is Statement.DEPENDENCE


class _Terms(NamedTuple):
    """What the tests average, less what the mean should be.

    Attributes:
        u: Draws about their medians.
        scores: Gradients of the log-density at them.
        weight: w of each draw.
        slope: Its gradient over itself.
    """

    u: Draws
    scores: Draws
    weight: Float[np.ndarray, "chain draw 1"]
    slope: Draws

    @classmethod
    def of(cls, positions: Draws, scores: Draws) -> _Terms:
        """Return the terms of draws with scores."""
        low, middle, high = np.quantile(positions, (0.25, 0.5, 0.75), axis=(0, 1))
        scale = np.where(high > low, (high - low) / IQR_OF_NORMAL, 1)
        u = positions - middle
        distance = np.square(u / scale)
        weight = np.exp(-distance.mean(2, keepdims=True) / 2)
        return cls(u, scores, weight, -u / np.square(scale) / u.shape[2])

    def all(self, statement: Statement) -> Draws:
        """Return the terms of every coordinate."""
        match statement:
            case Statement.LOCATION:
                return self.scores
            case Statement.LOCATION_OF_BULK:
                return self.weight * (self.scores + self.slope)
            case Statement.SCALE_OF_BULK:
                return self.weight * (self.u * (self.scores + self.slope) + 1)
            case _:
                return self.u * self.scores + 1

    def one(self, candidate: Candidate) -> Float[np.ndarray, "chain draw"]:
        """Return the terms of one test."""
        if _is_pair(candidate.statement):
            return self.u[..., candidate.u] * self.scores[..., candidate.v]
        alone = slice(candidate.v, candidate.v + 1)
        u, scores, slope = (array[..., alone] for array in (self.u, self.scores, self.slope))
        return _Terms(u, scores, self.weight, slope).all(candidate.statement)[..., 0]


def _pairs(terms: _Terms, some: np.ndarray) -> Float[np.ndarray, "u v"]:
    """Return how extreme the dependence of each pair of some coordinates looks; -1 on the diagonal."""
    x, y = (array[..., some].reshape(-1, len(some)) for array in (terms.u, terms.scores))
    mean, square = x.T @ y / len(x), np.square(x).T @ np.square(y) / len(x)
    looks = np.abs(mean) / np.sqrt(np.maximum(square - np.square(mean), np.finfo(float).tiny))
    np.fill_diagonal(looks, -1)
    return looks


def _largest(pairs: Float[np.ndarray, "u v"]) -> list[tuple[int, int]]:
    count = min(MOST_EVALUATED, pairs.size - len(pairs))
    flat = np.argsort(-pairs, axis=None)[:count]
    return [(int(i), int(j)) for i, j in zip(*np.unravel_index(flat, pairs.shape), strict=True)]


def _extremeness(values: Draws) -> Float[np.ndarray, " dim"]:
    spread = np.maximum(values.std((0, 1)), np.finfo(float).tiny)
    return np.abs(values.mean((0, 1))) / spread


def _evenly(count: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def _measured(values: Float[np.ndarray, "chain draw"]) -> tuple[float, float, float]:
    """Return the mean of values, its standard error and the degrees of freedom of that."""
    from arviz_stats.base.array import array_stats

    spread = float(values.std(ddof=1))
    ess: Any = (
        array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean") if spread > 0 else values.size
    )
    ess = min(float(ess), values.size)
    return float(values.mean()), spread / ess**0.5, ess / ESS_PER_DEGREE


def directions(draws: Float[np.ndarray, "draw dim"]) -> Float[np.ndarray, "dim direction"]:
    """Return a matrix A that gives draws u about unit covariance as u A; scores are then g inv(A).T.

    Args:
        draws: Draws, which may be fewer than there are coordinates.

    Returns:
        The directions, the one of the largest share of the correlation first.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(10_000, 2))
        >>> u = x @ np.array([[3.0, 0.0], [2.9, 0.1]])
        >>> np.abs(np.cov(u @ directions(u), rowvar=False)).round(1)
        array([[1., 0.],
               [0., 1.]])
    """
    centred = draws - draws.mean(0)
    spread = centred.std(0)
    spread = np.where(spread > 0, spread, 1)
    scaled = centred / spread
    correlation = scaled.T @ scaled + PSEUDO_COUNTS * np.eye(draws.shape[1])
    variances, axes = np.linalg.eigh(correlation / (len(draws) + PSEUDO_COUNTS))
    return (axes / np.sqrt(variances) / spread[:, None])[:, ::-1]
