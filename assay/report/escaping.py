"""Text from outside, made to mean nothing where it is shown.

Prefect's UI renders Markdown with GitHub's extensions (tables, and links of bare addresses)
and lets through HTML that it takes for harmless, images from anywhere among it: a task's
name could load a picture from a stranger's server. Escapes do not help against bare
addresses, which are looked for in the finished text: an invisible space parts them.
"""

import re

from assay.wording import cut, one_line

_PARTED = "\u200b"  # zero width space
_ADDRESS = re.compile(r"(?i)(https?:|ftp:|www|mailto:|xmpp:|@)")
_ESCAPED = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    # Not with a backslash before them: two dialects of tables disagree on `\\|`.
    "\\": "&#92;",
    "|": "&#124;",
    **{mark: f"\\{mark}" for mark in "`*_[]~#!"},
}
_STRUCTURE = re.compile(r"\](?=\()|!(?=\[)|<(?=.)")


def markdown_text(text: str, *, max_chars: int) -> str:
    """One line of Markdown that shows `text`; neither block, link, image nor HTML.

    It may stand in a paragraph, a heading or a table's cell, after something of our own:
    what would begin a list or a quotation at the start of a line is not escaped.
    """
    return "".join(_ESCAPED.get(char, char) for char in _parted(_line(text, max_chars)))


def plain_cell(text: str, *, max_chars: int) -> str:
    """One line for a table artifact: the UI shows it as it is, the older UI as Markdown."""
    return _STRUCTURE.sub(lambda found: found[0] + _PARTED, _parted(_line(text, max_chars)))


def _line(text: str, max_chars: int) -> str:
    return cut(one_line(text, max_chars=max_chars + 1), max_chars)


def _parted(text: str) -> str:
    return _ADDRESS.sub(lambda found: found[0] + _PARTED, text)
