"""Names of sites in LaTeX."""

from __future__ import annotations

import re

GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "pi",
        "rho",
        "sigma",
        "tau",
        "upsilon",
        "phi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Pi",
        "Sigma",
        "Upsilon",
        "Phi",
        "Psi",
        "Omega",
    ]  # noqa: SIM905
)
_WORD = re.compile(r"[A-Za-z]+")
_SPECIAL = {"\\": r"\backslash ", "^": r"\hat{}", "~": r"\tilde{}", **{c: "\\" + c for c in "#$%&{}"}}


def latex_name(name: str) -> str:
    r"""Write a name in LaTeX: Greek letters, single letters in italics, words upright, subscripts.

    Args:
        name: The name of a site, an index or a plate.

    Returns:
        LaTeX for maths mode.

    Example:
        >>> print(latex_name("sigma_y"), latex_name("weight"), latex_name("t-1"))
        \sigma_{y} \mathrm{weight} t-1
    """
    first, *rest = [part for part in name.split("_") if part] or [name]
    written = _WORD.sub(lambda match: _word(match[0]), _escape(first))
    below = ", ".join(_WORD.sub(lambda match: _word(match[0]), _escape(part)) for part in rest)
    return f"{written}_{{{below}}}" if below else written


def _word(word: str) -> str:
    if word in GREEK:
        return "\\" + word
    return word if len(word) == 1 else rf"\mathrm{{{word}}}"


def _escape(text: str) -> str:
    return text if text.isalnum() else "".join(_SPECIAL.get(c, r"\_" if c == "_" else c) for c in text)
