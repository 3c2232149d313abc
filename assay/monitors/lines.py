"""Lines of our own run log, as runs that ended and runs that began. Light: it is read by status."""

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import orjson

from assay.monitors.book import RunEnd, RunStart
from assay.prompts.run import END, START

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST = 1e15
MAX_ID_CHARS = 200
BAD_LINE = "line that is no run"
NO_TIME = "run without its time"
MAX_TORN = 20
"""So many lines at the beginning of a log may be torn."""


@dataclass(slots=True)
class Lines:
    """What some lines of a log hold."""

    ends: list[RunEnd] = field(default_factory=list)
    starts: dict[bytes, RunStart] = field(default_factory=dict)
    """Those without an end among the same lines."""
    passed_over: Counter[str] = field(default_factory=Counter)


def is_ours(beginning: bytes) -> bool:
    """Whether a log that begins so is one that a production client writes.

    A log that was cut may begin with torn lines: the first that is whole tells.
    """
    values = map(_object, beginning.split(b"\n", MAX_TORN)[:MAX_TORN])
    value = next((each for each in values if each is not None), None)
    return value is not None and value.get("event") in (START, END)


def read_lines(raw: bytes, *, name: str, at: int, since_us: int) -> Lines:
    """Read whole lines.

    Args:
        raw: The lines.
        name: Of their file: with the place it stands for a run_id where there is none.
        at: Their place in it, in bytes.
        since_us: Earlier runs are left out.
    """
    found = Lines()
    for line in raw.split(b"\n"):
        if line:
            _read(line, found, name=f"{name}\0{at}", since_us=since_us)
        at += len(line) + 1
    for end in found.ends:
        found.starts.pop(end.id, None)
    return found


def run_key(run_id: str) -> bytes:
    """What a run is known by: texts from logs may be of any length."""
    return blake2b(run_id.encode(errors="replace"), digest_size=12).digest()


def microseconds(at: datetime) -> int:
    """Since 1970; of a time without a zone, UTC is taken."""
    delta = (at if at.tzinfo else at.replace(tzinfo=UTC)) - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _read(line: bytes, found: Lines, *, name: str, since_us: int) -> None:
    value = _object(line)
    if value is None:
        found.passed_over[BAD_LINE] += 1
        return
    started, latency = _time(value.get("started_at")), _amount(value.get("latency_s"))
    run_id, prompt_id = value.get("run_id"), _text(value.get("prompt_id"))
    key = run_key(run_id if isinstance(run_id, str) else name)
    if value.get("event") == START:
        if started is not None and started >= since_us:
            found.starts[key] = RunStart(key, started, prompt_id)
        return
    ended = _time(value.get("ended_at"))
    if ended is None and started is not None:
        ended = started + round((latency or 0.0) * 1e6)
    if ended is None:
        found.passed_over[NO_TIME] += 1
    elif ended >= since_us:
        found.ends.append(_end(value, key, ended, prompt_id))


def _end(value: dict[str, Any], key: bytes, ended: int, prompt_id: str) -> RunEnd:
    return RunEnd(
        key,
        ended,
        prompt_id,
        _amount(value.get("total_tokens")),
        _amount(value.get("tool_calls")),
        _amount(value.get("spend_usd")),
        _amount(value.get("latency_s")),
        value.get("stop_reason") not in ("finish", None),
    )


def _text(value: object) -> str:
    return value[:MAX_ID_CHARS] if isinstance(value, str) else ""


def _amount(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value <= MOST and math.isfinite(value) else None


def _time(value: object) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        return microseconds(datetime.fromisoformat(value))
    except ValueError:
        return None
