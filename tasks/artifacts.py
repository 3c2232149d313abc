"""What a flow run leaves behind in Prefect's UI: the decision's page, its gates, what moved.

Each has a key, so that the Artifacts page shows every agent's latest and all before it.
"""

import asyncio
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
    """Create the flow run's artifacts of what was decided, all at once."""
    decisions = decisions_of(outcome)
    agent = outcome.baseline.name
    names = ", ".join(map(rows.candidate_name, decisions))
    about = markdown_text(
        f"{outcome.verdict}: {names} against {rows.baseline_name(decisions[0])}",
        max_chars=MAX_ABOUT_CHARS,
    )
    page = outcome_markdown(outcome)
    tables = {
        "gates": [row for each in decisions for row in gate_rows(each)],
        "flips": [row for each in decisions for row in flip_rows(each)][:MAX_FLIPS],
    }
    key = artifact_key("decision", agent)
    await asyncio.gather(
        tell(acreate_markdown_artifact(page, key=key, description=about)),
        *(
            tell(acreate_table_artifact(table, key=artifact_key(kind, agent), description=about))
            for kind, table in tables.items()
            if table
        ),
    )


def artifact_key(kind: str, agent: str) -> str:
    """`decision-support`: Prefect allows small letters, digits and dashes."""
    return re.sub("[^a-z0-9]+", "-", f"{kind}-{agent}".lower()).strip("-")
