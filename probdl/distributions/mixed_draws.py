"""Mutual information from draws of discrete and continuous variables together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from scipy.special import digamma


@dataclass(frozen=True, eq=False)
class MixedDraws:
    """Draws of some variables, the discrete ones apart from the continuous ones.

    Attributes:
        states: Values of the discrete ones, of shape `(draws, number)`.
        points: Values of the continuous ones, of shape `(draws, dim)`.

    Example:
        >>> draws = MixedDraws(np.array([[0], [1], [0]]), np.zeros((3, 0)))
        >>> [rows.tolist() for rows in draws.alike()]
        [[0, 2], [1]]
    """

    states: Int[np.ndarray, "draws number"]
    points: Float[np.ndarray, "draws dim"]

    def alike(self) -> Iterator[Int[np.ndarray, " some"]]:
        """Return the numbers of the draws of each joint state of the discrete variables.

        Yields:
            Numbers of draws; all of them if no variable is discrete.
        """
        if not self.states.shape[1]:
            yield np.arange(len(self.states))
            return
        _, which, counts = np.unique(self.states, axis=0, return_inverse=True, return_counts=True)
        yield from np.split(np.argsort(which, kind="stable"), np.cumsum(counts)[:-1])

    def __add__(self, other: MixedDraws) -> MixedDraws:
        """Return draws of the variables of both."""
        return MixedDraws(np.hstack([self.states, other.states]), np.hstack([self.points, other.points]))

    def at(self, rows: Int[np.ndarray, " some"]) -> MixedDraws:
        """Return some of the draws.

        Args:
            rows: Their numbers.

        Returns:
            The draws.
        """
        return MixedDraws(self.states[rows], self.points[rows])


def information_of_mixed_draws(
    first: MixedDraws, second: MixedDraws, given: MixedDraws, neighbours: int = 3
) -> float:
    r"""Return the nearest-neighbour estimate of what x and y tell of each other if z is known.

    $\langle \psi(k_i) + \psi(n_z) - \psi(n_{xz}) - \psi(n_{yz}) \rangle$: neighbours of a draw have its
    values of all discrete variables; $k_i$ is the number that is asked for, of a rare state what there are,
    and where so many draws are equal their number. A draw whose state no other has is left out. $n$ counts
    the draws that are nearer than the $k_i$-th neighbour, the draw itself among them.

    Args:
        first: Draws of x.
        second: Draws of y, one for each of x.
        given: Draws of z, one for each of x; without variables if nothing is given.
        neighbours: Which neighbour's distance is used; more have less variance and more bias.

    Returns:
        The estimate, in nats; it may be slightly below zero.

    Raises:
        ValueError: If no two draws have the same states.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> z, none = rng.integers(0, 2, (5000, 1)), np.empty((5000, 0))
        >>> far = MixedDraws(none.astype(int), 9.0 * z + rng.normal(size=(5000, 1)))
        >>> nothing = MixedDraws(none.astype(int), none)
        >>> print(f"{information_of_mixed_draws(MixedDraws(z, none), far, nothing):.1f}")  # log 2
        0.7

    Source:
        Ross (2014), doi:10.1371/journal.pone.0087357, of one discrete and one continuous variable; Gao et al.
        (2017), arXiv:1709.06212, for equal draws; Frenzel & Pompe (2007), doi:10.1103/PhysRevLett.99.204101,
        and Kraskov et al. (2004), doi:10.1103/PhysRevE.69.066138, eq. 8, of continuous ones.
    """
    joint = first + second + given
    radius, near = np.zeros(len(joint.points)), np.zeros(len(joint.points))
    for rows in joint.alike():
        radius[rows], near[rows] = _nearest(joint.points[rows], neighbours)
    kept = np.flatnonzero(near)
    if not len(kept):
        raise ValueError(
            f"Expected draws of which some have the same discrete values; got {len(near)} that all differ. "
            f"Give more draws, or ask about fewer discrete variables."
        )
    x, y, z = (draws.at(kept) for draws in (first, second, given))
    inside = np.nextafter(radius[kept], 0)
    of_z, of_xz, of_yz = (_mean_digamma(draws, inside) for draws in (z, x + z, y + z))
    return float(digamma(near[kept]).mean() + of_z - of_xz - of_yz)


def _nearest(
    points: Float[np.ndarray, "draws dim"], neighbours: int
) -> tuple[Float[np.ndarray, " draws"], Float[np.ndarray, " draws"]]:
    """Return the distance of the last of the neighbours, and how many there are; none of a draw alone."""
    number = len(points)
    if number == 1:
        return np.zeros(1), np.zeros(1)
    if not points.shape[1]:
        return np.zeros(number), np.full(number, float(number))
    count = min(neighbours, number - 1)
    tree = KDTree(points)
    radius = tree.query(points, count + 1, p=np.inf)[0][:, -1]
    near = np.full(number, float(count))
    tied = np.flatnonzero(radius == 0)
    if len(tied):
        near[tied] = tree.query_ball_point(points[tied], 0.0, p=np.inf, return_length=True)
    return radius, near


def _mean_digamma(draws: MixedDraws, radius: Float[np.ndarray, " draws"]) -> float:
    """Return the mean of digamma of how many draws are near each: all of its state, without coordinates."""
    count = np.empty(len(radius))
    for rows in draws.alike():
        points = draws.points[rows]
        count[rows] = len(rows)
        if points.shape[1]:
            count[rows] = KDTree(points).query_ball_point(points, radius[rows], p=np.inf, return_length=True)
    return float(digamma(count).mean())
