"""Text that is given as it is, or in a file."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

GZIP = b"\x1f\x8b"


def text_of(source: str | Path) -> str:
    """Return a text, or what a file holds.

    Args:
        source: The text itself; or a path, or a string that names an existing file. What is packed with gzip
            is unpacked.

    Returns:
        The text.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If it is neither a string nor a path.
        ValueError: If the file holds no text in UTF-8.

    Example:
        >>> text_of("dag { x -> y }")
        'dag { x -> y }'
    """
    if not isinstance(source, str | Path):
        raise TypeError(
            f"Expected a text or the path of a file; got {type(source).__name__}. Pass a string or a "
            f"pathlib.Path."
        )
    if isinstance(source, str) and "{" in source and not os.path.isfile(source):
        return source
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected a text with braces, or the path of a file; got '{source}', which does not exist. "
            f"Check the path."
        )
    content = path.read_bytes()
    if content.startswith(GZIP):
        content = gzip.decompress(content)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Expected text in UTF-8 in {path}; got the byte {content[error.start]:#x} at {error.start}. "
            f"Save it as UTF-8."
        ) from None


def without_comments(text: str, marks: str) -> str:
    """Return a text with blanks in the place of its comments, so that lines keep their numbers.

    Args:
        text: The text; what is between double quotes is no comment.
        marks: A regular expression of what opens a comment that ends with its line; between `/*` and `*/` is
            always one.

    Returns:
        A text of the same length.

    Example:
        >>> without_comments("a // b", "//")
        'a     '
    """
    if not re.search(rf"{marks}|/\*", text):
        return text
    comment = re.compile(rf'"(?:\\"|[^"])*"|(?:{marks})[^\n]*|/\*.*?\*/', re.DOTALL)
    return comment.sub(lambda m: m[0] if m[0][0] == '"' else re.sub(r"[^\n]", " ", m[0]), text)
