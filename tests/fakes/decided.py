"""An evaluation that said promote, as it lies on disk, without its runs having been made."""

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from assay.decision import Decision, EvaluationFacts, document
from assay.decision.outcome import awaiting_approval
from assay.plan import Plan, folder_of, prompt_ref
from tests.carrying_out import planned
from tests.fakes.arms import arm, judge


def promoting(plan: Plan) -> Decision:
    """The decision of a plan whose candidate does just what the baseline does."""
    facts = EvaluationFacts(
        evaluation_id=plan.evaluation_id, rounds=1, stopped_early=False, spend_usd=None,
        seconds=1.0, seed=plan.seed, versions={},
    )  # fmt: skip
    decision = document(judge(arm(), arm()), facts)
    baseline, candidate = map(prompt_ref, plan.prompts)
    assert decision.verdict == "promote"
    return decision.model_copy(update={"baseline": baseline, "candidate": candidate})


def decided(
    workspace: Path, candidate: str = "v15", *, deadline: datetime | None = None, **changes: Any
) -> str:
    """Leave such an evaluation in the workspace's results; its id.

    Args:
        workspace: A copy of the sample.
        candidate: What it promotes.
        deadline: Until when it awaits approval; without one nobody has to approve.
        **changes: Of the decision.
    """
    plan = planned(workspace, candidate)
    decision = promoting(plan).model_copy(update=changes)
    if deadline is not None:
        decision = awaiting_approval(decision, deadline=deadline)
    folder = folder_of(plan)
    folder.path.mkdir(parents=True)
    folder.journal.write_bytes(orjson.dumps(plan.header()) + b"\n")
    folder.decision.write_text(decision.model_dump_json(indent=2))
    return plan.evaluation_id
