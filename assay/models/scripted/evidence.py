"""What a run has done and learnt so far: read from its messages, kept nowhere else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_core import to_jsonable_python

from assay.models.scripted.offered import Role, role_of
from assay.models.scripted.pages import Hit, Page, read_hit, read_page

MAX_HITS = 30
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
    target: str
    """What was asked for: the query, the article's or the order's id."""
    step: int
    """Which response asked for it, from 0."""
    outcome: Outcome
    hits: tuple[Hit, ...] = ()
    page: Page | None = None
    record: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One conversation, as far as it has come."""

    system_prompt: str
    said: tuple[str, ...]
    """The customer's messages, oldest first."""
    step: int
    """Responses of the model so far."""
    results: tuple[Result, ...]

    def of(self, role: Role, outcome: Outcome | None = None) -> list[Result]:
        """The results of one kind of tool, in order."""
        return [
            each
            for each in self.results
            if each.role is role and (outcome is None or each.outcome is outcome)
        ]

    def hits(self) -> dict[str, Hit]:
        """Every hit of every search by id, in the order in which they came up."""
        return {hit.id: hit for result in self.of(Role.SEARCH) for hit in result.hits}

    def pages(self) -> dict[str, Page]:
        """Every article that was read, by id."""
        return {each.target: each.page for each in self.of(Role.READ) if each.page is not None}

    def gaps(self) -> list[Result]:
        """Results that were missing or failed and that no later call made good."""
        good = {(each.role, each.target) for each in self.results if each.outcome is Outcome.FOUND}
        return [
            each
            for each in self.results
            if each.outcome is not Outcome.FOUND and (each.role, each.target) not in good
        ]


def gather(messages: Iterable[ModelMessage]) -> Evidence:
    """Read a conversation; whatever is not understood is left out."""
    system: list[str] = []
    said: list[str] = []
    results: list[Result] = []
    asked: dict[str, tuple[ToolCallPart, int]] = {}
    step = 0
    for message in messages:
        if isinstance(message, ModelResponse):
            asked |= {
                p.tool_call_id: (p, step) for p in message.parts if isinstance(p, ToolCallPart)
            }
            step += 1
            continue
        system += _system_texts(message)
        said += [_spoken(p) for p in message.parts if isinstance(p, UserPromptPart)]
        for part in message.parts:
            if isinstance(part, ToolReturnPart) and part.tool_call_id in asked:
                call, at = asked[part.tool_call_id]
                results += _results(call, part, at)
    return Evidence(
        system_prompt="\n".join(system), said=tuple(said), step=step, results=tuple(results)
    )


def _system_texts(message: ModelRequest) -> list[str]:
    parts = [part.content for part in message.parts if isinstance(part, SystemPromptPart)]
    return [*parts, message.instructions] if message.instructions else parts


def _spoken(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return "\n".join(item for item in part.content if isinstance(item, str))


def _results(call: ToolCallPart, part: ToolReturnPart, step: int) -> list[Result]:
    role = role_of(call.tool_name)
    if role is None:
        return []
    target = _target(call)
    content = part.content
    if not isinstance(content, str | list | Mapping | None):
        content = to_jsonable_python(content, fallback=str)
    if part.outcome != "success":
        return [Result(role=role, target=target, step=step, outcome=_why_not(content))]
    return [_understood(role, content, target=target, step=step)]


def _target(call: ToolCallPart) -> str:
    """The first argument: what the call was about."""
    return next((str(v) for v in call.args_as_dict().values() if isinstance(v, str | int)), "")


def _why_not(content: object) -> Outcome:
    text = str(content)[:500].lower()
    return Outcome.MISSING if any(each in text for each in _ABSENT) else Outcome.FAILED


def _understood(role: Role, content: Any, *, target: str, step: int) -> Result:
    if _is_nothing(content):
        return Result(role=role, target=target, step=step, outcome=Outcome.MISSING)
    hits = _hits(content) if role is Role.SEARCH else ()
    if role is Role.SEARCH and not hits:
        return Result(role=role, target=target, step=step, outcome=Outcome.MISSING)
    return Result(
        role=role,
        target=target,
        step=step,
        outcome=Outcome.FOUND,
        hits=hits,
        page=_page(content) if role is Role.READ else None,
        record=content if isinstance(content, Mapping) else None,
    )


def _is_nothing(content: Any) -> bool:
    """Whether a tool that did not fail still says that there is nothing."""
    if isinstance(content, Mapping):
        return not content or bool(content.get("error")) or content.get("found") is False
    if isinstance(content, str) and len(content) < 200:
        return _why_not(content) is Outcome.MISSING or not content.strip()
    return content is None or content == []


def _hits(content: Any) -> tuple[Hit, ...]:
    if isinstance(content, Mapping):
        content = next((content[name] for name in _LISTS if name in content), [content])
    listed = content if isinstance(content, list) else []
    hits = [read_hit(each) for each in listed[:MAX_HITS] if isinstance(each, Mapping)]
    return tuple(hit for hit in hits if hit is not None)


def _page(content: Any) -> Page:
    if isinstance(content, Mapping):
        body = next((str(content[name]) for name in _BODIES if content.get(name)), "")
        return read_page(
            body, title=str(content.get("title") or ""), status=str(content.get("status") or "")
        )
    return read_page(content if isinstance(content, str) else str(content))
