"""What a flow run leaves behind in Prefect's UI: the decision's page, its gates, what moved.

Each has a key, so that the Artifacts page shows every agent's latest and all before it.
"""

import re

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from assay.decision import Outcome, decisions_of
from assay.report import rows
from assay.report.escaping import markdown_text
from assay.report.markdown import outcome_markdown
from assay.report.ui_tables import flip_rows, gate_rows
from tasks.progress import tell

MAX_FLIPS = 200
MAX_ABOUT_CHARS = 200


async def show_outcome(outcome: Outcome) -> None:
    """Create the flow run's artifacts of what was decided."""
    decisions = decisions_of(outcome)
    agent = outcome.baseline.name
    about = markdown_text(
        f"{outcome.verdict}: {', '.join(map(rows.candidate_name, decisions))} against "
        f"{rows.baseline_name(decisions[0])}",
        max_chars=MAX_ABOUT_CHARS,
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
