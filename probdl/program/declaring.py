"""What can be wrong with the way a program declares its sites."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from probdl.distributions.positive_definite import REMEDY


def twice(name: str) -> str:
    """Return the message for a name that two sites, or a site and a plate, share."""
    return (
        f"Expected every site and plate to have its own name; got '{name}' twice. Rename one of them, or put "
        f"the statement in a plate."
    )


def declaration_error(error: AssertionError) -> Exception:
    """Return our error for one of NumPyro's own checks of names."""
    text = str(error)
    return ValueError(twice(text.split("`")[1])) if "unique names" in text else error


def parameter_error(
    error: ValueError, last: str | None, refused: tuple[str, str] | None = None
) -> ValueError:
    """Return the error for a parameter that its distribution refuses.

    Args:
        error: NumPyro's error.
        last: The last good site.
        refused: The site and the parameter, if they are known.

    Returns:
        The error.
    """
    if refused is not None and refused[1] in ("covariance_matrix", "precision_matrix", "scale_tril"):
        return covariance_error(*refused)
    place = "before the first site" if last is None else f"in the statement after site '{last}'"
    place = place if refused is None else f"at site '{refused[0]}'"
    return ValueError(
        f"Expected valid parameters of every distribution; got, {place}: {error} Correct the inputs that "
        f"they are made of."
    )


def covariance_error(name: str, parameter: str, index: Sequence[int] = ()) -> ValueError:
    """Return the error for a matrix that is no covariance, or none with a density.

    Args:
        name: The site.
        parameter: The parameter that gives the covariance.
        index: Which of a batch of matrices.

    Returns:
        The error.
    """
    place = f" at index {list(index)}" if index else ""
    return ValueError(
        f"Expected a symmetric, positive definite covariance of site '{name}'; got a {parameter}{place} by "
        f"which the covariance is singular or not positive definite. {REMEDY}"
    )


def check_names(
    trace: Mapping[str, Any], found: Container[str], plates: Container[str], scans: Iterable[str]
) -> None:
    """Check that nothing renames sites behind the reader's back, and that no plate is called like a scan.

    Args:
        trace: NumPyro's trace.
        found: The sites that were found.
        plates: The plates.
        scans: The scans.

    Raises:
        ValueError: If a site has another name in the trace, or if a plate is called like a scan.
    """
    for name, msg in trace.items():
        if msg["type"] in ("sample", "deterministic") and name not in found:
            raise ValueError(
                f"Expected every site under the name that its statement gives it; got '{name}', renamed "
                f"around a scan or cond. Put `scope` inside the body."
            )
    for name in scans:
        if name in plates:
            raise ValueError(
                f"Expected no plate to be called like the scan '{name}'; got one. Rename the plate."
            )
