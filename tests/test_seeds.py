"""The sample's verdicts do not hang on luck."""

import pytest

from assay.decision import Judgement
from tests.carrying_out import carried_out, judged, planned
from tests.conftest import Workspace

pytestmark = pytest.mark.slow


def judgement(workspace: Workspace, candidate: str, *, seed: int, repeats: int) -> Judgement:
    plan = planned(workspace(), candidate, seed=seed, repeats=repeats)
    return judged(plan, carried_out(plan))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_incident_is_rejected_under_any_seed(workspace: Workspace, seed: int) -> None:
    """A prompt that doubles the cost must never slip through; five repeats show it already."""
    found = judgement(workspace, "support:v14", seed=seed, repeats=5)
    assert found.verdict == "reject", found.reason
    assert "tool calls" in found.reason


@pytest.mark.parametrize("seed", [1, 2])
def test_the_fix_is_promoted_under_any_seed(workspace: Workspace, seed: int) -> None:
    """A gate that refuses good prompts is soon switched off."""
    found = judgement(workspace, "support:v15", seed=seed, repeats=20)
    assert found.verdict == "promote", found.reason
