"""From what an agent that is not ours answers to the result of its run.

What it says is hostile until it is read here: figures are checked, texts bounded, and
what it does not say is unknown. A budget that it reports to have overrun is its stop reason.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from assay.agents.protocol import MAX_ERROR_CHARS, AgentResult, ToolCall
from assay.budgets import overrun
from assay.config import Budgets
from assay.hostile import Undecided, parsed_json
from assay.records import StopReason
from assay.wording import cut, one_line, whole_characters

MAX_ANSWER_BYTES = 8_000_000
"""A longer answer is not read to its end."""
MAX_REFUSAL_BYTES = 65_536
MAX_QUOTED_CHARS = 300
"""Of a refusal."""
MAX_FIGURE = 10**12
MAX_TRACED_CALLS = 1_000
MAX_NAME_CHARS = 64

_COUNTS = (
    "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "total_tokens", "steps",
    "denied_tool_calls",
)  # fmt: skip
_PROMPTFOO = {
    "input_tokens": "prompt",
    "output_tokens": "completion",
    "cached_tokens": "cached",
    "total_tokens": "total",
    "steps": "numRequests",
}
"""Our name -> the key of promptfoo's `tokenUsage`."""
_ERRORS = frozenset({StopReason.AGENT_ERROR, StopReason.INFRA_ERROR})


class Rubbish(Exception):
    """What the agent answered is not an answer; the message says why, in few words."""


class Failed(NamedTuple):
    """A run without an answer."""

    stop_reason: StopReason
    error: str | None = None


def read_answer(text: bytes) -> dict[str, Any]:
    """One JSON object.

    Raises:
        Rubbish: It is none.
    """
    value = read_json(text)
    if not isinstance(value, dict):
        raise Rubbish(f"not a JSON object: {_quoted(text)}")
    return value


def read_json(text: bytes) -> Any:
    """One JSON value.

    Raises:
        Rubbish: It is none.
    """
    try:
        return parsed_json(text.decode())
    except (ValueError, Undecided):
        raise Rubbish(f"not JSON: {_quoted(text)}") from None


def result_of(
    answer: Mapping[str, Any] | Failed,
    *,
    budgets: Budgets | None,
    latency_s: float,
    attempts: int = 1,
) -> AgentResult:
    """The result of a run, whatever was answered.

    Args:
        answer: By the names of docs/agents.md, or promptfoo's; other keys are not read.
        budgets: What the run may use; beyond it, the budget's stop reason replaces its own.
            None where somebody else counts, who knows better.
        latency_s: Seconds of work.
        attempts: Times that the run was begun.
    """
    if not isinstance(answer, Failed):
        try:
            return _read(answer, budgets, latency_s, attempts)
        except Rubbish as why:
            answer = Failed(StopReason.AGENT_ERROR, f"the answer is wrong: {why}")
        except RecursionError:
            answer = Failed(StopReason.AGENT_ERROR, "the answer is nested too deeply")
    error = None if answer.error is None else cut(whole_characters(answer.error), MAX_ERROR_CHARS)
    return AgentResult(
        output=None,
        stop_reason=answer.stop_reason,
        latency_s=latency_s,
        error=error,
        attempts=attempts,
    )


def words_of_refusal(said: bytes) -> str:
    """What a server said with its refusal, for a run's error."""
    words = one_line(said.decode(errors="replace").strip(), max_chars=MAX_QUOTED_CHARS + 1)
    return cut(words, MAX_QUOTED_CHARS)


def tokens_used(answer: Mapping[str, Any]) -> int | None:
    """How many tokens an answer says that its run used; None where it does not, or not rightly."""
    try:
        used: int | None = _figures(answer)["total_tokens"]
    except (Rubbish, RecursionError):
        return None
    return used


def _read(
    answer: Mapping[str, Any], budgets: Budgets | None, latency_s: float, attempts: int
) -> AgentResult:
    figures = _figures(answer)
    n_calls, calls = _tool_calls(answer.get("tool_calls"))
    output, error = answer.get("output"), _error(answer.get("error"))
    stop_reason = _stop_reason(answer.get("stop_reason"), error)
    if stop_reason is None and output is None:
        raise Rubbish("it has neither output nor error nor stop_reason")
    spend_usd = _spend(answer)
    beyond = None
    if budgets is not None:
        beyond = overrun(
            budgets,
            steps=figures["steps"],
            tool_calls=n_calls,
            total_tokens=figures["total_tokens"],
            spend_usd=spend_usd,
        )
    if beyond is not None and stop_reason not in _ERRORS:
        stop_reason = beyond
    return AgentResult(
        **figures,
        output=_output(output),
        stop_reason=stop_reason or StopReason.FINISH,
        latency_s=latency_s,
        tool_calls=n_calls,
        tool_calls_by_tool=dict(Counter(call.tool for call in calls)),
        spend_usd=spend_usd,
        error=error,
        attempts=attempts,
        calls=calls,
    )


def _figures(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers or None, by the names of a result."""
    usage = answer.get("tokenUsage") or {}
    if not isinstance(usage, dict):
        raise Rubbish("tokenUsage is not an object")
    found = {name: _count(name, _of_promptfoo(answer, usage, name)) for name in _COUNTS}
    parts = found["input_tokens"], found["output_tokens"]
    if found["total_tokens"] is None and None not in parts:
        found["total_tokens"] = sum(part or 0 for part in parts)
    return found


def _of_promptfoo(answer: Mapping[str, Any], usage: Mapping[str, Any], name: str) -> Any:
    value = answer.get(name)
    return usage.get(_PROMPTFOO[name]) if value is None and name in _PROMPTFOO else value


def _count(name: str, value: Any) -> int | None:
    number = _number(name, value)
    if number is not None and number != int(number):
        raise Rubbish(f"{name} is not a whole number: {_shown(value)}")
    return None if number is None else int(number)


def _spend(answer: Mapping[str, Any]) -> float | None:
    value = answer.get("spend_usd")
    return _number("spend_usd", answer.get("cost") if value is None else value)


def _number(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rubbish(f"{name} is not a number: {_shown(value)}")
    if not 0 <= value <= MAX_FIGURE:  # a NaN is not, either
        raise Rubbish(f"{name} is not from 0 to {MAX_FIGURE:.0e}: {_shown(value)}")
    return value


def _tool_calls(value: Any) -> tuple[int | None, tuple[ToolCall, ...]]:
    """How many there were, and those that were told."""
    if isinstance(value, list):
        return len(value), tuple(map(_tool_call, value[:MAX_TRACED_CALLS]))
    return _count("tool_calls", value), ()


def _tool_call(value: Any) -> ToolCall:
    tool = value.get("tool", value.get("name")) if isinstance(value, dict) else None
    if not isinstance(tool, str):
        raise Rubbish(f"a tool call without the tool's name: {_shown(value)}")
    arguments = value.get("arguments")
    given = (
        arguments if isinstance(arguments, str) else _json({} if arguments is None else arguments)
    )
    return ToolCall(
        tool=whole_characters(tool)[:MAX_NAME_CHARS],
        arguments=whole_characters(given),
        outcome="success",
    )


def _stop_reason(value: Any, error: str | None) -> str | None:
    if value is None:
        return None if error is None else StopReason.AGENT_ERROR
    if not isinstance(value, str) or not value.strip():
        raise Rubbish(f"stop_reason is not text: {_shown(value)}")
    return one_line(whole_characters(value.strip()), max_chars=MAX_NAME_CHARS)


def _error(value: Any) -> str | None:
    """Nothing, an empty text and `false` are no error."""
    if not value:
        return None
    return cut(whole_characters(value if isinstance(value, str) else _json(value)), MAX_ERROR_CHARS)


def _output(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shown(value: Any) -> str:
    return cut(one_line(whole_characters(_json(value)), max_chars=200))


def _quoted(text: bytes) -> str:
    words = text[:400].decode(errors="replace").strip()
    return repr(cut(one_line(words, max_chars=200), 160)) if words else "empty"
