"""What one tool call came to: hits, an article, a record, nothing, or a failure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic_ai.messages import ToolReturnPart
from pydantic_core import to_jsonable_python

from assay.models.scripted.offered import Role, role_of
from assay.models.scripted.pages import Hit, Page, read_hit, read_page
from assay.models.scripted.tokens import content_text

MAX_HITS = 30
SHORT_CHARS = 200
"""Only a short text can be a message that there is nothing."""
_LISTS = ("results", "hits", "items", "articles")
_BODIES = ("body", "text", "content", "article")
_ABSENT = (
    "not found",
    "no such",
    "does not exist",
    "unknown",
    "no order",
    "no result",
    "no article",
)


class Outcome(StrEnum):
    """What came of one tool call."""

    FOUND = "found"
    MISSING = "missing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One tool call that was made, and what it returned."""

    role: Role
    outcome: Outcome
    target: str = ""
    """What was asked for: the query, the article's or the order's id."""
    step: int = 0
    """Which response asked for it, from 0."""
    hits: tuple[Hit, ...] = ()
    page: Page | None = None
    record: Mapping[str, Any] | None = None


def read_result(part: ToolReturnPart) -> Result | None:
    """Understand what a tool returned; None when what the tool is for is not known."""
    role = role_of(part.tool_name)
    if role is None:
        return None
    content = _jsonable(part.content)
    if part.outcome != "success":
        return Result(role=role, outcome=_why_not(content))
    if _is_nothing(content):
        return Result(role=role, outcome=Outcome.MISSING)
    if role is Role.SEARCH:
        return _found(content)
    return Result(
        role=role,
        outcome=Outcome.FOUND,
        page=_page(content) if role is Role.READ else None,
        record=content if isinstance(content, Mapping) else None,
    )


def _jsonable(content: Any) -> Any:
    """What a tool returned as it would look after being stored and read back."""
    if isinstance(content, list):
        return [_jsonable(each) for each in content[:MAX_HITS]]
    if isinstance(content, str | Mapping | None):
        return content
    try:
        return to_jsonable_python(content, fallback=str)
    except ValueError:
        return ""


def _why_not(content: object) -> Outcome:
    text = str(content)[:500].lower()
    return Outcome.MISSING if any(each in text for each in _ABSENT) else Outcome.FAILED


def _is_nothing(content: Any) -> bool:
    """Whether a tool that did not fail still says that there is nothing."""
    if isinstance(content, Mapping):
        return not content or bool(content.get("error")) or content.get("found") is False
    if isinstance(content, str) and len(content) < SHORT_CHARS:
        return not content.strip() or _why_not(content) is Outcome.MISSING
    return content is None or content == []


def _found(content: Any) -> Result:
    """A search's result: hits to be read, or text that needs no reading."""
    if isinstance(content, Mapping):
        content = next((content[name] for name in _LISTS if name in content), [content])
    listed = content if isinstance(content, list) else [content]
    hits = [read_hit(each) for each in listed if isinstance(each, Mapping)]
    texts = [each for each in listed if isinstance(each, str) and each.strip()]
    if not hits and not texts:
        return Result(role=Role.SEARCH, outcome=Outcome.MISSING)
    return Result(
        role=Role.SEARCH,
        outcome=Outcome.FOUND,
        hits=tuple(hit for hit in hits if hit is not None),
        page=read_page("\n\n".join(texts)) if texts else None,
    )


def _page(content: Any) -> Page:
    if isinstance(content, Mapping):
        body = next((str(content[name]) for name in _BODIES if content.get(name)), "")
        return read_page(
            body, title=str(content.get("title") or ""), status=str(content.get("status") or "")
        )
    return read_page(content if isinstance(content, str) else content_text(content))
