"""A decision as tables that Prefect's UI can sort and search; one name for a column for ever."""

from assay.decision.document import Decision
from assay.report import rows
from assay.report.escaping import plain_cell

MAX_CELL_CHARS = 200

Row = dict[str, str]


def gate_rows(decision: Decision) -> list[Row]:
    """A row for each gate, under the same names in every evaluation."""
    return [
        {
            "candidate": _cell(rows.candidate_name(decision)),
            "gate": _cell(rows.gate_name(gate.metric, gate.statistic)),
            "before": rows.number(gate.baseline, gate),
            "after": rows.number(gate.candidate, gate),
            "change": rows.change(gate),
            "surely within": rows.limits(gate),
            "allowed": rows.allowed(gate),
            "result": rows.result(gate),
        }
        for gate in decision.gates
    ]


def flip_rows(decision: Decision) -> list[Row]:
    """A row for each golden task that moved, with a run of the candidate that failed."""
    return [
        {
            "candidate": _cell(rows.candidate_name(decision)),
            "golden task": _cell(task.golden_task_id),
            "critical": "yes" if task.critical else "",
            "before": f"{task.baseline_passes}/{task.baseline_runs}",
            "after": f"{task.candidate_passes}/{task.candidate_runs}",
            "result": task.result,
            "failed check": _cell("; ".join(task.example.failed_checks)) if task.example else "",
            "run": _cell(task.example.run_id) if task.example else "",
        }
        for task in rows.moved_tasks(decision)
    ]


def _cell(text: str) -> str:
    return plain_cell(text, max_chars=MAX_CELL_CHARS)
