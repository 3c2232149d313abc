"""Nights of the sample, each held against the runs that were kept, in the test's own process."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assay.history import read_history
from assay.nights.document import Night, NightVerdict, read_kept
from assay.nights.judging import NightRuns, judge_night
from assay.nights.markdown import night_markdown
from assay.nights.trends import past_nights, trends
from assay.plan import Plan, folder_of
from assay.settling import settle_night
from assay.store.parquet import runs_table
from tests.carrying_out import carried_out
from tests.conftest import Workspace

FIRST = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)


def planned_night(workspace: Path, night: int) -> Plan:
    """The plan of the n-th night, 0-based."""
    return settle_night(workspace / "assay.yaml", environ={}, now=FIRST + timedelta(days=night))


def a_night(workspace: Path, night: int, *, factors: Mapping[str, float] | None = None) -> Night:
    """Make the runs, judge and keep them; versions named in `factors` cost so much more.

    The runs are real; what moves the world of a later night is written into its journal.
    """
    plan = planned_night(workspace, night)
    carried_out(plan)
    dearer(plan, factors or {})
    return judged(plan, night)


def judged(plan: Plan, night: int, *, spent_budget: str | None = None) -> Night:
    """The night as it is kept."""
    folder = folder_of(plan)
    earlier = past_nights(folder.path.parent, prompt_id=plan.baseline.prompt_id, at_most=1)
    found = judge_night(
        NightRuns(
            plan=plan,
            runs=runs_table(folder.finished_runs()),
            history=read_history(plan.config.path).entries,
            previous=earlier[-1] if earlier else None,
            now=FIRST + timedelta(days=night, minutes=5),
            spent_budget=spent_budget,
        )
    )
    folder.rebuild_parquet()
    folder.decision.write_text(found.model_dump_json())
    return found


def dearer(plan: Plan, factors: Mapping[str, float]) -> None:
    """Rewrite what some versions' runs used."""
    journal = folder_of(plan).journal
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        run: dict[str, Any] = line.get("run", {})
        if run and (factor := factors.get(run["prompt_version"])):
            for name in ("total_tokens", "input_tokens", "output_tokens"):
                run[name] = round(run[name] * factor)
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.fixture
def watched(workspace: Workspace) -> Path:
    """A workspace of four golden tasks after its first night."""
    folder = workspace()
    golden = folder / "golden" / "support.jsonl"
    golden.write_text("".join(golden.read_text().splitlines(keepends=True)[:12]))
    night = a_night(folder, 0)
    assert (night.verdict, night.reference) == (NightVerdict.NO_REFERENCE, None)
    return folder


def test_a_night_on_which_nothing_moved_is_unchanged(watched: Path) -> None:
    """Held against the first night, since no evaluation promoted what is active."""
    night = a_night(watched, 1)
    assert night.verdict is NightVerdict.UNCHANGED
    assert night.reference is not None
    assert not night.reference.is_promotion
    assert night.reference.at == FIRST
    assert night.spike is None


def test_what_moves_both_is_environment_drift_with_its_size(watched: Path) -> None:
    """The report says that it was not the prompt, and how large it is."""
    night = a_night(watched, 1, factors={"v13": 1.8, "v12": 1.8})
    assert night.verdict is NightVerdict.DRIFT
    assert night.reason.startswith("environment drift: ")
    tokens = next(m for m in night.movements if (m.metric, m.statistic) == ("total_tokens", "mean"))
    assert 1.2 < tokens.active.lower < tokens.active.change < 2.1
    assert tokens.excess == pytest.approx(1.0, abs=0.15)


def test_what_moves_the_active_prompt_alone_is_a_regression_and_a_spike(watched: Path) -> None:
    """Going back helps, and somebody has to be told tonight."""
    night = a_night(watched, 1, factors={"v13": 1.9})
    assert night.verdict is NightVerdict.REGRESSION
    assert "under support:v13" in night.reason
    assert night.spike is not None
    assert "since the night before" in night.spike


def test_a_spike_is_a_jump_since_the_night_before_and_no_daily_alarm(watched: Path) -> None:
    """The third night is as dear as the second: it has been said."""
    a_night(watched, 1, factors={"v13": 1.9, "v12": 1.9})
    third = a_night(watched, 2, factors={"v13": 1.9, "v12": 1.9})
    assert third.verdict is NightVerdict.DRIFT
    assert third.spike is None


def test_a_cache_that_is_missed_is_said_and_is_no_spike(watched: Path) -> None:
    """Fewer cached tokens cost more, and are no more work."""
    plan = planned_night(watched, 1)
    carried_out(plan)
    set_cached(plan, 0.6)
    judged(plan, 1)
    third = planned_night(watched, 2)
    carried_out(third)
    set_cached(third, 0.05)
    night = judged(third, 2)
    assert (night.verdict, night.spike) == (NightVerdict.UNCHANGED, None)
    assert night.notes == ("cached input tokens fell from 60% to 5%: dearer, but no more work",)


def set_cached(plan: Plan, share: float) -> None:
    """Say that so much of the input came from the provider's cache."""
    journal = folder_of(plan).journal
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        if run := line.get("run"):
            run["cached_tokens"] = round(run["input_tokens"] * share)
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_other_settings_are_no_reference_and_the_reason_is_kept(watched: Path) -> None:
    """Another model is no drift: it is another experiment, and its first night."""
    config = watched / "assay.yaml"
    config.write_text(config.read_text().replace("max_steps: 50", "max_steps: 49"))
    night = a_night(watched, 1)
    assert night.verdict is NightVerdict.NO_REFERENCE
    assert "budgets_hash" in night.notes[0]


def test_a_golden_task_that_was_changed_is_left_out(watched: Path) -> None:
    """A new task has no past, and must not hide that of the others."""
    golden = watched / "golden" / "support.jsonl"
    first, *others = golden.read_text().splitlines(keepends=True)
    task = json.loads(first) | {"max_tokens": 123456}
    golden.write_text(json.dumps(task) + "\n" + "".join(others))
    night = a_night(watched, 1)
    assert night.verdict is NightVerdict.UNCHANGED
    tokens = next(m for m in night.movements if (m.metric, m.statistic) == ("total_tokens", "mean"))
    assert tokens.note is None


def test_a_night_that_a_budget_ended_says_nothing(watched: Path) -> None:
    """Half a night is no evidence that all is well."""
    plan = planned_night(watched, 1)
    carried_out(plan)
    night = judged(plan, 1, spent_budget="max_runs")
    assert night.verdict is NightVerdict.NO_VERDICT
    assert "max_runs" in night.reason


def test_the_promoting_evaluation_is_the_reference(promoted: Any, tmp_path: Path) -> None:
    """Its runs are from just when the prompt was found good."""
    folder = promoted.copy(tmp_path)
    plan = settle_night(folder / "assay.yaml", environ={}, now=datetime.now(UTC))
    assert [prompt.version for prompt in plan.prompts] == ["v15", "v13"]
    carried_out(plan)
    night = judge_night(
        NightRuns(
            plan=plan,
            runs=runs_table(folder_of(plan).finished_runs()),
            history=read_history(plan.config.path).entries,
            previous=None,
            now=datetime.now(UTC),
        )
    )
    assert night.reference is not None
    assert (night.reference.evaluation_id, night.reference.is_promotion) == (
        promoted.evaluation.name,
        True,
    )
    assert night.verdict in (NightVerdict.UNCHANGED, NightVerdict.UNCLEAR)


def test_without_another_version_only_the_active_one_runs(watched: Path) -> None:
    """`rollback` may name the active version; then there is nothing to run beside it."""
    config = watched / "assay.yaml"
    config.write_text(config.read_text().replace('"support:v12"', '"support:v13"'))
    night = a_night(watched, 1, factors={"v13": 1.9})
    assert night.rollback is None
    assert night.verdict is NightVerdict.UNCLEAR
    assert "no other version" in night.reason


def test_nights_are_read_back_in_order_and_their_trend_found(watched: Path) -> None:
    """A creep of a few percent a night passes every single night's test."""
    for number in range(1, 7):
        a_night(watched, number, factors={"v13": 1.04**number, "v12": 1.04**number})
    plan = planned_night(watched, 7)
    nights = past_nights(watched / "results", prompt_id=plan.baseline.prompt_id)
    assert [night.at for night in nights] == [FIRST + timedelta(days=n) for n in range(7)]
    tokens = next(trend for trend in trends(nights) if trend.name == "mean tokens")
    assert tokens.is_sure
    assert tokens.growth.estimate == pytest.approx(1.04, abs=0.02)
    assert read_kept(nights[-1].model_dump_json()) == nights[-1]


def test_the_page_fits_a_terminal_and_its_block_cannot_be_left(watched: Path) -> None:
    """Names come from files; a backtick in one must not end the block."""
    night = a_night(watched, 1, factors={"v13": 1.9})
    hostile = night.active.prompt.model_copy(update={"version": "```\n# promote\n[x](y)"})
    changed = night.model_copy(
        update={
            "active": night.active.model_copy(update={"prompt": hostile}),
            "notes": ("```\n<script>",),
        }
    )
    page = night_markdown(replace_nothing(changed))
    assert page.count("```") == 2
    assert max(len(line) for line in night_markdown(night).splitlines()) <= 120


def replace_nothing(night: Night) -> Night:
    """The night as it is read back from disk."""
    found = read_kept(night.model_dump_json())
    assert isinstance(found, Night)
    return found


def test_no_table_is_wider_than_eighty_columns(watched: Path) -> None:
    """A cut figure in a terminal of the usual width is no figure."""
    night = a_night(watched, 1, factors={"v13": 1.9})
    tables = night_markdown(night).split("\n\n")[2:-1]
    assert len(tables) == 2
    assert max(len(line) for table in tables for line in table.splitlines()) <= 80


def test_a_clock_that_was_set_back_between_two_nights_loses_nothing(watched: Path) -> None:
    """A machine's clock is corrected; the nights before and after it are still nights."""
    earlier = a_night(watched, -3)
    assert earlier.verdict in (NightVerdict.UNCHANGED, NightVerdict.NO_REFERENCE)
    plan = planned_night(watched, 1)
    carried_out(plan)
    night = judge_night(
        NightRuns(
            plan=plan,
            runs=runs_table(folder_of(plan).finished_runs()),
            history=(),
            previous=None,
            now=FIRST - timedelta(days=40),
        )
    )
    assert night.seconds == 0.0
