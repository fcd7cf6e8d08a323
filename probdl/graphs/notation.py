"""Names of sites in LaTeX."""

from __future__ import annotations

import re

GREEK = frozenset(
    re.findall(
        r"\w+",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon "
        "phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
    )
)
_PIECE = re.compile(r"[A-Za-z]+|.", re.DOTALL)
_SPECIAL = {
    "\\": r"\backslash ",
    "^": r"\text{\textasciicircum}",
    "~": r"\sim ",
    "_": r"\_",
    " ": r"\ ",
    **{letter: "\\" + letter for letter in "#$%&{}"},
}


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
    below = ", ".join(map(_typeset, rest))
    return f"{_typeset(first)}_{{{below}}}" if below else _typeset(first)


def _typeset(text: str) -> str:
    return "".join(_piece(match[0]) for match in _PIECE.finditer(text))


def _piece(piece: str) -> str:
    if piece in GREEK:
        return "\\" + piece
    if len(piece) > 1:
        return rf"\mathrm{{{piece}}}"
    return _SPECIAL.get(piece, piece)
