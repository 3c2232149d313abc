"""Looks at a canary in a simulated production: logs on disk, the config, the history."""

import json
import random
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assay.canary.alarm import alert_of
from assay.canary.looking import mark_told
from assay.canary.state import Outcome, read_state
from assay.cli import main
from assay.errors import InputError
from assay.history import read_history
from assay.pointers import NO_CANARY, read_pointer_file, sha256_hex
from tests.canary.conftest import Shop


def actions(shop: Shop) -> list[str]:
    return [entry.cause.action for entry in read_history(shop.path).canaries]


def test_without_a_canary_nothing_is_read_or_written(shop: Shop) -> None:
    """It is looked at every five minutes for ever, mostly for nothing."""
    shop.say(columns="{total_tokens: nowhere}")  # which would be an error where it is read
    shop.production.runs(5)
    before = sorted(path for path in shop.folder.rglob("*"))
    assert shop.look().outcome is Outcome.NO_CANARY
    assert sorted(path for path in shop.folder.rglob("*")) == before


def test_an_alarm_names_its_evidence_by_hash(begun: Shop) -> None:
    """What was seen stays as it was, and the history can be held against it."""
    begun.production.runs(300, tokens=1.893, calls=2.75)
    found = begun.look()
    assert found.state is not None
    mark_told(begun.config, found.state)
    alarm = read_history(begun.path).canaries[-1]
    kept = begun.folder / "results" / "canary" / found.state.canary_id / "evidence.json"
    assert alarm.cause.evidence_sha256 == sha256_hex(kept.read_bytes())
    assert json.loads(kept.read_bytes())["outcome"] == "alarm"
    verify = ["history", "verify", "--evidence", "-c", str(begun.path)]
    assert main(verify) == 0
    kept.write_bytes(kept.read_bytes().replace(b"alarm", b"watch"))
    assert main(verify) == 3
    kept.unlink()  # on another machine
    assert main(verify) == 0


def test_an_equal_canary_is_watched(begun: Shop) -> None:
    """What is there to see, and no alarm."""
    begun.production.runs(1500)
    found = begun.look()
    assert found.outcome is Outcome.WATCHING
    assert found.state is not None
    assert found.state.canary_runs + found.state.baseline_runs == 1500
    assert found.state.token_threshold == pytest.approx(10_800, rel=0.15)
    assert {m.metric: m.change for m in found.state.metrics}["mean_tokens"] == pytest.approx(
        1, abs=0.15
    )
    assert read_pointer_file(begun.path).canary.version == "support:v14"


def test_the_incident_is_taken_back_and_told_once(begun: Shop) -> None:
    """p95 x1.9, calls x2.75: within tens of canary runs no request gets it any more."""
    before = begun.path.read_bytes()
    begun.production.runs(300, tokens=1.893, calls=2.75)
    found = begun.look()
    assert found.outcome is Outcome.ALARM
    assert found.must_tell
    assert found.state is not None
    assert found.state.cause is not None
    assert found.state.cause.metric == "mean_tool_calls"
    assert 20 <= (found.state.cause.alarm_after or 0) <= 30
    assert "tool calls x3.01 (at least x1.96; allowed x1.25)" in found.reason
    assert read_pointer_file(begun.path).canary == NO_CANARY
    changed = before.replace(b'"support:v14"', b"null").replace(b"share: 0.2", b"share: 0.0")
    frozen = changed.replace(b"rollout:\n", b"rollout:\n  frozen: true\n")
    assert begun.path.read_bytes() == frozen
    assert actions(begun) == ["canary_start", "canary_alarm"]
    again = begun.look()  # nobody was told yet: the look was killed there
    assert (again.outcome, again.must_tell) == (Outcome.ALARM, True)
    assert again.state is not None
    mark_told(begun.config, again.state)
    assert begun.look().outcome is Outcome.NO_CANARY


def test_how_often_one_looks_changes_no_verdict(begun: Shop, tmp_path: Path) -> None:
    """Looked at after every 10 runs, or once at the end: the same alarm at the same run."""
    seldom = Shop(shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name} seldom"))
    seldom.path.write_bytes(begun.path.read_bytes())
    rows = begun.production.rows(600, tokens=1.7)
    alarms = []
    for shop, step in ((begun, 10), (seldom, 600)):
        for at in range(0, 600, step):
            shop.production.write(rows[at : at + step])
            found = shop.look()
            if found.state is not None and found.outcome is Outcome.ALARM:
                cause = found.state.cause
                assert cause is not None
                alarms.append(
                    ((cause.metric, cause.alarm_after, cause.lower), found.state.canary_runs)
                )
                break
    often, once = alarms
    assert often[0] == once[0]
    assert often[1] < once[1]


def test_rows_come_late_twice_and_in_any_order(begun: Shop, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    """Shippers retry and hosts lag: the same runs give the same sums."""
    rows = begun.production.rows(600)
    begun.production.write(rows)
    ordered = begun.look().state
    begun.production.log.unlink()
    mixed = rows + rows[100:160]
    random.Random(3).shuffle(mixed)
    begun.production.write(mixed)
    shuffled = begun.look().state
    assert ordered is not None
    assert shuffled is not None
    assert shuffled.metrics == ordered.metrics
    assert shuffled.passed_over == {"line of a run that is logged again": 60}


def test_what_is_no_run_is_counted_and_passed_over(begun: Shop) -> None:
    """A torn line, a run without prompt_id or time, a value that is no number, another prompt."""
    rows = begun.production.rows(200)
    rows[3]["prompt_id"] = None
    rows[4]["started_at"] = "yesterday"
    rows[5]["total_tokens"] = -5
    rows[6]["prompt_id"] = "support:v11:000000000000"
    begun.production.write(rows)
    with begun.production.log.open("a") as log:
        log.write('[]\n{"run_id": "torn", "prompt_id": "supp')
    state = begun.look().state
    assert state is not None
    assert state.passed_over == {
        "line that is no run": 2,
        "run without its time": 1,
        "run without prompt_id": 1,
    }
    assert state.other_runs == 1
    assert state.canary_runs + state.baseline_runs == 197
    tokens = next(m for m in state.metrics if m.metric == "mean_tokens")
    assert tokens.baseline_runs + tokens.canary_runs == 196
    assert any("another prompt_id" in note for note in state.notes)


def test_runs_of_before_the_canary_do_not_count(begun: Shop) -> None:
    """v14 may have been a canary last week, and worse under last week's tools."""
    old = begun.production.rows(100)
    for row in old:
        row["started_at"] = (begun.began - timedelta(minutes=5)).isoformat()
        row["prompt_id"] = begun.production.canary
        row["tool_calls"] = 50
    begun.production.write(old)
    begun.production.runs(200)
    state = begun.look().state
    assert state is not None
    assert state.canary_runs + state.baseline_runs == 200


def test_the_budget_ends_it_without_an_alarm(shop: Shop) -> None:
    """What a canary may cost is a plan, not an incident: nobody is woken."""
    shop.say(max_spend_usd="1.5")
    shop.start()
    shop.production.runs(300)
    assert shop.look().outcome is Outcome.WATCHING
    shop.production.runs(500)
    found = shop.look()
    assert found.outcome is Outcome.BUDGET_SPENT
    assert not found.must_tell
    assert read_pointer_file(shop.path).canary == NO_CANARY
    assert actions(shop) == ["canary_start", "canary_stop"]
    assert shop.look().outcome is Outcome.NO_CANARY


def test_a_canary_that_no_request_reaches_is_said(begun: Shop) -> None:
    """Nothing guards what is not logged, and silence looks like health."""
    found = begun.look()
    assert found.outcome is Outcome.NO_DATA
    begun.production.share = 0.0
    begun.production.runs(40)
    assert "no canary run was logged yet" in begun.look().reason
    begun.production.runs(40)
    assert "is the routing right?" in begun.look().reason
    begun.production.at += timedelta(hours=2)
    assert "no run was logged since" in begun.look().reason
    begun.production.log.unlink()
    assert "no file" in begun.look().reason


def test_another_active_version_ends_it(begun: Shop) -> None:
    """After a rollback nothing is there any more that it was compared with."""
    text = begun.path.read_text().replace('active: "support:v13"', 'active: "support:v12"')
    begun.path.write_text(text)
    begun.production.runs(50)
    found = begun.look()
    assert found.outcome is Outcome.ENDED
    assert read_pointer_file(begun.path).canary == NO_CANARY


def test_a_canary_written_by_hand_is_watched_from_the_first_look(shop: Shop) -> None:
    """Who edits the file at night is guarded, too, and history knows of it."""
    text = shop.path.read_text().replace("version: null", 'version: "support:v14"')
    shop.path.write_text(text)
    assert shop.look().outcome is Outcome.NO_DATA
    (entry,) = read_history(shop.path).canaries
    assert "by hand" in entry.cause.reason
    shop.production.at += timedelta(minutes=5)
    shop.production.runs(300, calls=2.75)
    assert shop.look().outcome is Outcome.ALARM


def test_a_canary_that_cannot_be_ended_raises_the_alarm_once(begun: Shop) -> None:
    """A folder that refuses the file: people have to end it, and not be told every 5 minutes."""
    begun.production.runs(200, calls=2.75)
    obstacle = begun.folder / ".assay.yaml.tmp"
    obstacle.mkdir()
    found = begun.look()
    assert (found.outcome, found.is_left, found.must_tell) == (Outcome.ALARM, True, True)
    assert "could not be ended" in found.warnings[0]
    alert = alert_of(found)
    assert "still in production" in alert.text
    assert found.state is not None
    mark_told(begun.config, found.state)
    again = begun.look()
    assert (again.outcome, again.is_left, again.must_tell) == (Outcome.ALARM, True, False)
    assert actions(begun) == ["canary_start"]
    obstacle.rmdir()
    assert not begun.look().is_left
    assert actions(begun) == ["canary_start", "canary_alarm"]
    assert begun.look().outcome is Outcome.NO_CANARY


def test_a_canary_that_no_alarm_could_end_is_an_error(begun: Shop) -> None:
    """An anchor there is a file that we do not rewrite: that is said before the alarm."""
    begun.path.write_text(begun.path.read_text().replace("share: 0.2", "share: &s 0.2"))
    with pytest.raises(InputError, match="anchor"):
        begun.look()


def test_calls_where_the_active_version_makes_none(begun: Shop) -> None:
    """There is no ratio to zero, and yet it is the worst rise of all."""
    rows = begun.production.rows(300)
    for row in rows:
        row["tool_calls"] = 3 if row["prompt_id"] == begun.production.canary else 0
    begun.production.write(rows)
    found = begun.look()
    assert found.outcome is Outcome.ALARM
    assert "where the active version has none" in found.reason


@pytest.mark.parametrize(
    ("broken", "metric"),
    [
        ({"stop_reason": "agent_error"}, "errors"),
        ({"stop_reason": "max_tokens"}, "stopped runs"),
        ({"success": False}, "failures"),
    ],
)
def test_a_canary_that_breaks_is_found(begun: Shop, broken: dict[str, Any], metric: str) -> None:
    """It is cheap in tokens, and worse for it."""
    rows = begun.production.rows(800)
    for number, row in enumerate(rows):
        if row["prompt_id"] == begun.production.canary and number % 3:
            row |= broken
    begun.production.write(rows)
    found = begun.look()
    assert found.outcome is Outcome.ALARM
    assert f"{metric} +" in found.reason


def test_a_log_that_says_no_time_is_an_error(begun: Shop) -> None:
    """Without times nobody knows which runs belong to the canary."""
    begun.production.log.unlink()
    rows = begun.production.rows(3)
    for row in rows:
        row.pop("started_at")
    begun.production.write(rows)
    with pytest.raises(InputError, match="no column for the time of a run") as wrong:
        begun.look()
    assert "rollout.canary.columns" in str(wrong.value)


def test_other_names_of_columns_are_mapped(begun: Shop) -> None:
    """Not every production writes our names."""
    begun.say(columns='{total_tokens: "used", started_at: "when"}')
    rows = begun.production.rows(300, tokens=3.0)
    begun.production.log.unlink()
    for row in rows:
        row["used"], row["when"] = row.pop("total_tokens"), row.pop("started_at")
    begun.production.write(rows)
    assert begun.look().outcome is Outcome.ALARM


def test_the_state_is_kept_and_can_be_lost(begun: Shop) -> None:
    """`results/` is not in git: all but the threshold comes from the logs again."""
    begun.production.runs(400)
    state = begun.look().state
    assert state is not None
    results = begun.folder / "results"
    assert read_state(results, state.canary_id) == state
    (kept,) = results.glob("canary/*/state.json")
    assert json.loads(kept.read_text())["outcome"] == "watching"
    kept.write_text("{torn")
    again = begun.look().state
    assert again is not None
    assert again.metrics == state.metrics
    assert again.token_threshold == state.token_threshold
