"""A decision on a terminal: the verdict first, then the gates, then what moved.

Names come from files and are shown as plain text: never as markup, and without control
characters.
"""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from assay.decision.document import Decision, Gate
from assay.decision.ranking import Outcome, Ranking
from assay.decision.reason import clean_name

STYLES = {"promote": "bold green", "reject": "bold red", "inconclusive": "bold yellow"}
RESULT_STYLES = {"pass": "green", "fail": "red", "undecided": "yellow"}
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
    ("spend_usd", "mean"): "mean spend $",
    ("latency_s", "p95"): "p95 seconds",
}


def outcome_page(outcome: Outcome) -> RenderableType:
    """A decision; of several candidates their ranking first, then every decision."""
    if not isinstance(outcome, Ranking):
        return decision_page(outcome)
    pages = ([Text(), _heading(each), decision_page(each)] for each in outcome.decisions)
    return Group(_ranking(outcome), *(part for page in pages for part in page))


def _ranking(ranking: Ranking) -> Table:
    """One row a candidate, the best first; the error is shared by all of them."""
    table = Table("rank", "candidate", "verdict", "success", "tokens", "calls", "runs", box=None)
    table.pad_edge = False
    for place, one in enumerate(ranking.decisions, start=1):
        by_gate = {(gate.metric, gate.statistic): gate for gate in one.gates}
        success = by_gate.get(("success", "drop"))
        table.add_row(
            str(place),
            Text(clean_name(f"{one.candidate.name}:{one.candidate.version}")),
            Text(one.verdict, style=STYLES[one.verdict]),
            _number(success.candidate, success) if success else "-",
            *(
                _change_of(by_gate.get((metric, "mean")))
                for metric in ("total_tokens", "tool_calls")
            ),
            str(one.runs.candidate),
        )
    return table


def _heading(decision: Decision) -> Text:
    name = clean_name(f"{decision.candidate.name}:{decision.candidate.version}")
    return Text(f"-- {name} against {clean_name(decision.baseline.version)} --", style="bold")


def _change_of(gate: Gate | None) -> str:
    return (
        "-"
        if gate is None
        else _change(gate.ratio if gate.difference is None else gate.difference, gate)
    )


def decision_page(decision: Decision) -> RenderableType:
    """Everything that a person needs to believe or doubt the decision."""
    parts: list[RenderableType] = [_headline(decision), Text()]
    if decision.scope == "traffic":
        parts += [Text(ABOUT_TRAFFIC, style="dim"), Text()]
    parts.append(gates_table(decision))
    notes = dict.fromkeys(gate.note for gate in decision.gates if gate.note)
    parts += [Text(f"* {note}", style="dim") for note in notes]
    if any(one.golden_task_id is None for one in decision.invariants):
        parts += [Text(), _invariants(decision)]
    if any(task.result != "same" for task in decision.tasks):
        parts += [Text(), _tasks(decision), *_examples(decision)]
    return Group(*parts, Text(), *_footer(decision))


def gates_table(decision: Decision) -> Table:
    """One row a gate; those without a margin are reported only."""
    versions = (prompt.version for prompt in (decision.baseline, decision.candidate))
    table = Table(box=None, pad_edge=False)
    table.add_column("gate", no_wrap=True)
    for version in versions:
        table.add_column(clean_name(version), justify="right", no_wrap=True)
    table.add_column("change", justify="right", no_wrap=True)
    table.add_column("surely within", justify="right", no_wrap=True)
    table.add_column("allowed", justify="right", no_wrap=True)
    table.add_column("result", no_wrap=True)
    for gate in decision.gates:
        table.add_row(*_gate_row(gate))
    return table


def gate_name(metric: str, statistic: str) -> str:
    """What a table calls a gate."""
    return _LABELS.get((metric, statistic), f"{metric} {statistic}")


def _headline(decision: Decision) -> Text:
    verdict, _, why = decision.reason.partition(":")
    return Text.assemble((verdict, STYLES[decision.verdict]), ":", why)


def _gate_row(gate: Gate) -> list[Text]:
    name = gate_name(gate.metric, gate.statistic)
    result = gate.result if gate.margin is not None else "reported"
    mark = "*" if gate.note else ""
    cells = [
        name,
        _number(gate.baseline, gate),
        _number(gate.candidate, gate),
        _change(gate.ratio if gate.difference is None else gate.difference, gate),
        _limits(gate),
        _allowed(gate),
    ]
    style = RESULT_STYLES[gate.result] if gate.margin is not None else "dim"
    return [Text(cell) for cell in cells] + [Text(f"{result}{mark}", style=style)]


def _limits(gate: Gate) -> str:
    """Both limits, the smaller first: a drop's are shown as changes of the share."""
    if gate.lower is None or gate.upper is None:
        return "-"
    limits = (gate.upper, gate.lower) if gate.metric == "success" else (gate.lower, gate.upper)
    low, high = (_change(limit, gate) for limit in limits)
    return f"{low.removesuffix(' pt')} .. {high}"


def _number(value: float | None, gate: Gate) -> str:
    if value is None:
        return "-"
    if gate.metric == "success":
        return f"{value:.1%}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _change(value: float | None, gate: Gate) -> str:
    if value is None:
        return "-"
    if gate.metric == "success":
        return f"{0.0 - 100 * value:+.1f} pt"
    return f"x{value:.2f}" if gate.ratio is not None else f"{value:+.3g}"


def _allowed(gate: Gate) -> str:
    if gate.margin is None:
        return "-"
    if gate.metric == "success":
        return f"{-100 * gate.margin:+.1f} pt"
    return f"x{1 + gate.margin:.2f}" if gate.difference is None else f"{gate.margin:+.3g}"


def _invariants(decision: Decision) -> Table:
    base, cand = decision.runs.baseline, decision.runs.candidate
    table = Table("bound broken", "baseline", "candidate", "result", box=None, pad_edge=False)
    pooled = [one for one in decision.invariants if one.golden_task_id is None]
    for one in pooled[:MAX_ROWS]:
        table.add_row(
            Text(clean_name(one.invariant)),
            f"{one.baseline_violations}/{base}",
            f"{one.candidate_violations}/{cand}",
            Text("regressed" if one.result == "broken" else "-"),
        )
    return table


def _tasks(decision: Decision) -> Table:
    moved = [task for task in decision.tasks if task.result != "same"]
    table = Table("golden task", "baseline", "candidate", "result", box=None, pad_edge=False)
    for task in moved[:MAX_ROWS]:
        critical = " (critical)" if task.critical else ""
        table.add_row(
            Text(clean_name(task.golden_task_id) + critical),
            f"{task.baseline_passes}/{task.baseline_runs}",
            f"{task.candidate_passes}/{task.candidate_runs}",
            Text(task.result),
        )
    if len(moved) > MAX_ROWS:
        table.add_row(f"and {len(moved) - MAX_ROWS} more", "", "", "")
    return table


def _examples(decision: Decision) -> list[Text]:
    """Why golden tasks failed: of the first few a run, its tool calls and how it ended."""
    lines = []
    found = [(task.golden_task_id, task.example) for task in decision.tasks if task.example]
    for task_id, one in found[:MAX_EXAMPLES]:
        why = "; ".join([f"stop_reason {one.stop_reason}", *one.failed_checks])
        lines += [
            Text(),
            Text(f"{clean_name(task_id)}, run {one.run_id}: {_shown(why)}"),
            Text(f"  calls: {_shown(' '.join(one.tool_calls)) or 'none'}", style="dim"),
            Text(f"  output: {_shown(one.output or '') or 'none'}", style="dim"),
        ]
    return lines


def _shown(text: str) -> str:
    """One bounded line of text that came from a model or a tool."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= MAX_SHOWN_CHARS else f"{line[: MAX_SHOWN_CHARS - 1]}…"


def _footer(decision: Decision) -> list[Text]:
    tops = next((gate.top_tasks for gate in decision.gates if gate.statistic == "p95"), ())
    runs = decision.runs
    lines = [
        f"{runs.baseline} + {runs.candidate} runs, {runs.infra_errors} infrastructure errors, "
        f"{decision.seconds:.0f} s, evaluation {decision.evaluation_id}"
    ]
    if len(decision.looks) > 1:
        lines.append(
            "looks: " + ", ".join(f"{one.repeats} repeats {one.verdict}" for one in decision.looks)
        )
    if tops:
        lines.append(f"most runs above p95: {', '.join(map(clean_name, tops))}")
    if decision.switched is not None:
        lines.append(f"active: {decision.switched.before} -> {decision.switched.after}")
    return [Text(line) for line in lines]
