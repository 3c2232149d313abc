"""The history: every switch on a line of its own, readable whatever happened to the file."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.history import PROMOTE, Cause, Entry, History, read_history, whoami
from assay.pointers import Pointers

AT = datetime(2026, 11, 23, 3, 4, 5, 678, tzinfo=UTC)


def entry(*, reason: str = "p95 tokens x1.0", config: str = "assay.yaml") -> Entry:
    return Entry(
        cause=Cause(
            action=PROMOTE,
            who="ana@desk",
            at=AT,
            reason=reason,
            prompt_ids={"support:v14": "support:v14:0123456789ab"},
            evaluation_id="20261123-030000-3f9a1c",
            evidence_sha256="e" * 64,
        ),
        config=config,
        before=Pointers(active="support:v13", rollback="support:v12"),
        after=Pointers(active="support:v14", rollback="support:v13"),
        config_sha256_before="b" * 64,
        config_sha256_after="a" * 64,
    )


def test_a_line_says_who_switched_what_when_why_on_which_evidence() -> None:
    """Scripts and auditors read these names."""
    assert json.loads(entry().as_line()) == {
        "schema_version": 1,
        "at": "2026-11-23T03:04:05.000678Z",
        "action": "promote",
        "who": "ana@desk",
        "reason": "p95 tokens x1.0",
        "config": "assay.yaml",
        "from": {"active": "support:v13", "rollback": "support:v12"},
        "to": {"active": "support:v14", "rollback": "support:v13"},
        "prompt_ids": {"support:v14": "support:v14:0123456789ab"},
        "evaluation_id": "20261123-030000-3f9a1c",
        "evidence_sha256": "e" * 64,
        "approved_by": None,
        "config_sha256": {"before": "b" * 64, "after": "a" * 64},
    }


@settings(deadline=None)
@given(st.text(st.characters()))
def test_any_reason_is_one_line_that_reads_back_the_same(reason: str) -> None:
    """It comes from a shell: newlines, emoji, bytes that are not UTF-8."""
    line = entry(reason=reason).as_line()
    assert line.count(b"\n") == 1
    assert Entry.from_line(line) == entry(reason=reason)


def test_times_are_written_in_utc() -> None:
    """Entries of people in several countries must sort."""
    cause = Cause(action=PROMOTE, who="", at=AT.astimezone(timezone(timedelta(hours=9))), reason="")
    there = Entry(
        cause=cause,
        config="assay.yaml",
        before=entry().before,
        after=entry().after,
        config_sha256_before="",
        config_sha256_after="",
    )
    assert json.loads(there.as_line())["at"] == "2026-11-23T03:04:05.000678Z"


def test_without_a_file_the_history_is_empty(tmp_path: Path) -> None:
    """Before the first switch."""
    assert read_history(tmp_path / "assay.yaml") == History(())


BROKEN = [
    b'{"schema_version": 1, "at": "2026-11',
    b"<<<<<<< HEAD",
    b"[]",
    b"null",
    b'"text"',
    b'{"schema_version": 1}',
    b"\xff\xfe\x00",
    b"\x00" * 64,
    b"[" * 100_000,
    entry().as_line().replace(b'"from": {', b'"from": 3, "x": {').strip(),
    entry().as_line().replace(b"2026-11-23", b"last Friday").strip(),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_line_is_skipped_with_a_warning(tmp_path: Path, broken: bytes) -> None:
    """History informs a rollback, and must never block one."""
    path = tmp_path / "history.jsonl"
    path.write_bytes(
        entry(reason="one").as_line() + broken + b"\n\n" + entry(reason="two").as_line()
    )
    history = read_history(tmp_path / "assay.yaml")
    assert [found.cause.reason for found in history.entries] == ["one", "two"]
    assert history.warnings == (f"{path}:2: not a history entry; skipped",)


def test_a_last_line_without_its_newline_counts(tmp_path: Path) -> None:
    """Editors drop it, and so does a kill between two bytes."""
    (tmp_path / "history.jsonl").write_bytes(entry().as_line().strip())
    assert read_history(tmp_path / "assay.yaml").entries == (entry(),)


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    """A colleague with a newer release writes to the same file."""
    line = json.dumps(json.loads(entry().as_line()) | {"schema_version": 2, "shadow": {"share": 5}})
    (tmp_path / "history.jsonl").write_text(line + "\n")
    assert read_history(tmp_path / "assay.yaml").entries == (entry(),)


def test_configs_in_one_folder_keep_their_histories_apart(tmp_path: Path) -> None:
    """One file per agent, several agents per folder: a rollback must not read another's."""
    ours, theirs = entry(), entry(config="billing.yaml")
    (tmp_path / "history.jsonl").write_bytes(ours.as_line() + theirs.as_line())
    assert read_history(tmp_path / "assay.yaml").entries == (ours,)
    assert read_history(tmp_path / "billing.yaml").entries == (theirs,)


def test_a_history_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    """A folder in its place, wrong permissions: neither may stop a rollback."""
    (tmp_path / "history.jsonl").mkdir()
    history = read_history(tmp_path / "assay.yaml")
    assert history.entries == ()
    assert "cannot be read" in history.warnings[0]


def test_who_is_a_user_at_a_host() -> None:
    """The form that logs use."""
    user, _, host = whoami().partition("@")
    assert user
    assert host
