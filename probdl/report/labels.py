"""How a name is written in a picture: Greek letters, subscripts, lines that fit."""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass

_LOWER = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon"
_REST = "phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
GREEK: dict[str, str] = dict(
    zip(f"{_LOWER} {_REST}".split(), "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ", strict=True)
)  # noqa: SIM905
FUNCTIONS = ("log", "exp", "sqrt", "logit")
LINE_LENGTH = 14
SUBSCRIPT_SCALE = 0.7
_SYMBOL = re.compile(r"([A-Za-z]+?)(\d*)((?:_[A-Za-z0-9]+)*)_?(?:\[([\w, ]+)\])?")
_NARROW = frozenset("ijltfrI.,:;'|![]()`/\\ ")
_WIDE = frozenset("mwMW%@&—…ωψφΦΨΩ")


class Script(enum.Enum):
    """Where a run of letters stands."""

    NORMAL = "normal"
    SUB = "sub"


@dataclass(frozen=True)
class Run:
    """Letters that share a style.

    Attributes:
        text: The letters.
        is_italic: Whether they are slanted, as variables are.
        script: On the line or below it.
    """

    text: str
    is_italic: bool = False
    script: Script = Script.NORMAL


Line = tuple[Run, ...]


@dataclass(frozen=True)
class Label:
    """A name as it is written: lines of runs.

    Attributes:
        lines: The lines from top to bottom.

    Example:
        >>> str(typeset("mu_school"))
        'μ_school'
    """

    lines: tuple[Line, ...]

    def __str__(self) -> str:
        """Return the letters, each subscript after an underscore."""
        return "\n".join(
            "".join(run.text if run.script is Script.NORMAL else f"_{run.text}" for run in line)
            for line in self.lines
        )

    def width(self, size: float) -> float:
        """Return the width of the longest line in points, at a font of that size."""
        return max((line_width(line, size) for line in self.lines), default=0.0)


def visible(name: object) -> str:
    r"""Return a node's name with its control characters written out.

    Args:
        name: Any node of a graph.

    Returns:
        The name on one line.

    Example:
        >>> print(visible("a\nb"))
        a\nb
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode()
        for char in str(name)
    )


def typeset(name: object) -> Label:
    """Write a site's name as mathematics where it is a symbol, and as it stands where it is not.

    Letters and Greek letters are italic, digits and what follows an underscore are subscripts;
    words, and names with other characters, are upright and broken into lines.

    Args:
        name: The name of a site, or any node.

    Returns:
        The label.

    Example:
        >>> str(typeset("sigma2")), str(typeset("log_tau")), str(typeset("net/l1.kernel"))
        ('σ_2', 'log τ', 'net/l1.kernel')
    """
    text = visible(name)
    head, _, rest = text.partition("_")
    if head in FUNCTIONS and (inner := _symbol(rest)):
        return Label(((Run(f"{head} "), *inner),))
    if symbol := _symbol(text):
        return Label((symbol,))
    return verbatim(text)


def verbatim(name: object) -> Label:
    """Write a name upright and letter by letter, broken into lines where it is long.

    Args:
        name: Any node.

    Returns:
        The label.

    Example:
        >>> str(verbatim("a_rather_long_name")).split()
        ['a_rather_long_', 'name']
    """
    return Label(tuple((Run(line),) for line in _broken(visible(name))))


def lag_line(lag: str) -> Line:
    """Write a lag such as "t−1": its single letters are variables.

    Args:
        lag: The lag.

    Returns:
        The line.
    """
    pieces = re.findall(r"[^\W\d_]+|[\W\d_]+", lag)
    return tuple(Run(piece, is_italic=len(piece) == 1 and piece.isalpha()) for piece in pieces)


def line_width(line: Line, size: float) -> float:
    """Return about how wide a line is in a serif font, a little too wide rather than too narrow.

    Args:
        line: The runs of the line.
        size: The size of the font in points.

    Returns:
        The width in points.

    Example:
        >>> line_width((Run("i"),), 10.0) < line_width((Run("m"),), 10.0)
        True
    """
    return sum(
        _em(char) * size * (SUBSCRIPT_SCALE if run.script is Script.SUB else 1.0)
        for run in line
        for char in run.text
    )


def _symbol(text: str) -> Line | None:
    match = _SYMBOL.fullmatch(text)
    if match is None:
        return None
    head, digits, tail, index = match.groups()
    if head not in GREEK and len(head) > 2:
        return None
    pieces = [piece for piece in (digits, *tail.split("_"), *(index or "").split(",")) if piece]
    runs = [_letters(head, Script.NORMAL)]
    for position, piece in enumerate(pieces):
        runs += [Run(",", script=Script.SUB)] if position else []
        runs.append(_letters(piece.strip(), Script.SUB))
    return tuple(runs)


def _letters(piece: str, script: Script) -> Run:
    is_variable = piece in GREEK or (piece.isalpha() and len(piece) <= (2 if script is Script.NORMAL else 1))
    return Run(GREEK.get(piece, piece), is_variable, script)


def _broken(text: str) -> list[str]:
    lines = [""]
    for part in re.findall(r".{1,14}?(?:[_/.\-: ]+|(?<=[a-z])(?=[A-Z])|$)|.{1,14}", text) or [text]:
        if lines[-1] and len(lines[-1] + part) > LINE_LENGTH:
            lines.append("")
        lines[-1] += part
    return lines


def _em(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.05
    if char in _NARROW:
        return 0.36
    if char in _WIDE:
        return 0.86
    return 0.74 if char.isupper() else 0.55
