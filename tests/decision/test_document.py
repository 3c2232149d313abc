"""The decision as JSON: what users' scripts rely on."""

import json
import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from assay.decision import Decision, EvaluationFacts, Gates, Judgement, document
from assay.decision.document import Switched
from tests.fakes.arms import BASELINE, CANDIDATE, arm, failing, flags, judge, traits

FACTS = EvaluationFacts(
    evaluation_id="20261123-213000-abc123",
    rounds=1,
    stopped_early=False,
    spend_usd=None,
    seconds=12.5,
    seed=7,
    versions={"assay": "0.1.0"},
)


def rejected() -> Judgement:
    """A candidate that is dearer, breaks a task, and breaks a bound."""
    dear = arm(
        tool_calls=arm().metrics["tool_calls"] * 2.75,
        success=failing({5: 17}),
        violations={"max_tokens": flags(30)},
    )
    return judge(arm(), dear, tasks=traits(20, critical=(5,)))


def as_json(judgement: Judgement) -> dict[str, Any]:
    """What a script reads."""
    loaded: dict[str, Any] = json.loads(
        document(judgement, FACTS).model_dump_json(), parse_constant=_refuse
    )
    return loaded


def _refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is no JSON")


def test_the_json_has_the_names_of_the_contract() -> None:
    """A key that moves breaks somebody's pipeline; keys may only be added."""
    found = as_json(rejected())
    assert set(found) >= {
        "schema_version", "evaluation_id", "verdict", "reason", "candidate", "baseline", "gates",
        "invariants", "runs", "rounds", "stopped_early", "spend_usd", "seconds", "needs",
        "switched", "seed", "versions",
    }  # fmt: skip
    assert found["candidate"] == CANDIDATE.model_dump()
    assert found["baseline"] == BASELINE.model_dump()
    assert found["runs"] == {"baseline": 400, "candidate": 400, "infra_errors": 0}
    assert found["needs"]["repeats_to_decide"] is None
    assert found["switched"] is None
    assert found["spend_usd"] is None
    for gate in found["gates"]:
        assert set(gate) >= {
            "metric", "statistic", "baseline", "candidate", "ratio", "difference", "lower",
            "upper", "level", "margin", "result",
        }  # fmt: skip
        assert (gate["ratio"] is None) != (gate["difference"] is None)
    for bound in found["invariants"]:
        assert set(bound) >= {
            "golden_task_id", "invariant", "baseline_violations", "candidate_violations",
            "critical", "result",
        }  # fmt: skip


def test_the_json_says_what_the_judgement_says() -> None:
    """Nothing is computed twice, so nothing can differ."""
    judgement = rejected()
    found = as_json(judgement)
    assert (found["verdict"], found["reason"]) == ("reject", judgement.reason)
    calls = next(gate for gate in found["gates"] if gate["metric"] == "tool_calls")
    assert calls["ratio"] == pytest.approx(2.75)
    assert (calls["margin"], calls["result"]) == (0.25, "fail")
    assert (calls["level"], calls["lower_level"]) == (0.95, pytest.approx(0.99))
    bound = next(one for one in found["invariants"] if one["golden_task_id"] is None)
    assert (bound["candidate_violations"], bound["result"]) == (30, "broken")


def test_each_golden_task_is_shown_with_what_it_cost() -> None:
    """On call one asks which task it was, and whether it was the money or the answer."""
    [broken] = [task for task in as_json(rejected())["tasks"] if task["result"] == "broken"]
    assert broken["golden_task_id"] == "t5"
    assert broken["critical"] is True
    assert (broken["baseline_passes"], broken["candidate_passes"]) == (20, 3)
    assert broken["candidate_mean_tool_calls"] == pytest.approx(
        2.75 * broken["baseline_mean_tool_calls"]
    )
    assert broken["baseline_mean_tokens"] == pytest.approx(4000, rel=0.02)


def test_a_decision_survives_being_written_and_read() -> None:
    """`assay show` prints a decision from its file, to the last digit."""
    for judgement in (rejected(), judge(arm(), arm()), judge(arm(20, 2), arm(20, 2))):
        decision = document(judgement, FACTS)
        text = decision.model_dump_json()
        assert Decision.model_validate_json(text) == decision
        assert Decision.model_validate_json(text).model_dump_json() == text


def test_a_switch_is_written_with_the_words_from_and_to() -> None:
    """`from` is a keyword in Python and a key in the contract."""
    decision = document(judge(arm(), arm()), FACTS)
    switched = decision.model_copy(
        update={"switched": Switched(before="support:v13", after="support:v14")}
    )
    text = switched.model_dump_json()
    assert json.loads(text)["switched"] == {"from": "support:v13", "to": "support:v14"}
    assert Decision.model_validate_json(text) == switched


def test_the_same_runs_give_the_same_bytes() -> None:
    """The history keeps a hash of the evidence."""
    assert (
        document(rejected(), FACTS).model_dump_json()
        == document(rejected(), FACTS).model_dump_json()
    )


@pytest.mark.parametrize(
    "columns",
    [
        {"tool_calls": np.zeros(8)},
        {"total_tokens": np.zeros(8)},
        {"total_tokens": np.full(8, np.nan)},
        {"total_tokens": np.array([1.0, 1.0, 1.0, 1.0, 1e9, 1e9, 1e9, 1e9])},
        {"success": np.full(8, np.nan)},
        {"infra": np.ones(8, dtype=bool)},
    ],
)
def test_no_data_however_odd_gives_a_number_that_json_does_not_know(
    columns: dict[str, Any],
) -> None:
    """NaN and Infinity are not JSON: a decision that cannot be parsed is none."""
    gates = Gates(mean_spend=0.1, p95_latency=0.1)
    for arms in ((arm(2, 4), arm(2, 4, **columns)), (arm(2, 4, **columns), arm(2, 4))):
        found = as_json(judge(*arms, gates=gates, alpha=1e-9))
        assert found["verdict"] in {"reject", "inconclusive"}
        for gate in found["gates"]:
            for name in ("ratio", "difference", "lower", "upper"):
                assert gate[name] is None or math.isfinite(gate[name])


def test_the_p95_names_the_golden_tasks_above_it() -> None:
    """Four tasks make the top 5 % on average: which ones is half of the message."""
    tokens = arm().metrics["total_tokens"].copy()
    tokens[60:80] *= 4
    tokens[140:160] *= 3
    gates = as_json(judge(arm(), arm(total_tokens=tokens)))["gates"]
    assert gates[0]["statistic"] == "p95"
    assert gates[0]["top_tasks"] == ["t3", "t7"]


def test_unknown_keys_in_a_decision_are_refused() -> None:
    """A file from a newer version is not half understood."""
    loaded = as_json(judge(arm(), arm()))
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Decision.model_validate(loaded | {"surprise": 1})


@pytest.mark.parametrize(
    "wrong",
    [
        {"p95_tokens": -0.1},
        {"success_drop": 2.0},
        {"alpha": 0.5},
        {"p95": 0.1},
        {"mean_tokens": math.inf},
    ],
)
def test_gates_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    """A margin of -10 % or an unknown name would gate something else than was meant."""
    with pytest.raises(ValidationError):
        Gates(**wrong)  # type: ignore[arg-type]
