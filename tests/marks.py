"""How often a test is looked at: every day, in every whole run, or before a release."""

import pytest

SLOW = pytest.mark.slow
EXHAUSTIVE = (pytest.mark.slow, pytest.mark.exhaustive)  # a whole run has siblings that go the same way


def exhaustive(test):
    """Mark a test that is looked at before a release."""
    return pytest.mark.slow(pytest.mark.exhaustive(test))


def by_name(cases, everyday=(), whole=None):
    """Return parameters, marked by how often they are looked at.

    Args:
        cases: All names, or what is by name.
        everyday: Names of those that are looked at every day.
        whole: Names of those that a whole run looks at; by default all.
    """

    def marks(name):
        if name in everyday:
            return ()
        return SLOW if whole is None or name in whole else EXHAUSTIVE

    values = cases if isinstance(cases, dict) else {name: name for name in cases}
    return [pytest.param(value, id=str(name), marks=marks(name)) for name, value in values.items()]
