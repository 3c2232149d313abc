"""Beginning and ending a canary in the config: two values change, and history says why."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assay.canary.switching import stop_canary
from assay.errors import AssayError, InputError, NoVerdict
from assay.freezing import freeze
from assay.history import CANARY_STOP, Cause, read_history
from assay.live import read_pointers, rollback
from assay.pointers import NO_CANARY, Canary, read_pointer_file
from assay.way_back import rollback_target
from tests.canary.conftest import Shop

NOW = datetime.now(UTC)  # after the canaries of these tests, which began two hours ago
STOP = Cause(action=CANARY_STOP, who="bo", at=NOW, reason="enough")


def test_a_start_and_a_stop_change_two_values_only(shop: Shop) -> None:
    """`git diff` shows what is in production, and nothing else."""
    before = shop.path.read_text()
    assert shop.start(share=0.05).changed
    started = before.replace("version: null ", 'version: "support:v14" ').replace("0.1", "0.05")
    assert shop.path.read_text() == started
    assert not shop.start(share=0.05).changed
    assert stop_canary(shop.path, cause=STOP).changed
    assert shop.path.read_text() == before.replace("share: 0.1", "share: 0.0")
    assert not stop_canary(shop.path, cause=STOP).changed
    start, stop = read_history(shop.path).canaries
    assert start.canary == (Canary(None, 0.1), Canary("support:v14", 0.05))
    assert stop.canary == (Canary("support:v14", 0.05), NO_CANARY)
    assert start.cause.prompt_ids == {
        "support:v14": shop.prompt_id("v14"),
        "support:v13": shop.prompt_id("v13"),
    }


@pytest.mark.parametrize(
    ("was", "is_now", "problem"),
    [
        ("    version: null   # written by `assay canary start`\n", "", "version` is missing"),
        ("    share: 0.1\n", "", "share` is missing"),
        ("version: null ", "version: ", "must be a string or null, not empty"),
        ("version: null ", "version: [a] ", "rollout.canary.version must be text"),
        ("share: 0.1", "share: '0.1'", "rollout.canary.share must be a number"),
        ("share: 0.1", "share: 2", "rollout.canary.share must be at most 1"),
        ("  canary:\n", "  canary: &c\n", "must be a mapping, written out"),
        ("run_log: logs", "run_logs: logs", "unknown key 'run_logs'"),
        ("    run_log: logs/*.jsonl\n", "", "no run log is named"),
    ],
)
def test_a_section_that_could_not_be_rewritten_is_refused(
    shop: Shop, was: str, is_now: str, problem: str
) -> None:
    """What an alarm could not take back must not begin."""
    text = shop.path.read_text()
    assert was in text
    shop.path.write_text(text.replace(was, is_now))
    before = shop.path.read_bytes()
    with pytest.raises(InputError, match=problem):
        shop.start()
    assert shop.path.read_bytes() == before


def test_without_a_section_the_mend_shows_one(shop: Shop) -> None:
    """Somebody types `assay canary stop` where there never was one."""
    shop.path.write_text("prompts: {active: 'support:v13', rollback: 'support:v12'}\n")
    with pytest.raises(InputError, match=r"(?s)no section `rollout`.*in it canary:"):
        stop_canary(shop.path, cause=STOP)


def test_one_canary_at_a_time_and_not_of_what_is_active(shop: Shop) -> None:
    """Two canaries would be compared with each other's runs."""
    with pytest.raises(NoVerdict, match="v13 is active"):
        shop.start("v13")
    shop.start("v14")
    with pytest.raises(NoVerdict, match=r"(?s)already.*assay canary stop"):
        shop.start("v15")


def test_a_canary_stands_in_no_rollbacks_way(begun: Shop) -> None:
    """Rollback is about `active`, before, during and after a canary; done twice it is once."""
    rollback(begun.path, reason="3 a.m.", who="bo", now=NOW)
    assert read_pointers(begun.path).pointers.active == "support:v12"
    assert read_pointer_file(begun.path).canary.version == "support:v14"
    stop_canary(begun.path, cause=STOP)
    history = read_history(begun.path)
    here = read_pointers(begun.path).pointers
    assert rollback_target(here, history.entries) == here
    assert not rollback(begun.path, reason="again", who="bo", now=NOW).changed
    assert [entry.cause.action for entry in history.all] == [
        "canary_start", "rollback", "canary_stop",
    ]  # fmt: skip
    broken = begun.path.read_text().replace("share: 0.0", "share: many")
    begun.path.write_text(broken)
    assert read_pointer_file(begun.path).says.canary is None
    rollback(begun.path, reason="still", who="bo", now=NOW)


def test_a_canary_that_was_taken_back_needs_force(begun: Shop) -> None:
    """The evaluation that said promote has been proved wrong by production."""
    from assay.canary.switching import taken_back

    begun.production.runs(300, calls=2.75)
    begun.look()
    alarm = taken_back("support:v14", read_history(begun.path))
    assert alarm is not None
    assert "tool calls" in alarm.cause.reason
    assert taken_back("support:v15", read_history(begun.path)) is None
    freeze(begun.path, to=False, cause=replace(STOP, reason="mended"))
    assert begun.start(at=datetime.now(UTC)).changed  # by force, as `start` here always is


def test_a_stop_that_is_killed_anywhere_is_whole_and_recorded_once(
    shop: Shop, tmp_path: Path
) -> None:
    """The file is the old one or the new one, and the next command completes the history."""
    from assay.history import CanaryChange
    from assay.recording import settle, write_ahead
    from assay.rewriting import entry_of

    shop.start()
    file = read_pointer_file(shop.path)
    change = CanaryChange(file.canary, NO_CANARY)
    rewritten = file.with_canary(NO_CANARY)
    entry = entry_of(file, cause=STOP, rewritten=rewritten, canary=change)
    write_ahead(file.real, [entry])  # killed before the config was replaced: it never happened
    settle(file.real, read_pointer_file(shop.path).says)
    assert len(read_history(shop.path).canaries) == 1
    write_ahead(file.real, [entry])
    shop.path.write_bytes(rewritten)  # killed after it: it did
    rollback(shop.path, reason="next command", who="bo", now=NOW)
    assert [each.cause.action for each in read_history(shop.path).all].count("canary_stop") == 1


def test_an_impossible_share_is_refused(shop: Shop) -> None:
    """A canary at 0 guards nothing; one above 1 does not exist."""
    for share in (0.0, 1.5, -1.0, float("nan")):
        with pytest.raises(AssayError, match="is no share"):
            shop.start(share=share)
