"""A system prompt taken apart: its own sentences, without what all prompts share."""

import re
from collections.abc import Iterator

MAX_PROMPT_CHARS = 20_000
_ID_LINE = re.compile(r"^\[prompt_id=[^\]\n]*\][ \t]*$", re.MULTILINE)
_BULLET = re.compile(r"^(?:[-*+•]|\d+[.)]|#+)\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\s*;\s*")
_IF_AND_ONLY_IF = re.compile(r"\b(?:if|when),? and only (?:if|when),?")
_CONCESSION = re.compile(r"\beven (?:if|when|where|though|after)\b[^,.]*|\bwhether or not\b[^,.]*")


def sentences_of(system_prompt: str) -> Iterator[str]:
    """Its own sentences, in lower case; the bullets below `When ...:` each begin with that line."""
    heading = ""
    for block, is_bullet in _blocks(_own_text(system_prompt)):
        heading = heading if is_bullet else ""
        if block.endswith(":"):
            heading = block.rstrip(":") + ", "
            continue
        for sentence in _SENTENCE_END.split(block):
            if sentence:
                yield _plain(heading + sentence)


def _own_text(system_prompt: str) -> str:
    """The prompt without the preamble that every prompt has in common."""
    id_line = _ID_LINE.search(system_prompt)
    text = system_prompt if id_line is None else system_prompt[id_line.end() :]
    return text[:MAX_PROMPT_CHARS]


def _blocks(text: str) -> list[tuple[str, bool]]:
    """Paragraphs and bullets, hard-wrapped lines joined, and whether each is a bullet."""
    blocks: list[tuple[str, bool]] = []
    fresh = True
    for line in text.splitlines():
        stripped = line.strip()
        bullet = _BULLET.match(stripped)
        if bullet or (fresh and stripped):
            start = bullet.end() if bullet else 0
            blocks.append((stripped[start:], bullet is not None))
        elif stripped:
            blocks[-1] = (f"{blocks[-1][0]} {stripped}", blocks[-1][1])
        fresh = not stripped
    return blocks


def _plain(sentence: str) -> str:
    """Lower case, straight quotes, single spaces; concessions (`even if ...`) left out."""
    text = " ".join(sentence.lower().replace("\u2019", "'").replace("**", "").split())
    text = _IF_AND_ONLY_IF.sub("only if", text)
    return _CONCESSION.sub("", text.replace("not only", ""))
