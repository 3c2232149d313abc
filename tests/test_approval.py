"""Approving a promote: bound to what was decided, once, in time, and on the record."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assay.approval import approve
from assay.cli import main
from assay.config import load_config
from assay.decision import Decision
from assay.decision.outcome import awaiting_approval, not_switched, switched, verdict_reason
from assay.errors import AssayError, CannotEvaluate, ConfigChanged, InputError, NoVerdict
from assay.history import read_history
from assay.live import read_pointers, rollback
from assay.pointers import Pointers
from assay.promotion import Consent, Promotion
from assay.prompts import read_lock
from tests.carrying_out import planned
from tests.conftest import Workspace
from tests.fakes.decided import decided, promoting

NOW = datetime(2026, 11, 25, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(hours=72)
START = Pointers(active="support:v13", rollback="support:v12")
DONE = Pointers(active="support:v15", rollback="support:v13")


@pytest.fixture
def here(workspace: Workspace) -> Path:
    return workspace()


def approved(
    here: Path, evaluation_id: str, *, at: datetime = NOW, note: str | None = None
) -> Promotion:
    config = load_config(here / "assay.yaml", {})
    return approve(config, evaluation_id, Consent(who="ana@desk", at=at, note=note))


def pointers(here: Path) -> Pointers:
    return read_pointers(here / "assay.yaml").pointers


def kept(here: Path, evaluation_id: str) -> dict[str, Any]:
    decision: dict[str, Any] = json.loads(
        (here / "results" / evaluation_id / "decision.json").read_text()
    )
    return decision


def go_back(here: Path) -> None:
    rollback(here / "assay.yaml", reason="bad", who="bo@phone", now=NOW)


def edit(here: Path, old: str, new: str) -> None:
    path = here / "assay.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_approving_switches_and_says_who_and_why(here: Path) -> None:
    """The history is what somebody reads who asks months later how this came to be live."""
    evaluation_id = decided(here, deadline=LATER)
    before = kept(here, evaluation_id)
    assert before["approval"] == {"state": "awaiting", "deadline": "2026-11-28T03:04:05Z"}
    assert before["reason"].endswith(f"; awaiting approval: assay approve {evaluation_id}")

    done = approved(here, evaluation_id, note="read ten answers")
    assert (done.switch.changed, done.switch.warnings) == (True, ())
    assert pointers(here) == DONE
    (entry,) = read_history(here / "assay.yaml").entries
    assert (entry.cause.action, entry.cause.approved_by) == ("promote", "ana@desk")
    assert (entry.cause.reason, entry.cause.evaluation_id) == ("read ten answers", evaluation_id)
    assert entry.cause.evidence_sha256 is not None

    after = kept(here, evaluation_id)
    assert after["approval"] == {"state": "approved", "deadline": "2026-11-28T03:04:05Z"}
    assert after["switched"] == {"from": "support:v13", "to": "support:v15"}
    assert after["reason"] == verdict_reason(Decision.model_validate(before))
    assert Decision.model_validate(after) == done.decision


def test_without_a_note_the_history_has_the_decisions_reason(here: Path) -> None:
    """An empty reason would be one more thing to look up."""
    approved(here, decided(here, deadline=LATER))
    (entry,) = read_history(here / "assay.yaml").entries
    assert entry.cause.reason.startswith("p95 tokens")
    assert "awaiting" not in entry.cause.reason


def test_approved_again_nothing_changes(here: Path) -> None:
    """Two people press the button; neither must see an error, nor switch twice."""
    evaluation_id = decided(here, deadline=LATER)
    approved(here, evaluation_id)
    files = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    again = approved(here, evaluation_id, at=LATER + timedelta(days=9))
    assert not again.switch.changed
    assert (again.switch.before, again.switch.after) == (START, DONE)
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == files


def test_killed_between_the_switch_and_the_decision_approving_again_completes_it(
    here: Path,
) -> None:
    """Then the config and the history have it, and only decision.json still waits."""
    evaluation_id = decided(here, deadline=LATER)
    decision = here / "results" / evaluation_id / "decision.json"
    before = decision.read_bytes()
    approved(here, evaluation_id)
    after = decision.read_bytes()
    decision.write_bytes(before)
    assert not approved(here, evaluation_id).switch.changed
    assert decision.read_bytes() == after


def test_what_was_rolled_back_is_not_approved_again(here: Path) -> None:
    """The file's bytes are those that were decided for: nothing else would stop it."""
    evaluation_id = decided(here, deadline=LATER)
    before = (here / "assay.yaml").read_bytes()
    approved(here, evaluation_id)
    go_back(here)
    assert (here / "assay.yaml").read_bytes() == before
    with pytest.raises(NoVerdict, match=r"was switched at .* support:v13 was made active"):
        approved(here, evaluation_id)
    assert pointers(here) == START


def edit_a_gate(here: Path) -> None:
    edit(here, "p95_tokens: 0.5", "p95_tokens: 0.4")


def edit_a_comment(here: Path) -> None:
    edit(here, "# what production uses", "# live")


def switch_elsewhere(here: Path) -> None:
    edit(here, 'active: "support:v13"', 'active: "support:v12"')


def edit_the_candidate(here: Path) -> None:
    (here / "prompts" / "support" / "v15.md").write_text("Something else.")


def remove_the_candidate(here: Path) -> None:
    (here / "prompts" / "support" / "v15.md").unlink()


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (edit_a_gate, ConfigChanged, "was edited since evaluation .* began"),
        (edit_a_comment, ConfigChanged, "assay promote support:v15 --evaluation"),
        (switch_elsewhere, NoVerdict, "compared with support:v13, but support:v12 is active"),
        (edit_the_candidate, NoVerdict, "judged support:v15:.*, not support:v15:"),
        (remove_the_candidate, InputError, "no such prompt version"),
    ],
)
def test_what_is_no_longer_what_was_decided_for_is_refused(
    here: Path, change: Callable[[Path], None], kind: type[AssayError], said: str
) -> None:
    """The approver has read a decision; it must be about what happens now."""
    evaluation_id = decided(here, deadline=LATER)
    change(here)
    before = pointers(here)
    with pytest.raises(kind, match=said):
        approved(here, evaluation_id)
    assert pointers(here) == before
    assert kept(here, evaluation_id)["approval"]["state"] == "awaiting"
    assert not (here / "history.jsonl").exists()


def test_after_the_deadline_it_is_refused(here: Path) -> None:
    """Models and customers move on; a verdict does not keep for ever."""
    evaluation_id = decided(here, deadline=LATER)
    with pytest.raises(NoVerdict, match="could be approved until 2026-11-28 03:04 UTC"):
        approved(here, evaluation_id, at=LATER + timedelta(seconds=1))
    assert pointers(here) == START
    assert approved(here, evaluation_id, at=LATER).switch.changed


@pytest.mark.parametrize("verdict", ["reject", "inconclusive"])
def test_only_a_promote_can_be_approved(here: Path, verdict: str) -> None:
    """A button is not an opinion."""
    evaluation_id = decided(here, verdict=verdict, reason=f"{verdict}: no")
    with pytest.raises(NoVerdict, match=f"says {verdict}: no"):
        approved(here, evaluation_id)


@pytest.mark.parametrize("typed", ["", "  ", "2025", "../results"])
def test_an_id_that_names_no_evaluation_is_refused(here: Path, typed: str) -> None:
    """An empty field in the UI's form must not be the one evaluation that there is."""
    decided(here, deadline=LATER)
    with pytest.raises(InputError):
        approved(here, typed)


def test_a_damaged_decision_is_an_error_that_names_it(here: Path) -> None:
    """Nothing may be switched on what cannot be read."""
    evaluation_id = decided(here, deadline=LATER)
    (here / "results" / evaluation_id / "decision.json").write_text("{}")
    with pytest.raises(CannotEvaluate, match=r"decision\.json: damaged"):
        approved(here, evaluation_id)


def test_an_evaluation_that_nobody_had_to_approve_can_be(here: Path) -> None:
    """Evaluated from the UI without a switch, it is promoted from the UI."""
    evaluation_id = decided(here)
    assert approved(here, evaluation_id, at=NOW + timedelta(days=99)).switch.changed
    after = kept(here, evaluation_id)
    assert (after["approval"], after["switched"]["to"]) == (None, "support:v15")


def test_of_two_that_wait_one_can_be_approved(here: Path) -> None:
    """The other was compared with what is then no longer active."""
    first, second = decided(here, deadline=LATER), decided(here, "v12", deadline=LATER)
    approved(here, first)
    with pytest.raises(NoVerdict, match="but support:v15 is active"):
        approved(here, second)
    assert pointers(here) == DONE


def test_approving_locks_the_text(here: Path) -> None:
    """The evaluation may have run where the lock could not be written."""
    (here / "prompts" / "lock.yaml").unlink()
    approved(here, decided(here, deadline=LATER))
    assert read_lock(here / "prompts").keys() == {"support:v15"}


def test_promote_with_the_evaluation_asks_only_for_the_baseline(here: Path) -> None:
    """The way out that the refusals name; it is not an approval."""
    evaluation_id = decided(here, deadline=NOW)
    edit_a_comment(here)
    words = ["promote", "v15", "--evaluation", evaluation_id, "-c", str(here / "assay.yaml")]
    assert main(words) == 0
    assert main(words) == 0
    (entry,) = read_history(here / "assay.yaml").entries
    assert entry.cause.approved_by is None
    assert kept(here, evaluation_id)["switched"]["to"] == "support:v15"
    edit(here, 'active: "support:v15"', 'active: "support:v12"')
    assert main(words) == 3


def test_the_command_exits_0_when_done_and_3_when_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts read the code; people read what to do instead."""
    evaluation_id = decided(here, deadline=datetime.now(UTC) + timedelta(hours=1))
    words = ["approve", evaluation_id, "--reason", "fine", "-c", str(here / "assay.yaml")]
    edit_a_comment(here)
    assert main(words) == 3
    assert "mend: evaluate again: assay evaluate support:v15; or" in capsys.readouterr().err
    edit(here, "# live", "# what production uses")
    assert main(words) == 0
    assert "active: support:v13 -> support:v15" in capsys.readouterr().out
    assert main(words) == 0
    assert "nothing to change" in capsys.readouterr().out
    assert main(["history", "-c", str(here / "assay.yaml")]) == 0
    assert f"approved by {read_history(here / 'assay.yaml').entries[0].cause.who}" in (
        capsys.readouterr().out
    )


def test_status_shows_what_can_be_approved_and_nothing_else(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list of buttons that refuse would soon be read by nobody."""
    now = datetime.now(UTC)
    waits = decided(here, deadline=now + timedelta(hours=1))
    decided(here, deadline=now - timedelta(hours=1))
    decided(here)

    def listed() -> list[str]:
        assert main(["status", "-c", str(here / "assay.yaml")]) == 0
        out = capsys.readouterr().out
        return [line for line in out.splitlines() if line.startswith("  support:v15 until ")]

    (line,) = listed()
    assert line.endswith(f" UTC: assay approve {waits}")
    edit_a_comment(here)
    assert listed() == []


def test_what_became_of_a_promote_is_the_last_clause_of_its_reason(here: Path) -> None:
    """It goes when that changes: a switched decision must not say that it was not."""
    decision = promoting(planned(here, "v15"))
    waiting = awaiting_approval(decision, deadline=LATER)
    for unfinished in (decision, waiting, not_switched(decision, "a; b")):
        assert verdict_reason(unfinished) == decision.reason
        assert switched(unfinished, before="a:v1", after="a:v2").reason == decision.reason
    assert switched(decision, before="a:v1", after="a:v2").approval is None
