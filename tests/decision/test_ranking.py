"""Several candidates of one evaluation, the best first."""

import pytest

from assay.decision import Decision, Ranking, decisions_of, document, outcome_of, read_outcome
from assay.decision.ranking import rank
from assay.records import PromptRef
from tests.decision.test_document import FACTS
from tests.fakes.arms import arm, failing, judge


def decided(version: str, *, tokens: float = 1.0, failures: int = 0) -> Decision:
    """A candidate that costs so much and fails so many of 400 runs, spread over golden tasks."""
    per_task, more = divmod(failures, 20)
    candidate = arm(
        total_tokens=arm().metrics["total_tokens"] * tokens,
        success=failing({i: per_task + (i < more) for i in range(20)}),
    )
    decision = document(judge(arm(), candidate), FACTS)
    prompt = PromptRef(name="support", version=version, prompt_id=f"support:{version}:000000000000")
    return decision.model_copy(update={"candidate": prompt})


def versions(decisions: list[Decision]) -> list[str]:
    """In the order given."""
    return [each.candidate.version for each in decisions]


def test_verdicts_come_first_and_the_cheaper_of_equals_before_the_dearer() -> None:
    """Whoever reads the first row only must not be led to a prompt that was not promoted."""
    found = [decided("dear", tokens=1.1), decided("bad", tokens=2.0), decided("cheap", tokens=0.8)]
    assert versions(rank(found)) == ["cheap", "dear", "bad"]


def test_a_difference_within_the_noise_does_not_outweigh_tokens() -> None:
    """One failure more of 400 says nothing; a fifth of the tokens does."""
    found = [decided("perfect"), decided("cheap", tokens=0.8, failures=1)]
    assert versions(rank(found)) == ["cheap", "perfect"]


def test_surely_fewer_successes_outweigh_tokens() -> None:
    """A prompt may be cheap because it gives up."""
    found = [decided("cheap", tokens=0.8, failures=20), decided("good", tokens=1.1)]
    assert {each.verdict for each in found} == {"promote"}
    assert versions(rank(found)) == ["good", "cheap"]


def test_the_verdict_of_a_ranking_is_the_worst_and_its_json_is_read_back() -> None:
    """A script that looks at one word must not miss the rejected one."""
    ranking = outcome_of([decided("bad", tokens=2.0), decided("good")])
    assert isinstance(ranking, Ranking)
    assert (ranking.verdict, ranking.switched) == ("reject", None)
    assert ranking.reason.startswith("good promote; bad reject: ")
    assert read_outcome(ranking.model_dump_json()) == ranking


def test_a_single_candidate_is_its_decision_alone() -> None:
    """Scripts that were written for one candidate read what they always read."""
    one = decided("good")
    assert outcome_of([one]) is one
    assert decisions_of(one) == (one,)
    assert read_outcome(one.model_dump_json()) == one


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_in_which_candidates_are_named_changes_nothing(order: tuple[int, ...]) -> None:
    """The best is the best, however it was typed."""
    found = [
        decided("a", tokens=0.9),
        decided("b", tokens=1.05, failures=1),
        decided("c", tokens=2),
    ]
    assert versions(rank([found[i] for i in order])) == ["a", "b", "c"]
