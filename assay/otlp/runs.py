"""The spans of a run as a line of our run log: the columns that the production client writes."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from assay.otlp.span import Span
from assay.otlp.tree import SpanGroup, groups_of, in_order
from assay.prompts.run import END, reported_columns

UNFINISHED = "unfinished"
"""Stop reason of a run whose own span never came."""
STOPS = {
    "stop": "finish", "end_turn": "finish", "stop_sequence": "finish", "eos": "finish",
    "completed": "finish", "length": "max_tokens",
}  # fmt: skip
"""What models say at the end of an answer -> our stop reason; others are kept as they are."""
CALLS = frozenset({"tool_calls", "tool_call", "tool_use", "function_call"})
"""A model that ends its answer so wants a tool to be called."""
Resolve = Callable[[str], str | None]
"""`support:v13` -> its prompt_id, if it is known."""
Price = Callable[[Span], float | None]
"""US dollars of a request to a model, if they are known."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpRun:
    """A run as it goes into the log."""

    run_id: str
    columns: dict[str, Any]
    end_ns: int
    n_spans: int
    has_no_agent: bool
    """Whether it is a trace, or a conversation, without an agent's span."""

    @property
    def is_unfinished(self) -> bool:
        """Whether its own span never came."""
        return bool(self.columns["stop_reason"] == UNFINISHED)


def no_price(_span: Span) -> None:
    """For runs whose spend is what their spans say."""


def runs_of(spans: Iterable[Span], *, resolve: Resolve, price: Price = no_price) -> list[OtlpRun]:
    """The runs in spans that belong together: those of a trace, or of one conversation.

    The same for every order of the spans, and however often one comes.

    Args:
        spans: Any.
        resolve: Finds the prompt_id of a name and version.
        price: Of a request, where no span says the spend.
    """
    groups = groups_of(in_order(spans))
    told = (group for group in groups if group.agent or any(_says(span) for span in group.spans))
    return [_run(group, resolve, price) for group in told]


def _says(span: Span) -> bool:
    return span.is_inference or span.is_tool


def _run(group: SpanGroup, resolve: Resolve, price: Price) -> OtlpRun:
    first, agent = group.spans[0], group.agent
    run_id = f"{agent.trace_id}-{agent.span_id}" if agent else first.trace_id
    start_ns = agent.start_ns if agent else first.start_ns
    end_ns = agent.end_ns if agent else max(span.end_ns for span in group.spans)
    prompt = _prompt(group, resolve)
    about = {
        "run_id": run_id,
        "golden_task_id": _first(group, "golden_task_id"),
        "category": _first(group, "category"),
        "agent": _first(group, "agent"),
        "model": _last(group.counted or group.spans, "model"),
        **prompt,
        "started_at": _time(start_ns),
        "ended_at": _time(end_ns),
        "latency_s": round((end_ns - start_ns) / 1e9, 6),
    }
    columns = {"event": END, **about, **reported_columns(_reported(group, price))}
    return OtlpRun(
        run_id=run_id,
        columns=columns,
        end_ns=end_ns,
        n_spans=len(group.spans),
        has_no_agent=agent is None,
    )


def _prompt(group: SpanGroup, resolve: Resolve) -> dict[str, str | None]:
    """By its id, else by its name and version."""
    prompt_id = _first(group, "prompt_id")
    name, version = _first(group, "prompt_name"), _first(group, "prompt_version")
    if prompt_id is None and name and version:
        prompt_id = resolve(version if version.startswith(f"{name}:") else f"{name}:{version}")
    parts = (prompt_id or "").split(":")
    if len(parts) == 3:
        name, version = parts[:2]
    return {"prompt_id": prompt_id, "prompt_name": name, "prompt_version": version}


def _reported(group: SpanGroup, price: Price) -> dict[str, Any]:
    """What the run used and how it ended, as the client's `report` takes it."""
    own = group.agent or group.spans[0]
    tokens = {
        name: _sum(group, own, name)
        for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
    }
    tools = Counter(s.text("tool") or "unknown" for s in group.spans if s.is_tool)
    success = own.get("success")
    found = {
        **tokens,
        "steps": len(group.counted) or None,
        "tool_calls_by_tool": dict(sorted(tools.items())) if _tells_tools(group) else None,
        "tool_calls": tools.total() if _tells_tools(group) else None,
        "spend_usd": _spend(group, own, price),
        "stop_reason": _stop_reason(group, own),
        "success": success if isinstance(success, bool) else None,
        "error": own.text("error") if own.is_error else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _sum(group: SpanGroup, own: Span, what: str) -> float | None:
    """Over the requests to a model; what the run's own span says where none of them says it."""
    known = [amount for span in group.counted if (amount := span.amount(what)) is not None]
    return sum(known) if known else own.amount(what)


def _spend(group: SpanGroup, own: Span, price: Price) -> float | None:
    """As spans say it; else by the prices of all requests: a part of them would be too little."""
    if (said := _sum(group, own, "spend_usd")) is not None:
        return said
    prices = [price(span) for span in group.counted]
    known = [each for each in prices if each is not None]
    return sum(known) if prices and len(known) == len(prices) else None


def _tells_tools(group: SpanGroup) -> bool:
    """Whether tool calls can be counted: a model that wanted one, and no span of any, cannot be."""
    return any(span.is_tool for span in group.spans) or not any(
        CALLS.intersection(_reasons(span)) for span in group.counted
    )


def _stop_reason(group: SpanGroup, own: Span) -> str:
    if (said := own.text("stop_reason")) is not None:
        return said
    if own.is_error:
        return "agent_error"
    if group.agent is None and group.lacks_parent:
        return UNFINISHED
    reasons = _reasons(group.counted[-1]) if group.counted else ()
    last = reasons[-1] if reasons else "stop"
    return "finish" if last in CALLS else STOPS.get(last, last)


def _reasons(span: Span) -> tuple[str, ...]:
    reasons = span.get("finish_reasons")
    return reasons if isinstance(reasons, tuple) else (reasons,) if isinstance(reasons, str) else ()


def _first(group: SpanGroup, what: str) -> str | None:
    """Of the run's own span, else of the first that says it."""
    spans = [group.agent, *group.spans] if group.agent else group.spans
    return next((text for span in spans if (text := span.text(what)) is not None), None)


def _last(spans: Iterable[Span], what: str) -> str | None:
    texts = [text for span in spans if (text := span.text(what)) is not None]
    return texts[-1] if texts else None


def _time(ns: int) -> str:
    at = EPOCH + timedelta(microseconds=ns // 1000)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
