"""What people are told of a decision."""

from datetime import UTC, datetime
from typing import Any

from assay.alerts.alert import Alert
from assay.alerts.of_decisions import alerts_of
from assay.decision import Decision
from assay.decision.document import Switched
from tests.report.decided import incident, promotion

NOW = datetime(2026, 11, 23, 22, 30, 37, tzinfo=UTC)


def told(decision: Decision, *, one_of_several: bool = False, **changed: Any) -> list[Alert]:
    """The alerts of the decision with other fields."""
    return alerts_of(
        decision.model_copy(update=changed), one_of_several=one_of_several, at=NOW, url=None
    )


def test_each_thing_that_happened_is_told_once() -> None:
    """A promote that could not be switched must not read like one that was."""
    switched = Switched(before="support:v13", after="support:v14")
    reason = "promote: all is well; not switched: assay.yaml changed meanwhile"
    assert [one.kind for one in told(incident())] == ["reject"]
    assert [one.kind for one in told(incident(), verdict="inconclusive")] == ["inconclusive"]
    assert [one.kind for one in told(promotion())] == ["promote"]
    assert [one.kind for one in told(promotion(), switched=switched)] == ["promote", "switch"]
    assert [one.kind for one in told(promotion(), reason=reason)] == ["promote", "not_switched"]
    assert told(promotion(), switched=switched)[1].title == (
        "support:v14 is active, was support:v13"
    )


def test_two_candidates_of_one_evaluation_are_two_alerts() -> None:
    """With one id, receivers would drop the second as a copy."""
    other = incident().candidate.model_copy(update={"version": "v15"})
    first = told(incident(), one_of_several=True)
    second = told(incident(), one_of_several=True, candidate=other)
    assert first[0].id != second[0].id
    assert told(incident())[0].about == incident().evaluation_id


def test_the_figures_are_the_gates_changes() -> None:
    """A telephone shows how bad it is before anything is opened."""
    facts = told(incident())[0].facts
    assert facts["runs"] == 800
    assert facts["total_tokens mean"] == incident().gates[2].ratio
    assert "latency_s p95" not in facts
