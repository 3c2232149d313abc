"""The text of a message for Slack and what understands the same."""

from assay.alerts.alert import Alert, as_text

MAX_MESSAGE_CHARS = 4000
"""Slack cuts longer ones."""

_ESCAPED = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "@": "@\u200b",  # to Mattermost and Discord, a bare @channel calls everybody
}


def message(alert: Alert) -> dict[str, str]:
    """The body of the POST."""
    return {"text": escaped(f"*{alert.title}*\n{as_text(alert)}".strip())}


def escaped(text: str, max_chars: int = MAX_MESSAGE_CHARS) -> str:
    """`text` without links and calls that it did not mean to make; never cut within an escape."""
    pieces: list[str] = []
    left = max_chars
    for character in text:
        piece = _ESCAPED.get(character, character)
        left -= len(piece)
        if left < 0:
            return _cut(pieces, max_chars)
        pieces.append(piece)
    return "".join(pieces)


def _cut(pieces: list[str], max_chars: int) -> str:
    while pieces and sum(map(len, pieces)) >= max_chars:
        pieces.pop()
    return "".join(pieces) + "…"
