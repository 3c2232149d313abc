"""The reason in one sentence that a person on call understands."""

from collections.abc import Sequence

from assay.decision.comparison import Comparison, Result
from assay.decision.evidence import Evidence
from assay.decision.failures import Finding, InvariantOutcome, TaskOutcome

MAX_NAME_CHARS = 60
MAX_NAMED = 3

_LABELS = {
    ("total_tokens", "p95"): "p95 tokens",
    ("total_tokens", "tail"): "tail tokens",
    ("total_tokens", "mean"): "tokens",
    ("tool_calls", "mean"): "tool calls",
    ("success", "drop"): "success",
    ("success", "drop_without_judges"): "success without judges",
    ("spend_usd", "mean"): "spend",
    ("latency_s", "p95"): "p95 latency",
}


def label(metric: str, statistic: str) -> str:
    """What a gate measures, in words."""
    return _LABELS.get((metric, statistic), f"{metric} {statistic}")


def clean_name(text: str) -> str:
    """A name from a file, for people: bounded, and without control characters."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= MAX_NAME_CHARS else f"{shown[: MAX_NAME_CHARS - 1]}…"


def reason_for(verdict: str, evidence: Evidence, *, advice: str | None) -> str:
    """`reject: p95 tokens x1.89 (at least x1.62; allowed x1.50), tool calls x2.75 ...`."""
    gated = [row for row in evidence.comparisons if row.margin is not None]
    spent = evidence.spent_budget
    budget = [f"the evaluation's budget {clean_name(spent)} is spent"] if spent else []
    if verdict == "promote":
        return f"promote: {', '.join(map(_phrase, gated)) or 'no gate has a margin'}"
    if verdict == "reject":
        found = [_phrase(row) for row in gated if row.result is Result.FAIL]
        found += _tasks(evidence.tasks, Finding.REJECTS, "broke")
        return f"reject: {', '.join([*found, *_bounds(evidence.invariants), *budget])}"
    if evidence.obstacle is not None:
        return f"inconclusive: {evidence.obstacle}; {advice}"
    undecided = [row for row in gated if row.result is Result.UNDECIDED]
    found = [_phrase(row) for row in undecided]
    found += _tasks(evidence.tasks, Finding.BLOCKS, "may have broken")
    found += _tasks(evidence.tasks, Finding.UNMEASURED, "has no result in one arm")
    parts = [", ".join(budget + found), *_obstacles(undecided), advice]
    return f"inconclusive: {'; '.join(part for part in parts if part)}"


def _obstacles(rows: Sequence[Comparison]) -> list[str]:
    """What keeps gates that have figures from being decided; said once for all of them."""
    whys = [
        row.obstacle or (None if row.may_fail else row.note)
        for row in rows
        if row.change is not None
    ]
    return [why for why in dict.fromkeys(whys) if why is not None]


def _phrase(row: Comparison) -> str:
    """One gate with its limits: at least, at most, or between."""
    name = label(row.metric, row.statistic)
    if row.change is None:
        return f"{name}: {row.obstacle or 'no data'}"
    if row.metric == "success":
        return f"{name} {row.baseline:.1%} -> {row.candidate:.1%} ({_points(row)})"
    shown = _times if row.is_ratio else _signed
    limits = _limits(row.result, shown(row.lower), shown(row.upper))
    return f"{name} {shown(row.change)} ({limits}allowed {shown(row.allowed)})"


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
    return f"x{ratio:.2f}" if ratio < 100 else f"x{ratio:.3g}"


def _signed(difference: float | None) -> str | None:
    return None if difference is None else f"{difference:+.3g}"


def _tasks(outcomes: Sequence[TaskOutcome], finding: Finding, verb: str) -> list[str]:
    found = [one for one in outcomes if one.finding is finding]
    words = [f"{_task(one)} {_verb(one, verb)} ({_passes(one)})" for one in found[:MAX_NAMED]]
    more = len(found) - MAX_NAMED
    rest = [f"{more} more task{'s' * (more > 1)} {verb}"] if more > 0 else []
    return words + rest


def _verb(one: TaskOutcome, verb: str) -> str:
    never = one.finding is Finding.BLOCKS and one.never_passed
    return "has not passed under either prompt" if never else verb


def _task(one: TaskOutcome) -> str:
    return f"{'critical ' if one.task.critical else ''}task '{clean_name(one.task.id)}'"


def _passes(one: TaskOutcome) -> str:
    before = f"{one.baseline_passes}/{one.baseline_runs}"
    return f"{before} -> {one.candidate_passes}/{one.candidate_runs}"


def _bounds(bounds: Sequence[InvariantOutcome]) -> list[str]:
    found = [one for one in bounds if one.finding is Finding.REJECTS]
    return [
        f"bound {clean_name(one.invariant)} broken by {one.candidate_violations} runs "
        f"(baseline {one.baseline_violations})"
        for one in found[:MAX_NAMED]
    ]
