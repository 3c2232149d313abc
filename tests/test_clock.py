"""A clock that is set, by hand, by daylight saving, by a virtual machine that was asleep."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assay import live
from assay.history import PROMOTE, Cause, read_history
from assay.live import read_pointers, switch
from assay.nights.trends import past_nights, trends
from assay.plan import Plan, folder_of
from assay.settling import Request, settle
from assay.store.evaluations import RESUMABLE_FOR, find_interrupted
from assay.store.journal import Journal
from tests.conftest import Workspace
from tests.nights.test_judging import a_night

NOW = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)
BACK = NOW - timedelta(hours=1)
Begun = Callable[[datetime], Plan]


@pytest.fixture
def begun(workspace: Workspace) -> Begun:
    """Begins an evaluation at a time, and lets it die at once."""
    folder = workspace()

    def begin(at: datetime) -> Plan:
        request = Request(candidates=("v14",), config=folder / "assay.yaml")
        plan = settle(request, environ={}, now=at)
        folder_of(plan).path.mkdir(parents=True)
        with Journal(folder_of(plan).journal) as journal:
            journal.append(plan.header())
        return plan

    return begin


def test_an_evaluation_that_was_killed_is_gone_on_with_though_it_begins_in_the_future(
    begun: Begun,
) -> None:
    """What was paid for is there, whatever the clock says."""
    plan = begun(NOW)
    results, about = folder_of(plan).path.parent, {"inputs_hash": plan.inputs_hash}
    for later in (BACK, NOW, NOW + RESUMABLE_FOR / 2):
        found = find_interrupted(results, about=about, now=later)
        assert found is not None
        assert found.evaluation_id == plan.evaluation_id
    # A clock that leaps ahead makes it old: it is then gone on with by `--resume ID` only.
    assert find_interrupted(results, about=about, now=NOW + RESUMABLE_FOR) is None


def test_two_evaluations_begun_in_the_same_second_do_not_meet(workspace: Workspace) -> None:
    """Once the clock was set back, every second comes twice."""
    asked = Request(candidates=("v14",), config=workspace() / "assay.yaml")
    assert len({settle(asked, environ={}, now=NOW).evaluation_id for _ in range(3)}) == 3


def test_what_happened_last_is_the_last_line_whatever_its_time(workspace: Workspace) -> None:
    """By its times the rollback would come before the promote, and the next one would undo it."""
    config = workspace() / "assay.yaml"
    before = read_pointers(config)
    to = before.pointers.promoting("support:v15")
    cause = Cause(action=PROMOTE, who="ana@desk", at=NOW, reason="why")
    assert switch(config, to=to, expect=before.sha256, cause=cause).changed
    assert live.rollback(config, reason="it rises", who="ana@desk", now=BACK).changed

    history = read_history(config)
    assert [entry.cause.at for entry in history.entries] == [NOW, BACK]
    assert read_pointers(config).pointers == before.pointers
    again = live.rollback(config, reason="it rises", who="ana@desk", now=BACK)
    assert not again.changed


def test_nights_out_of_order_are_judged_and_their_trend_is_shown(workspace: Workspace) -> None:
    """Twice the same night, one before the last: no night may fail for its date."""
    folder = few_tasks(workspace())
    made = [a_night(folder, night) for night in (0, 3, 1, 1, 2)]
    assert all(night.seconds > 0 for night in made)
    kept = past_nights(folder / "results", prompt_id=made[0].active.prompt.prompt_id)
    assert len(kept) == len(made)
    assert {trend.name for trend in trends(kept)} > {"mean tokens", "tool calls"}


def few_tasks(folder: Path) -> Path:
    """The same workspace with fewer golden tasks and repeats: what is judged is not the point."""
    golden = folder / "golden" / "support.jsonl"
    golden.write_text("".join(golden.read_text().splitlines(keepends=True)[:4]))
    config = folder / "assay.yaml"
    config.write_text(config.read_text().replace("repeats: 20", "repeats: 2"))
    return folder
