"""What a flow run leaves behind in Prefect's UI: the decision's page, its gates, what moved.

Each has a key, so that the Artifacts page shows every agent's latest and all before it.
"""

import re
from typing import Any

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from assay.decision import Decision, Outcome, decisions_of
from assay.report import rows
from assay.report.escaping import markdown_text, plain_cell
from assay.report.markdown import outcome_markdown
from tasks.progress import tell

MAX_FLIPS = 200
MAX_CELL_CHARS = 200

Row = dict[str, Any]


async def show_outcome(outcome: Outcome) -> None:
    """Create the flow run's artifacts of what was decided."""
    decisions = decisions_of(outcome)
    agent = outcome.baseline.name
    about = markdown_text(
        f"{outcome.verdict}: {', '.join(map(rows.candidate_name, decisions))} against "
        f"{rows.baseline_name(decisions[0])}",
        max_chars=MAX_CELL_CHARS,
    )
    gates = [row for each in decisions for row in gate_rows(each)]
    await tell(
        acreate_markdown_artifact(
            outcome_markdown(outcome), key=artifact_key("decision", agent), description=about
        )
    )
    await tell(acreate_table_artifact(gates, key=artifact_key("gates", agent), description=about))
    if flips := [row for each in decisions for row in flip_rows(each)]:
        await tell(
            acreate_table_artifact(
                flips[:MAX_FLIPS], key=artifact_key("flips", agent), description=about
            )
        )


def artifact_key(kind: str, agent: str) -> str:
    """`decision-support`: Prefect allows small letters, digits and dashes."""
    return re.sub("[^a-z0-9]+", "-", f"{kind}-{agent}".lower()).strip("-")


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
