"""The sample's verdicts do not hang on luck."""

import pytest

from assay.decision import Judgement
from tests.carrying_out import carried_out, judged, planned
from tests.conftest import Workspace

pytestmark = pytest.mark.slow

SEEDS = range(1, 5)


def judgement(workspace: Workspace, candidate: str, *, seed: int) -> Judgement:
    """As `assay evaluate` comes to it, with its early stop."""
    plan = planned(workspace(), candidate, seed=seed)
    return judged(plan, carried_out(plan, all_rounds=False)).judgement


@pytest.mark.parametrize("seed", SEEDS)
def test_the_incident_is_rejected_under_any_seed(workspace: Workspace, seed: int) -> None:
    """A prompt that doubles the cost must never slip through."""
    found = judgement(workspace, "support:v14", seed=seed)
    assert found.verdict == "reject", found.reason
    assert "tool calls" in found.reason


@pytest.mark.parametrize("seed", SEEDS)
def test_the_fix_is_promoted_under_any_seed(workspace: Workspace, seed: int) -> None:
    """A gate that refuses good prompts is soon switched off."""
    found = judgement(workspace, "support:v15", seed=seed)
    assert found.verdict == "promote", found.reason
