"""Pages and search hits as the stand-in reads them: sentences, and what each is about."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assay.models.scripted import english
from assay.models.scripted.steering import instructs_reader

MAX_PAGE_CHARS = 20_000
MAX_QUOTE_CHARS = 400
_STALE = frozenset({"outdated", "superseded", "deprecated", "archived", "obsolete", "retired"})
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_FIELD = re.compile(r"^(title|status):[ \t]*(.+)$", re.MULTILINE | re.IGNORECASE)
_SUCCESSOR = re.compile(r"\b(?:superseded|replaced)[ _]by:?\s+([\w./-]{2,100})", re.IGNORECASE)
_HEADING = re.compile(r"\A\s*#+\s*([^\n(]{1,200})(?:\(([^\n]*)\))?[^\n]*\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence that may be quoted, with what it and its surroundings are about."""

    text: str
    stems: frozenset[str]
    paragraph_stems: frozenset[str]
    has_figure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An article that was read."""

    title: str
    is_stale: bool
    successor: str | None
    """Id of the article that replaces this one, where it says so."""
    stems: frozenset[str]
    title_stems: frozenset[str]
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One result of a search."""

    id: str
    title: str
    is_stale: bool
    stems: frozenset[str]
    """Of the title and the snippet."""
    title_stems: frozenset[str]
    excerpt: Page
    """The snippet, for where nothing can be read in full."""


def read_hit(found: Mapping[str, Any]) -> Hit | None:
    """A search result, or None where nothing in it could be used to read it."""
    for name in ("id", "article_id", "slug", "key", "path", "name", "title"):
        value = found.get(name)
        if isinstance(value, str | int) and str(value):
            return _hit(
                str(value)[:200],
                str(found.get("title") or "")[:300],
                str(found.get("snippet") or found.get("text") or "")[:1000],
                str(found.get("status") or ""),
            )
    return None


@lru_cache(maxsize=4096)
def _hit(id_: str, title: str, snippet: str, status: str) -> Hit:
    heading = f"{title} {id_.replace('_', ' ').replace('-', ' ')}"
    return Hit(
        id=id_,
        title=title,
        is_stale=_is_stale(status),
        stems=english.stems(f"{heading} {snippet}"),
        title_stems=english.stems(heading),
        excerpt=read_page(snippet, title=title, status=status),
    )


@lru_cache(maxsize=1024)
def read_page(text: str, *, title: str = "", status: str = "") -> Page:
    """An article's text, without the paragraphs that try to instruct the reader."""
    text = text[:MAX_PAGE_CHARS].replace("\r\n", "\n")
    front = _FRONT_MATTER.match(text) or _HEADING.match(text)
    head = text[: front.end()] if front else ""
    fields = {name.lower(): value.strip() for name, value in _FIELD.findall(head)}
    paragraphs = [
        each
        for each in re.split(r"\n\s*\n", text[len(head) :])
        if each.strip() and not instructs_reader(each)
    ]
    title = title or fields.get("title", "") or _title(head)
    successor = _SUCCESSOR.search(head)
    return Page(
        title=title[:200],
        is_stale=_is_stale(status or fields.get("status", "") or head) or successor is not None,
        successor=successor.group(1) if successor else None,
        stems=english.stems(f"{title} {' '.join(paragraphs)}"),
        title_stems=english.stems(title),
        sentences=tuple(each for part in paragraphs for each in _sentences(part)),
    )


def _title(head: str) -> str:
    found = _HEADING.match(head)
    return found.group(1).strip() if found else ""


def _is_stale(text: str) -> bool:
    return not _STALE.isdisjoint(english.words(text))


def _sentences(paragraph: str) -> list[Sentence]:
    about = english.stems(paragraph)
    return [
        Sentence(
            text=sentence[:MAX_QUOTE_CHARS].strip('"\u201c\u201d '),
            stems=english.stems(sentence),
            paragraph_stems=about,
            has_figure=any(char.isdigit() for char in sentence),
        )
        for sentence in english.sentences(paragraph.replace("\n", " "))
        if len(sentence.split()) > 2
    ]
