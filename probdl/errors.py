"""Errors that name what went wrong and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the sentence that helps with a misspelt name.

    Args:
        name: The name that was not found.
        known: The names that exist.

    Returns:
        "Did you mean 'x'?" when a close match exists, else the list of the known names.

    Example:
        >>> did_you_mean("thta", ["theta", "tau"])
        "Did you mean 'theta'?"
    """
    names = list(known)
    folded = {known_name.lower(): known_name for known_name in names}
    close = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=1)]
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Known: {', '.join(names[:20]) or 'none'}."


def some(names: Iterable[str], most: int = 8) -> str:
    """Return names in a list that is never long.

    Args:
        names: The names.
        most: How many are named.

    Returns:
        The first of them, and how many more there are.

    Example:
        >>> some("abcd", 2)
        'a, b and 2 more'
    """
    known = list(names)
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")


class SiteNotFound(KeyError):
    """A name that is no site of the program.

    Args:
        name: The name that was asked for.
        known: The sites that exist.
        where: The call that asked, for the message.
        what: What was expected.

    Example:
        >>> print(SiteNotFound("thta", ["theta"], "condition"))
        Expected a site of the program in condition; got 'thta'. Did you mean 'theta'?
    """

    def __init__(
        self, name: str, known: Iterable[str], where: str, what: str = "a site of the program"
    ) -> None:
        self.name = name
        super().__init__(f"Expected {what} in {where}; got '{name}'. {did_you_mean(name, known)}")

    def __str__(self) -> str:
        """Return the message itself: KeyError would quote it."""
        return self.args[0]


class NotApplicable(ValueError):
    """A method that cannot treat this program.

    Args:
        method: Name of the method.
        reason: The site and what about it the method cannot treat.
        instead: What would work.

    Example:
        >>> print(NotApplicable("NUTS", "site 'z' is discrete", "Marginalise it."))
        NUTS is not applicable: site 'z' is discrete. Marginalise it.
    """

    def __init__(self, method: str, reason: str, instead: str) -> None:
        super().__init__(f"{method} is not applicable: {reason}. {instead}")


class CannotResume(ValueError):
    """A stored run that cannot be gone on with.

    Args:
        reason: What differs, or is missing.

    Example:
        >>> str(CannotResume("its data are others"))[:75]
        'Expected the run that is stored; got another one: its data are others. Pass'
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Expected the run that is stored; got another one: {reason}. Pass what it was begun with, or "
            f"overwrite=True instead of resume=True to begin anew."
        )


class CyclicGraph(ValueError):
    """A graph that has a directed cycle where none may be.

    Args:
        cycle: The nodes of one cycle, in order.

    Example:
        >>> print(CyclicGraph(["a", "b"]))
        Expected an acyclic graph; got the cycle a -> b -> a. Remove one of its edges.
    """

    def __init__(self, cycle: Sequence[str]) -> None:
        self.cycle = tuple(cycle)
        path = " -> ".join([*cycle, cycle[0]])
        super().__init__(f"Expected an acyclic graph; got the cycle {path}. Remove one of its edges.")
