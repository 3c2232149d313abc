"""A decision in rows and lines of plain text: what a terminal, Markdown and Prefect's UI show.

Names are bounded and free of control characters. They are still text from outside: whoever
shows them must see to it that they mean nothing there (markup, Markdown, HTML).
"""

from collections.abc import Sequence
from typing import NamedTuple

from assay.decision.document import Decision, Gate, Judges, Task
from assay.decision.outcome import canary_words
from assay.decision.ranking import Ranking
from assay.decision.reason import clean_name

MAX_ROWS = 10
MAX_EXAMPLES, MAX_SHOWN_CHARS = 3, 200

ABOUT_TRAFFIC = (
    "about traffic: golden tasks are taken as a random sample of it, which is only as true as "
    "they were drawn so"
)

_LABELS = {
    ("total_tokens", "p95"): "p95 tokens",
    ("total_tokens", "tail"): "tail tokens",
    ("total_tokens", "mean"): "mean tokens",
    ("tool_calls", "mean"): "tool calls",
    ("success", "drop"): "success",
    ("success", "drop_without_judges"): "without judges",
    ("spend_usd", "mean"): "mean spend $",
    ("latency_s", "p95"): "p95 seconds",
}


class Sheet(NamedTuple):
    """A table: what each column holds, and its rows."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class ExampleLines(NamedTuple):
    """Why a golden task failed, by one of its runs."""

    why: str
    calls: str
    output: str


def ranking_sheet(ranking: Ranking) -> Sheet:
    """One row a candidate, the best first; the error is shared by all of them."""
    head = ("rank", "candidate", "verdict", "success", "tokens", "calls", "runs")
    return Sheet(head, [_rank(place, one) for place, one in enumerate(ranking.decisions, start=1)])


def _rank(place: int, one: Decision) -> tuple[str, ...]:
    by_gate = {(gate.metric, gate.statistic): gate for gate in one.gates}
    success = by_gate.get(("success", "drop"))
    return (
        str(place),
        candidate_name(one),
        one.verdict,
        number(success.candidate, success) if success else "-",
        *(change(by_gate.get((metric, "mean"))) for metric in ("total_tokens", "tool_calls")),
        str(one.runs.candidate),
    )


def candidate_name(decision: Decision) -> str:
    """`support:v14`."""
    return clean_name(f"{decision.candidate.name}:{decision.candidate.version}")


def baseline_name(decision: Decision) -> str:
    """`support:v13`."""
    return clean_name(f"{decision.baseline.name}:{decision.baseline.version}")


def gates_sheet(decision: Decision) -> Sheet:
    """One row a gate; those without a margin are reported only."""
    versions = [clean_name(each.version) for each in (decision.baseline, decision.candidate)]
    head = ("gate", *versions, "change", "surely within", "allowed", "result")
    return Sheet(head, [_gate_row(gate) for gate in decision.gates])


def _gate_row(gate: Gate) -> tuple[str, ...]:
    return (
        gate_name(gate.metric, gate.statistic),
        number(gate.baseline, gate),
        number(gate.candidate, gate),
        change(gate),
        limits(gate),
        allowed(gate),
        result(gate) + ("*" if gate.note else ""),
    )


def gate_name(metric: str, statistic: str) -> str:
    """What a table calls a gate."""
    return _LABELS.get((metric, statistic), f"{metric} {statistic}")


def result(gate: Gate) -> str:
    """`pass`, `fail` or `undecided`; `reported` where nothing is held to it."""
    return gate.result if gate.margin is not None else "reported"


def change(gate: Gate | None) -> str:
    """From baseline to candidate."""
    if gate is None:
        return "-"
    return _change(gate.ratio if gate.difference is None else gate.difference, gate)


def limits(gate: Gate) -> str:
    """Both limits, the smaller first: a drop's are shown as changes of the share."""
    if gate.lower is None or gate.upper is None:
        return "-"
    both = (gate.upper, gate.lower) if gate.metric == "success" else (gate.lower, gate.upper)
    low, high = (_change(limit, gate) for limit in both)
    return f"{low.removesuffix(' pt')} .. {high}"


def allowed(gate: Gate) -> str:
    """The margin, as a change."""
    if gate.margin is None:
        return "-"
    if gate.metric == "success":
        return f"{-100 * gate.margin:+.1f} pt"
    return f"x{1 + gate.margin:.2f}" if gate.difference is None else f"{gate.margin:+.3g}"


def number(value: float | None, gate: Gate) -> str:
    """A value of the gate's metric."""
    return figure(value, gate.metric)


def figure(value: float | None, metric: str) -> str:
    """A value of a metric."""
    if value is None:
        return "-"
    if metric == "success":
        return f"{value:.1%}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def shown_change(value: float | None, metric: str, *, is_ratio: bool) -> str:
    """A change of a metric: a ratio, a difference, or how many points success rose."""
    if value is None:
        return "-"
    if metric == "success":
        return f"{0.0 - 100 * value:+.1f} pt"
    return f"x{value:.2f}" if is_ratio else f"{value:+.3g}"


def _change(value: float | None, gate: Gate) -> str:
    return shown_change(value, gate.metric, is_ratio=gate.ratio is not None)


def gate_notes(decision: Decision) -> list[str]:
    """What a reader has to know of the figures, once each."""
    return list(dict.fromkeys(gate.note for gate in decision.gates if gate.note))


def bounds_sheet(decision: Decision) -> Sheet | None:
    """One row a bound that was broken; None if none was."""
    runs = decision.runs
    rows = [
        (
            clean_name(one.invariant),
            f"{one.baseline_violations}/{runs.baseline}",
            f"{one.candidate_violations}/{runs.candidate}",
            "regressed" if one.result == "broken" else "-",
        )
        for one in decision.invariants
        if one.golden_task_id is None
    ]
    return (
        Sheet(("bound broken", "baseline", "candidate", "result"), rows[:MAX_ROWS])
        if rows
        else None
    )


def moved_tasks(decision: Decision) -> list[Task]:
    """The golden tasks that do not pass as they did."""
    return [task for task in decision.tasks if task.result != "same"]


def tasks_sheet(decision: Decision) -> Sheet | None:
    """The golden tasks that moved, the first few; None if none did."""
    moved = moved_tasks(decision)
    if not moved:
        return None
    rows: list[tuple[str, ...]] = [
        (
            clean_name(task.golden_task_id) + (" (critical)" if task.critical else ""),
            f"{task.baseline_passes}/{task.baseline_runs}",
            f"{task.candidate_passes}/{task.candidate_runs}",
            task.result,
        )
        for task in moved[:MAX_ROWS]
    ]
    if len(moved) > MAX_ROWS:
        rows.append((f"and {len(moved) - MAX_ROWS} more", "", "", ""))
    return Sheet(("golden task", "baseline", "candidate", "result"), rows)


def example_lines(decision: Decision) -> list[ExampleLines]:
    """Of the first few golden tasks that failed a run, its tool calls and how it ended."""
    found = [(task.golden_task_id, task.example) for task in decision.tasks if task.example]
    return [
        ExampleLines(
            why=f"{clean_name(task_id)}, run {one.run_id}: "
            + shown("; ".join([f"stop_reason {one.stop_reason}", *one.failed_checks])),
            calls=f"calls: {shown(' '.join(one.tool_calls)) or 'none'}",
            output=f"output: {shown(one.output or '') or 'none'}",
        )
        for task_id, one in found[:MAX_EXAMPLES]
    ]


def shown(text: str) -> str:
    """One bounded line of text that came from a model or a tool."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= MAX_SHOWN_CHARS else f"{line[: MAX_SHOWN_CHARS - 1]}…"


def footer_lines(decision: Decision) -> list[str]:
    """How much it took, when it was looked at, and what was switched."""
    tops = next((gate.top_tasks for gate in decision.gates if gate.statistic == "p95"), ())
    runs = decision.runs
    lines = [
        f"{runs.baseline} + {runs.candidate} runs, {runs.infra_errors} infrastructure errors, "
        f"{decision.seconds:.0f} s, evaluation {decision.evaluation_id}"
    ]
    if decision.replayed is not None:
        of = clean_name(decision.replayed.evaluation_id)
        lines.append(f"replayed ({decision.replayed.mode}) from the record of evaluation {of}")
    if decision.faults_hash is not None:
        lines.append(f"with faults put into tools on purpose ({clean_name(decision.faults_hash)})")
    if len(decision.looks) > 1:
        lines.append(
            "looks: " + ", ".join(f"{one.repeats} repeats {one.verdict}" for one in decision.looks)
        )
    if decision.judges is not None:
        lines.append(_judges_line(decision.judges))
    if tops:
        lines.append(f"most runs above p95: {', '.join(map(clean_name, tops))}")
    if decision.switched is not None:
        lines.append(f"active: {decision.switched.before} -> {decision.switched.after}")
    if decision.canary is not None:
        lines.append(f"{canary_words(decision.canary)}; it is watched by: assay canary watch")
    return lines


def _judges_line(judges: Judges) -> str:
    """`judges: 54 + 52 runs, 1 undecided, agreement 96% and 93%, 40,210 tokens, $0.12`."""
    arms = (judges.baseline, judges.candidate)
    agreement = " and ".join("-" if a.agreement is None else f"{a.agreement:.0%}" for a in arms)
    parts = [
        f"judges: {arms[0].runs} + {arms[1].runs} runs",
        f"{sum(arm.undecided for arm in arms)} undecided",
        f"agreement {agreement}",
    ]
    tokens, spend = ([getattr(arm, of) for arm in arms] for of in ("tokens", "spend_usd"))
    parts += [f"{sum(tokens):,} tokens"] if None not in tokens else []
    parts += [f"${sum(spend):.2f}"] if None not in spend else []
    return ", ".join(parts)
