"""From stored runs to the arms of a decision."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assay.records import PromptRef, RunRecord
from assay.store.arms import read_arm, total_spend_usd
from assay.store.parquet import runs_table

V13 = PromptRef(name="support", version="v13", prompt_id="support:v13:50af3e26c3af")
V14 = PromptRef(name="support", version="v14", prompt_id="support:v14:0123456789ab")
TASKS = {"kb": "finish", "stop": "max_steps"}


def run(number: int, *, prompt: PromptRef = V13, task: str = "kb", **columns: Any) -> RunRecord:
    """One run; `columns` replace what matters."""
    usual: dict[str, Any] = {
        "total_tokens": 100 + number, "tool_calls": number, "latency_s": 0.5,
        "spend_usd": 0.25, "stop_reason": "finish", "success": True,
    }  # fmt: skip
    return RunRecord(
        evaluation_id="e", run_id=str(number), prompt_name=prompt.name,
        prompt_version=prompt.version, prompt_id=prompt.prompt_id, golden_task_id=task,
        golden_task_hash="h", repeat=number + 1, round=1, agent="builtin", model="scripted",
        model_params_hash="", tools_hash="", started_at=datetime(2026, 11, 23, tzinfo=UTC),
        **(usual | columns),
    )  # fmt: skip


def table(*runs: RunRecord) -> pa.Table:
    """As read back from Parquet."""
    return runs_table(runs)


def test_an_arm_holds_the_runs_of_its_prompt_id_only() -> None:
    """Two versions of one name must never be pooled."""
    whole = table(run(0), run(1, prompt=V14), run(2))
    assert read_arm(whole, V13, tasks=TASKS).metrics["tool_calls"].tolist() == [0.0, 2.0]
    assert read_arm(whole, V14, tasks=TASKS).metrics["tool_calls"].tolist() == [1.0]


def test_golden_tasks_get_the_numbers_of_the_given_order() -> None:
    """Both arms are paired by these numbers; runs of other tasks are left out."""
    whole = table(run(0, task="stop"), run(1, task="elsewhere"), run(2, task="kb"))
    assert read_arm(whole, V13, tasks=TASKS).tasks.tolist() == [1, 0]


def test_missing_is_nan_and_never_zero() -> None:
    """A run without a price or a token count did not cost nothing."""
    arm = read_arm(table(run(0, total_tokens=None, spend_usd=None)), V13, tasks=TASKS)
    assert np.isnan(arm.metrics["total_tokens"]).all()
    assert np.isnan(arm.metrics["spend_usd"]).all()
    assert not arm.known("spend_usd").any()


def test_an_infrastructure_error_is_no_failure() -> None:
    """Its success is unknown, and it is in no statistic."""
    lost = run(0, stop_reason="infra_error", success=None)
    arm = read_arm(table(lost, run(1, success=False)), V13, tasks=TASKS)
    assert arm.infra.tolist() == [True, False]
    assert np.isnan(arm.success[0])
    assert arm.judged.tolist() == [False, True]
    assert arm.passed.tolist() == [False, False]


@pytest.mark.parametrize(
    ("task", "stop_reason", "is_cut"),
    [
        ("kb", "finish", False),
        ("kb", "max_steps", True),
        ("kb", "max_seconds", True),
        ("kb", "agent_error", False),
        ("stop", "max_steps", False),
        ("stop", "max_tokens", True),
    ],
)
def test_a_budget_stop_cuts_a_run_unless_it_was_expected(
    task: str, stop_reason: str, is_cut: bool
) -> None:
    """A golden task may be about stopping at a budget."""
    arm = read_arm(table(run(0, task=task, stop_reason=stop_reason)), V13, tasks=TASKS)
    assert arm.cut.tolist() == [is_cut]


def test_each_broken_bound_is_a_column() -> None:
    """Bounds are tested one by one."""
    runs = [
        run(0, violated_invariants=["max_tokens", "max_steps"]),
        run(1),
        run(2, violated_invariants=["max_tokens"]),
    ]
    arm = read_arm(table(*runs), V13, tasks=TASKS)
    assert {name: flags.tolist() for name, flags in arm.violations.items()} == {
        "max_steps": [True, False, False],
        "max_tokens": [True, False, True],
    }


def test_how_the_table_is_stored_changes_nothing() -> None:
    """Several files are several chunks, and other writers encode names as dictionaries."""
    runs = [run(i, violated_invariants=["max_tokens"] * (i % 2)) for i in range(6)]
    plain = table(*runs)
    encoded = plain
    for name in ("prompt_id", "golden_task_id", "stop_reason"):
        at = encoded.schema.get_field_index(name)
        encoded = encoded.set_column(at, name, encoded[name].dictionary_encode())
    chunked = pa.concat_tables([plain.slice(0, 1), plain.slice(1, 3), plain.slice(4)])
    expected = read_arm(plain, V13, tasks=TASKS)
    for other in (encoded, chunked):
        arm = read_arm(other, V13, tasks=TASKS)
        assert arm.tasks.tolist() == expected.tasks.tolist()
        assert arm.cut.tolist() == expected.cut.tolist()
        assert arm.violations["max_tokens"].tolist() == expected.violations["max_tokens"].tolist()


def test_no_runs_are_an_empty_arm() -> None:
    """An interrupted evaluation may have none: that is for the decision to say."""
    arm = read_arm(table(run(0)).slice(0, 0), V13, tasks=TASKS)
    assert arm.n_runs == 0
    assert arm.violations == {}


def test_total_spend_is_unknown_as_soon_as_one_price_is() -> None:
    """A sum over known prices would be printed as the bill."""
    assert total_spend_usd(table(run(0), run(1)), [V13]) == 0.5
    assert total_spend_usd(table(run(0), run(1, spend_usd=None)), [V13]) is None
    assert total_spend_usd(table(run(0), run(1, prompt=V14, spend_usd=None)), [V13]) == 0.25
    assert total_spend_usd(table(run(0)), [V14]) is None
