"""One production run in the log: a line when it starts, a line when it ends.

A run that hangs, or whose process dies, is a start without an end. Nothing here raises but what
the agent itself raises; the key of a request is not logged at all.
"""

import math
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from assay.prompts.routing import well_formed
from assay.prompts.run_log import RunLog
from assay.prompts.versions import PromptVersion

START, END = "agent_start", "agent_end"
ABOUT = ("run_id", "golden_task_id", "category", "agent", "model")
COUNTS = (
    "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "total_tokens", "steps",
    "tool_calls", "denied_tool_calls",
)  # fmt: skip
MAX_INPUT = 20_000
MAX_OUTPUT = 8_000
MAX_TEXT = 1_000
"""Characters; of an output more."""
MAX_TOOLS = 100


class Run:
    """A run of the agent; made by `Client.run`.

    Args:
        log: Where its lines go.
        prompt: What it runs with.
        budgets: Its limits.
        log_prompt_id: Whether its lines bear the prompt's id.
        about: What is known of it beforehand; `run_id` is made up if it is not given.
    """

    def __init__(
        self,
        log: RunLog,
        prompt: PromptVersion,
        *,
        budgets: Mapping[str, float | None],
        log_prompt_id: bool,
        about: Mapping[str, str | None],
    ) -> None:
        if unknown := about.keys() - {*ABOUT, "input"}:
            raise TypeError(f"a run has no {', '.join(sorted(unknown))}")
        self._log, self._budgets = log, dict(budgets)
        self._columns: dict[str, Any] = {
            **{name: _text(about.get(name)) for name in ABOUT},
            "run_id": _text(about.get("run_id")) or secrets.token_hex(16),
            "prompt_id": prompt.prompt_id if log_prompt_id else None,
            "prompt_name": prompt.name,
            "prompt_version": prompt.version,
            **_input(about.get("input")),
        }
        self._reported: dict[str, Any] = {}
        self._is_over = False
        self._began = 0.0

    @property
    def run_id(self) -> str:
        """Of both its lines."""
        return str(self._columns["run_id"])

    def start(self) -> Self:
        """Write its first line; `with` does it."""
        self._began = time.monotonic()
        self._columns["started_at"] = _now()
        self._log.append({"event": START, **self._columns, "budgets": self._budgets})
        return self

    def report(
        self,
        *,
        output: str | None = None,
        stop_reason: str | None = None,
        success: bool | None = None,
        error: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cached_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        total_tokens: int | None = None,
        steps: int | None = None,
        tool_calls: int | None = None,
        tool_calls_by_tool: Mapping[str, int] | None = None,
        denied_tool_calls: int | None = None,
        spend_usd: float | None = None,
        model: str | None = None,
    ) -> None:
        """Say what the run used and how it ended, once or bit by bit; later values win.

        Left out is not known. A value of the wrong kind is not known either: it stops no agent.
        """
        given = {name: value for name, value in locals().items() if value is not None}
        del given["self"]
        self._reported |= given

    def end(self, **reported: Any) -> None:
        """Write its last line; a second call does nothing. Takes what `report` takes."""
        self.report(**reported)
        if self._is_over:
            return
        self._is_over = True
        latency_s = round(max(time.monotonic() - self._began, 0.0), 6)
        times = {"ended_at": _now(), "latency_s": latency_s}
        self._log.append(
            {"event": END, **self._columns, **times, **reported_columns(self._reported)}
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.end()
            return
        stop = "agent_error" if isinstance(error, Exception) else "cancelled"
        self.end(stop_reason=stop, error=_words(error))


def _input(asked: str | None) -> dict[str, str]:
    """What was asked, where it is to be logged: whole, for a part of it is another question."""
    text = _text(asked, MAX_INPUT + 1)
    return {"input": text} if text and len(text) <= MAX_INPUT else {}


def reported_columns(reported: Mapping[str, Any]) -> dict[str, Any]:
    """Every column, in one order and of one type; what is not known is None."""
    columns: dict[str, Any] = {name: _count(reported.get(name)) for name in COUNTS}
    by_tool = _by_tool(reported.get("tool_calls_by_tool"))
    if columns["total_tokens"] is None:
        columns["total_tokens"] = _sum([columns["input_tokens"], columns["output_tokens"]])
    if columns["tool_calls"] is None and by_tool is not None:
        columns["tool_calls"] = sum(by_tool.values())
    success = reported.get("success")
    columns |= {
        "tool_calls_by_tool": by_tool,
        "spend_usd": _amount(reported.get("spend_usd")),
        "stop_reason": _text(reported.get("stop_reason")) or "finish",
        "success": success if isinstance(success, bool) else None,
        "output": _text(reported.get("output"), MAX_OUTPUT),
        "error": _text(reported.get("error")),
    }
    return columns if "model" not in reported else {**columns, "model": _text(reported["model"])}


def _text(value: object, most: int = MAX_TEXT) -> str | None:
    return well_formed(value[:most]) if isinstance(value, str) else None


def _amount(value: Any) -> float | None:
    try:
        number = float(value)  # also of Decimal, and of NumPy's numbers
    except (TypeError, ValueError, OverflowError):
        return None
    is_amount = math.isfinite(number) and number >= 0 and not isinstance(value, str | bool)
    return number if is_amount else None


def _count(value: Any) -> int | None:
    number = _amount(value)
    return int(number) if number is not None and number.is_integer() and number < 2**53 else None


def _sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _by_tool(value: object) -> dict[str, int] | None:
    if not isinstance(value, Mapping):
        return None
    counted = {_text(str(tool), 200): _count(calls) for tool, calls in value.items()}
    known = {tool: calls for tool, calls in counted.items() if tool and calls is not None}
    return dict(list(known.items())[:MAX_TOOLS])


def _words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - its __str__ is the agent's
        return type(error).__name__


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
