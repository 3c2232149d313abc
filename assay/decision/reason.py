"""The reason in one sentence that a person on call understands."""

from collections.abc import Sequence

from assay.decision.comparing import Comparison, Result
from assay.decision.failures import Finding, InvariantOutcome, TaskOutcome

MAX_NAME_CHARS = 60
MAX_NAMED = 3

_LABELS = {
    ("total_tokens", "p95"): "p95 tokens",
    ("total_tokens", "tail"): "dearest fifth of each task's runs",
    ("total_tokens", "mean"): "tokens",
    ("tool_calls", "mean"): "tool calls",
    ("success", "drop"): "success",
    ("spend_usd", "mean"): "spend",
    ("latency_s", "p95"): "p95 latency",
}


def label(row: Comparison) -> str:
    """What the gate measures, in words."""
    return _LABELS.get((row.metric, row.statistic), f"{row.metric} {row.statistic}")


def clean_name(text: str) -> str:
    """A name from a file, for people: bounded, and without control characters."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= MAX_NAME_CHARS else f"{shown[: MAX_NAME_CHARS - 1]}…"


def reason_for(
    verdict: str,
    rows: Sequence[Comparison],
    outcomes: Sequence[TaskOutcome],
    bounds: Sequence[InvariantOutcome],
    *,
    obstacles: Sequence[str],
    repeats_to_decide: int | None,
) -> str:
    """`reject: p95 tokens x1.9 (at least x1.6; allowed x1.5), tool calls x2.7 ...`."""
    gated = [row for row in rows if row.margin is not None]
    if verdict == "promote":
        return f"promote: {', '.join(_phrase(row) for row in gated)}"
    if verdict == "reject":
        found = [_phrase(row) for row in gated if row.result is Result.FAIL]
        found += _tasks(outcomes, Finding.REJECTS, "broke")
        found += _bounds(bounds)
        return f"reject: {', '.join([*found, *obstacles])}"
    if obstacles:
        return f"inconclusive: {', '.join(obstacles)}"
    found = [_phrase(row) for row in gated if row.result is Result.UNDECIDED]
    found += _tasks(outcomes, Finding.BLOCKS, "may have broken")
    return f"inconclusive: {', '.join(found)}; {_would_decide(repeats_to_decide)}"


def _phrase(row: Comparison) -> str:
    """One gate with its limits: at least, at most, or between."""
    name = label(row)
    if row.change is None:
        return f"{name}: {row.note or 'no data'}"
    if row.metric == "success":
        return f"success {row.baseline:.1%} -> {row.candidate:.1%} ({_points(row)})"
    if not row.is_ratio:
        return f"{name} {row.baseline:.3g} -> {row.candidate:.3g}"
    limits = _limits(row.result, _times(row.lower), _times(row.upper))
    return f"{name} {_times(row.change)} ({limits}allowed {_times(row.allowed)})"


def _points(row: Comparison) -> str:
    lower, upper = (None if x is None else f"{100 * x:.1f}" for x in (row.lower, row.upper))
    allowed = f"a drop of {100 * row.margin:g} points is allowed" if row.margin else ""
    limits = _limits(row.result, lower, upper).removesuffix("; ")
    return f"dropped by {limits} points; {allowed}" if limits else allowed


def _limits(result: Result, lower: str | None, upper: str | None) -> str:
    if lower is None or upper is None:
        return "exactly; "
    match result:
        case Result.FAIL:
            return f"at least {lower}; "
        case Result.PASS:
            return f"at most {upper}; "
        case Result.UNDECIDED:
            return f"between {lower} and {upper}; "


def _times(ratio: float | None) -> str | None:
    if ratio is None:
        return None
    return f"x{ratio:.2f}" if ratio < 10 else f"x{ratio:.0f}"


def _tasks(outcomes: Sequence[TaskOutcome], finding: Finding, verb: str) -> list[str]:
    found = [one for one in outcomes if one.finding is finding]
    words = [f"{_task(one)} {verb} ({_passes(one)})" for one in found[:MAX_NAMED]]
    more = len(found) - MAX_NAMED
    return words + ([f"{more} more tasks {verb}"] if more > 0 else [])


def _task(one: TaskOutcome) -> str:
    return f"{'critical ' if one.task.critical else ''}task '{clean_name(one.task.id)}'"


def _passes(one: TaskOutcome) -> str:
    before = f"{one.baseline_passes}/{one.baseline_runs}"
    return f"{before} -> {one.candidate_passes}/{one.candidate_runs}"


def _bounds(bounds: Sequence[InvariantOutcome]) -> list[str]:
    return [
        f"bound {one.invariant} broken {one.candidate_violations} times "
        f"(baseline {one.baseline_violations})"
        for one in bounds
        if one.finding is Finding.REJECTS
    ]


def _would_decide(repeats: int | None) -> str:
    if repeats is None:
        return "more repeats would not decide it; more golden tasks or a wider margin would"
    return f"about {repeats} repeats would decide it"
