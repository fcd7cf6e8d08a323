"""Sixteen posteriors with reference answers, as plain NumPyro programs."""

from .cases import CASES as CASES
from .reference import Bias as Bias
from .reference import Case as Case
from .reference import Draws as Draws
from .reference import Reference as Reference
