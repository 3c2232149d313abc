"""From the first share to the promotion: each step judged for itself, in a simulated production."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from assay.canary.alarm import alert_of
from assay.canary.looking import Look, approve, mark_told
from assay.canary.state import Outcome, as_evidence, last_state
from assay.errors import InputError, NoVerdict
from assay.evidence import Kept, kept_evidence
from assay.freezing import freeze
from assay.history import CANARY_RAISE, FREEZE, UNFREEZE, Cause, read_history
from assay.live import read_pointers
from assay.pointers import NO_CANARY, Canary, read_pointer_file, sha256_hex
from assay.receivers import AlertKind
from tests.canary.conftest import Shop

WIDE = (
    "{mean_tokens: 0.6, mean_tool_calls: 0.6, mean_spend: 0.6, mean_latency: 0.6, "
    "p95_exceedance: 0.3, error_share: 0.3, stop_share: 0.3, success_drop: 0.3}"
)
"""So that few runs will do."""


def actions(shop: Shop) -> list[str]:
    return [entry.cause.action for entry in read_history(shop.path).all]


@pytest.fixture
def stepped(shop: Shop) -> Shop:
    """A canary at the first of two steps, of which 60 canary runs each will do."""
    text = shop.path.read_text().replace("rollout:\n", "rollout:\n  frozen: false  # by an alarm\n")
    shop.path.write_text(text)
    shop.say(steps="[0.2, 0.5]", step_runs="60", step_hours="0.2", gates=WIDE)
    shop.production.share = 0.0
    shop.production.runs(100)
    shop.start(share=0.2)
    return shop


def test_from_the_first_share_to_the_promotion(stepped: Shop) -> None:
    """Each step is passed on runs of its own; what is active then has the old one behind it."""
    stepped.go_on(200)
    first = stepped.look()
    assert first.outcome is Outcome.WATCHING
    assert "of 60 canary runs" in first.reason
    stepped.go_on(400)
    raised = stepped.look()
    assert raised.outcome is Outcome.SHARE_RAISED, raised.reason
    assert read_pointer_file(stepped.path).canary == Canary("support:v14", 0.5)
    assert stepped.look().outcome is Outcome.WATCHING
    stepped.go_on(400)
    done = stepped.look()
    assert done.outcome is Outcome.PROMOTED, done.reason
    assert done.must_tell
    assert alert_of(done).kind is AlertKind.SWITCH
    assert read_pointer_file(stepped.path).canary == NO_CANARY
    pointers = read_pointers(stepped.path).pointers
    assert (pointers.active, pointers.rollback) == ("support:v14", "support:v13")
    assert actions(stepped) == ["canary_start", "canary_raise", "promote", "canary_stop"]
    assert stepped.look().outcome is Outcome.NO_CANARY


def test_what_was_acted_on_is_kept_under_its_hash(stepped: Shop) -> None:
    """History names the hash of what the look saw; the file must be the one it was."""
    stepped.go_on(700)
    found = stepped.look()
    assert found.state is not None
    (entry,) = [e for e in read_history(stepped.path).canaries if e.cause.action == CANARY_RAISE]
    (kept,) = (stepped.folder / "results").glob("canary/*/evidence-*.json")
    (proof,) = kept_evidence(read_history(stepped.path), stepped.folder / "results")
    assert (proof.where, proof.kept) == (kept, Kept.SAME)
    assert sha256_hex(kept.read_bytes()) == entry.cause.evidence_sha256
    assert kept.read_bytes() == as_evidence(found.state)
    assert json.loads(kept.read_text())["steps"][0]["share"] == 0.2


def test_traffic_that_drifts_is_not_blamed_on_the_canary(stepped: Shop) -> None:
    """Most canary runs are late ones, when all costs more: over all steps it looks worse."""
    stepped.go_on(600)
    assert stepped.look().outcome is Outcome.SHARE_RAISED
    later = stepped.production
    later.share, later.at = 0.5, later.at + timedelta(minutes=2)
    rows = later.rows(150)
    for row in rows:
        row["total_tokens"] *= 3
        row["tool_calls"] *= 3
    later.write(rows)
    found = stepped.look()
    assert found.outcome in (Outcome.WATCHING, Outcome.PROMOTED), found.reason
    assert found.state is not None
    log = [json.loads(line) for line in later.log.read_text().splitlines()][100:]
    pooled = {
        prompt: np.mean([row["tool_calls"] for row in log if row["prompt_id"] == prompt])
        for prompt in (later.canary, later.active)
    }
    assert pooled[later.canary] / pooled[later.active] > 1.25
    calls = next(m for m in found.state.metrics if m.metric == "mean_tool_calls")
    assert calls.change == pytest.approx(1, abs=0.2)


def test_a_run_counts_in_the_step_in_which_it_was_routed(stepped: Shop) -> None:
    """A run of the first share that ends after the raise was drawn at the first share."""
    stepped.go_on(600)
    late = stepped.production.rows(1, tokens=1.0)
    late[0] |= {"latency_s": 600.0, "prompt_id": stepped.production.canary}
    assert stepped.look().outcome is Outcome.SHARE_RAISED
    stepped.production.write(late)
    stepped.go_on(300)
    state = stepped.look().state
    assert state is not None
    assert sum(step.canary_runs + step.baseline_runs for step in state.steps) == 901
    assert state.steps[0].canary_runs + state.steps[0].baseline_runs == 601


def test_an_alarm_at_a_later_step_freezes_and_is_filed(stepped: Shop) -> None:
    """It breaks only under load: taken back, nothing is promoted, and what was seen is kept."""
    stepped.go_on(600)
    stepped.look()
    before = stepped.path.read_bytes()
    stepped.go_on(200, calls=4.0)
    found = stepped.look()
    assert found.outcome is Outcome.ALARM
    assert found.is_frozen
    changed = before.replace(b"frozen: false", b"frozen: true").replace(b'"support:v14"', b"null")
    assert stepped.path.read_bytes() == changed.replace(b"share: 0.5", b"share: 0.0")
    assert found.incident is not None
    page = found.incident.read_text()
    filed = json.loads(found.incident.with_suffix(".json").read_text())
    assert filed["metric"]["metric"] == "mean_tool_calls"
    assert filed["after"] == {
        "canary": None, "share": 0.0, "active": "support:v13", "frozen": True,
    }  # fmt: skip
    worst = filed["examples"][0]
    assert worst["tool calls"] == max(each["tool calls"] for each in filed["examples"])
    assert f"assay golden add --from-run {worst['run_id']}" in page
    assert "assay explain --before support:v13 --after support:v14" in page
    assert str(found.incident) in alert_of(found).text
    assert read_history(stepped.path).canaries[-1].frozen
    with pytest.raises(NoVerdict, match="assay unfreeze"):
        stepped.start("v15")
    thaw = Cause(action=UNFREEZE, who="bo", at=stepped.production.at, reason="mended")
    assert freeze(stepped.path, to=False, cause=thaw).changed
    assert not freeze(stepped.path, to=False, cause=thaw).changed
    assert stepped.start("v15", at=stepped.production.at).changed


def test_a_run_id_from_a_log_is_no_command(stepped: Shop) -> None:
    """Who writes the log must not write what an engineer pastes at 3 a.m."""
    stepped.production.share = 0.2
    rows = stepped.production.rows(300, calls=4.0)
    for number, row in enumerate(rows):
        row["run_id"] = f"x; rm -rf ~ `id` \x1b[2J {number}"
    stepped.production.write(rows)
    found = stepped.look()
    assert found.incident is not None
    page = found.incident.read_text()
    assert "golden add" not in page
    assert "\x1b" not in page
    assert page.count("`") == 6  # the fence's own


def test_a_metric_that_is_not_logged_has_not_been_shown(stepped: Shop) -> None:
    """Silence is no proof; whoever wants to go on without it says so."""
    stepped.go_on(700)
    rows = [json.loads(line) for line in stepped.production.log.read_text().splitlines()]
    for row in rows:
        row.pop("success")
    stepped.production.log.unlink()
    stepped.production.write(rows)
    found = stepped.look()
    assert found.outcome is Outcome.WATCHING
    assert "not in the log: failures" in found.reason
    text = stepped.path.read_text().replace("success_drop: 0.3", "success_drop: null")
    stepped.path.write_text(text)
    assert stepped.look().outcome is Outcome.SHARE_RAISED


def test_with_manual_approval_a_person_makes_it_active(stepped: Shop) -> None:
    """They are told once; the canary is watched on meanwhile, and then the yes is carried out."""
    text = stepped.path.read_text().replace("rollout:\n", "rollout:\n  approval: manual\n")
    stepped.path.write_text(text)
    stepped.go_on(600)
    with pytest.raises(NoVerdict, match="share raised"):
        approve(stepped.config, who="bo", note=None, now=stepped.production.at)
    stepped.look()
    stepped.go_on(400)
    found = stepped.look()
    assert (found.outcome, found.must_tell) == (Outcome.AWAITING, True)
    assert alert_of(found).kind is AlertKind.AWAITING_APPROVAL
    assert found.state is not None
    mark_told(stepped.config, found.state)
    again = stepped.look()
    assert (again.outcome, again.must_tell) == (Outcome.AWAITING, False)
    now = stepped.production.at + timedelta(minutes=1)
    done = approve(stepped.config, who="bo", note="looks good", now=now)
    assert done.outcome is Outcome.PROMOTED
    entry = read_history(stepped.path).entries[-1]
    assert (entry.cause.approved_by, entry.cause.reason) == ("bo", "looks good")
    assert read_pointers(stepped.path).pointers.active == "support:v14"
    with pytest.raises(NoVerdict, match="no canary"):
        approve(stepped.config, who="bo", note=None, now=now)


def test_a_text_that_was_edited_meanwhile_is_not_promoted(stepped: Shop) -> None:
    """What was shown is that another text is no worse."""
    stepped.go_on(600)
    stepped.look()
    stepped.go_on(400)
    (stepped.folder / "prompts/support/v14.md").write_text("Another one.\n")
    found = stepped.look()
    assert found.outcome is Outcome.WATCHING
    assert "could not be done" in found.warnings[0]
    assert read_pointers(stepped.path).pointers.active == "support:v13"


def test_a_share_that_was_changed_by_hand_is_a_step(stepped: Shop) -> None:
    """What is compared before and after it must not be mixed, whoever changed it."""
    stepped.go_on(200)
    stepped.path.write_text(stepped.path.read_text().replace("share: 0.2", "share: 0.4"))
    found = stepped.look()
    assert found.state is not None
    assert [step.share for step in found.state.steps] == [0.2, 0.4]
    assert stepped.look().state is not None
    assert actions(stepped) == ["canary_start", "canary_raise"]


def test_a_frozen_production_is_neither_raised_nor_healthy(stepped: Shop) -> None:
    """Nothing is answered with the canary then: its watch has to say so."""
    stepped.go_on(700)
    cause = Cause(action=FREEZE, who="bo", at=stepped.production.at, reason="3 a.m.")
    assert freeze(stepped.path, to=True, cause=cause).changed
    found = stepped.look()
    assert found.outcome is Outcome.NO_DATA
    assert "assay unfreeze" in found.reason
    assert "canary_raise" not in actions(stepped)


class Killed(BaseException):
    """As by `kill -9`, at the moment of a write to the disk."""


@contextmanager
def killed_at(write: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The process dies at its n-th sync to the disk; what was counted."""
    counted, real = [0], os.fsync

    def fsync(descriptor: int) -> None:
        counted[0] += 1
        if counted[0] == write:
            raise Killed
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        try:
            yield counted
        except Killed:
            counted.append(write)


def to_a_raise(shop: Shop) -> None:
    shop.go_on(600)


def to_the_promotion(shop: Shop) -> None:
    shop.go_on(600)
    shop.look()
    shop.go_on(400)


def to_the_alarm(shop: Shop) -> None:
    shop.go_on(300, calls=3.0)


def raised(shop: Shop) -> None:
    assert read_pointer_file(shop.path).canary == Canary("support:v14", 0.5)
    assert actions(shop) == ["canary_start", "canary_raise"]


def promoted(shop: Shop) -> None:
    assert read_pointers(shop.path).pointers.active == "support:v14"
    assert read_pointer_file(shop.path).canary == NO_CANARY
    assert actions(shop) == ["canary_start", "canary_raise", "promote", "canary_stop"]


def alarmed(shop: Shop) -> None:
    file = read_pointer_file(shop.path)
    assert (file.canary, file.says.frozen) == (NO_CANARY, True)
    assert actions(shop) == ["canary_start", "canary_alarm"]
    state = last_state(shop.folder / "results", read_history(shop.path).canaries)
    assert state is not None
    assert (state.outcome, state.told) == (Outcome.ALARM, True)
    assert list(shop.folder.glob("results/canary/*/incident.md"))


def told(shop: Shop, found: Look) -> bool:
    if found.must_tell and found.state is not None:
        mark_told(shop.config, found.state)
    return found.must_tell


@pytest.mark.parametrize(
    ("lead", "check", "is_told"),
    [
        (to_a_raise, raised, False),
        (to_the_promotion, promoted, False),
        (to_the_alarm, alarmed, True),
    ],
)
def test_killed_at_any_write_the_next_look_is_right(
    stepped: Shop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lead: Callable[[Shop], None],
    check: Callable[[Shop], None],
    is_told: bool,
) -> None:
    """The end is the same as without the kill, in the config and in the history, once."""
    lead(stepped)
    for write in range(1, 60):
        shutil.copytree(tmp_path, here := tmp_path.parent / f"{tmp_path.name}-{write}")
        shop = stepped.at(here)
        with killed_at(write, monkeypatch) as counted:
            told(shop, shop.look())
        if len(counted) == 1:  # it was through before that write
            break
        looks = [told(shop, shop.look()) for _ in range(2)]
        assert not is_told or sum(looks) <= 1
        check(shop)
    assert write > 5
    check(shop)


def test_runs_of_an_earlier_step_that_arrive_late_still_raise_the_alarm(stepped: Shop) -> None:
    """A host whose log was shipped after the raise had the bad runs."""
    stepped.production.share = 0.2
    late = stepped.production.rows(300, calls=4.0)
    stepped.production.at -= timedelta(seconds=900)
    stepped.production.seed = 2  # other run ids
    stepped.go_on(600)
    assert stepped.look().outcome is Outcome.SHARE_RAISED
    stepped.go_on(40)
    assert stepped.look().outcome is Outcome.WATCHING
    stepped.production.write(late)
    found = stepped.look()
    assert found.outcome is Outcome.ALARM
    assert read_pointer_file(stepped.path).canary == NO_CANARY


@pytest.mark.parametrize(
    ("was", "is_now", "problem"),
    [
        ("steps: [0.2, 0.5]", "steps: [0.5, 0.2]", "steps must rise"),
        ("steps: [0.2, 0.5]", "steps: [0.5, 1.0]", "must be below 1"),
        ("    run_log: logs/*.jsonl\n", "", "nothing would guard it"),
    ],
)
def test_steps_that_make_no_sense_are_refused(
    stepped: Shop, was: str, is_now: str, problem: str
) -> None:
    """At a share of 1 nothing is left to compare with; without a log nobody sees an alarm."""
    text = stepped.path.read_text().replace("rollout:\n", "rollout:\n  promote_to: canary\n")
    assert was in text
    stepped.path.write_text(text.replace(was, is_now))
    with pytest.raises(InputError, match=problem):
        stepped.look()
