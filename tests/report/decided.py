"""Decisions that pages are made of."""

from typing import Any

import numpy as np

from assay.decision import Decision, EvaluationFacts, Judgement, document
from assay.decision.document import Example
from assay.decision.ranking import Ranking, outcome_of
from tests.fakes.arms import arm, failing, flags, judge, traits
from tests.fakes.samples import cells

FACTS = EvaluationFacts(
    evaluation_id="20261123-213000-abc123", rounds=1, stopped_early=False, spend_usd=None,
    seconds=12.0, seed=7, versions={},
)  # fmt: skip


def decided(judgement: Judgement) -> Decision:
    """The judgement with fixed facts."""
    return document(judgement, FACTS)


def wavy(factor: float = 1.0, *, phase: float = 0.0, **columns: Any) -> dict[str, Any]:
    """Costs that differ between golden tasks and repeats, without random numbers."""
    wave = np.sin(np.arange(400) * 2.4 + phase)
    level = 1.0 + cells(20, 20) / 10
    return {
        "total_tokens": 3000 * level * (1 + 0.3 * wave) * factor,
        "tool_calls": np.round(3 * level * (1 + 0.3 * wave)) * factor,
        **columns,
    }


def incident() -> Decision:
    """The reference incident, a critical task that broke, and a bound that did."""
    candidate = wavy(1.89, phase=1.0, success=failing({5: 17, 7: 3}))
    candidate["violations"] = {"max_tokens": flags(120)}
    tasks = traits(20, critical=(5,))
    return decided(judge(arm(**wavy()), arm(**candidate), tasks=tasks))


def promotion() -> Decision:
    """A candidate that is as good, and is not switched to yet."""
    return decided(judge(arm(**wavy()), arm(**wavy(1.02, phase=1.0))))


def told(decision: Decision, text: str) -> Decision:
    """The decision with `text` wherever a decision holds text from outside."""
    example = Example(
        run_id=text, stop_reason=text, failed_checks=(text,), tool_calls=(text,), output=text
    )
    prompts = {
        role: getattr(decision, role).model_copy(update={"name": text, "version": text})
        for role in ("candidate", "baseline")
    }
    return decision.model_copy(
        update={
            **prompts,
            "evaluation_id": text,
            "reason": f"{decision.verdict}: {text}",
            "gates": tuple(
                gate.model_copy(update={"note": text, "top_tasks": (text,)})
                for gate in decision.gates
            ),
            "invariants": tuple(
                one.model_copy(update={"invariant": text}) for one in decision.invariants
            ),
            "tasks": tuple(
                task.model_copy(update={"golden_task_id": text, "example": example})
                for task in decision.tasks
            ),
        }
    )


def ranking(*decisions: Decision) -> Ranking:
    """Several candidates' decisions as one outcome."""
    outcome = outcome_of(decisions)
    assert isinstance(outcome, Ranking)
    return outcome
