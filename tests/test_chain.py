"""The hash chain of the history: whatever is done to one line is found, and named."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from assay.chain import Kind, chained, link_of, verify
from assay.cli import main
from assay.history import FREEZE, PROMOTE, Cause, read_history
from assay.in_force import in_force
from assay.live import read_pointers, rollback, switch
from assay.pointers import Pointers
from tests.test_history import entry

NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
CONFIG = "prompts: {active: support:v13, rollback: support:v12}\n"


def history_of(n: int, *, old: int = 0, torn: bool = False) -> list[bytes]:
    """A history's lines: some from before the chain, perhaps one that was cut short, n hashed."""
    before = [entry(reason=f"old {number}").as_line().strip() for number in range(old)]
    if torn:
        before.append(b'{"schema_version": 1, "at": "2026-')
    so_far = b"".join(line + b"\n" for line in before)
    appended = chained(so_far, (entry(reason=f"new {number}").as_line() for number in range(n)))
    return before + appended.splitlines()


def findings(lines: list[bytes]) -> list[tuple[int, Kind]]:
    return [(each.line, each.kind) for each in verify(b"\n".join(lines) + b"\n").findings]


histories = st.builds(history_of, st.integers(2, 5), old=st.integers(0, 3), torn=st.booleans())


@given(histories)
def test_a_history_that_nobody_touched_is_whole(lines: list[bytes]) -> None:
    """A false accusation would teach people to look away."""
    assert findings(lines) == []


@given(st.integers(0, 3), st.integers(1, 3), st.integers(1, 3))
def test_it_is_the_same_chain_however_it_was_appended(old: int, first: int, second: int) -> None:
    """One entry at a time, or what was owed together."""
    so_far = b"".join(line + b"\n" for line in history_of(0, old=old))
    new = [entry(reason=str(number)).as_line() for number in range(first + second)]
    one = so_far + chained(so_far, new[:first])
    assert one + chained(one, new[first:]) == so_far + chained(so_far, new)


@given(histories, st.data())
def test_a_changed_line_is_found(lines: list[bytes], data: st.DataObject) -> None:
    """A reason, a name, one byte: in any line, from before the chain too."""
    at = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[at]) - 1))
    byte = data.draw(st.binary(min_size=0, max_size=2).filter(lambda new: b"\n" not in new))
    changed = lines[at][:place] + byte + lines[at][place + 1 :]
    assume(changed.strip() != lines[at])
    first_hashed = next(n for n, line in enumerate(lines) if link_of(line))
    found = findings([*lines[:at], changed, *lines[at + 1 :]])
    assert found
    assert found[0][0] in ((at + 1, at + 2) if at >= first_hashed else (at + 1, first_hashed + 1))


@given(histories, st.data())
def test_a_changed_line_whose_own_hash_was_mended_is_found(
    lines: list[bytes], data: st.DataObject
) -> None:
    """Whoever can hash one line has to write all that follow anew."""
    hashed = [n for n, line in enumerate(lines) if link_of(line)]
    at = data.draw(st.sampled_from(hashed[:-1]))
    before = b"".join(line + b"\n" for line in lines[:at])
    forged = chained(before, [entry(reason="forged").as_line()]).strip()
    assert findings([*lines[:at], forged, *lines[at + 1 :]])[0] == (at + 2, Kind.BEFORE)


@given(histories, st.data())
def test_a_removed_line_is_found(lines: list[bytes], data: st.DataObject) -> None:
    """Any but the last: that, the chain alone cannot show."""
    at = data.draw(st.integers(0, len(lines) - 2))
    assert findings([*lines[:at], *lines[at + 1 :]])


@given(histories, st.data())
def test_two_lines_that_were_swapped_are_found(lines: list[bytes], data: st.DataObject) -> None:
    """The order says what was active when."""
    one, other = sorted(data.draw(st.sets(st.integers(0, len(lines) - 1), min_size=2, max_size=2)))
    swapped = list(lines)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    found = findings(swapped)
    assert found
    if link_of(lines[one]):
        assert found[0] == (one + 1, Kind.MOVED)


@given(histories, st.data())
def test_an_inserted_line_is_found(lines: list[bytes], data: st.DataObject) -> None:
    """A copy of another, an entry without hashes, rubbish: anywhere from the chain's first line."""
    at = data.draw(st.integers(0, len(lines)))
    plain = entry(reason="inserted").as_line().strip()
    new = data.draw(st.sampled_from([*lines, plain, b"rubbish", b'{"previous": 3}', b"\xff"]))
    assert findings([*lines[:at], new, *lines[at:]])


@given(histories, st.data())
def test_an_inserted_line_that_is_hashed_rightly_is_found(
    lines: list[bytes], data: st.DataObject
) -> None:
    """It looks like a merge, which somebody has to accept in their name."""
    at = data.draw(st.integers(1, len(lines) - 1))
    before = b"".join(line + b"\n" for line in lines[:at])
    forged = chained(before, [entry(reason="forged").as_line()]).strip()
    assert findings([*lines[:at], forged, *lines[at:]])


def test_white_space_at_the_ends_of_lines_breaks_nothing() -> None:
    """Git may check a file out with other line ends, an editor adds a blank line."""
    lines = history_of(3, old=2)
    assert not verify(b"\r\n".join(lines)).findings
    assert not verify(b"\n\n" + b" \n\n".join(lines) + b"\n\n").findings


def test_a_line_that_was_cut_short_is_told_until_the_next_covers_it() -> None:
    """A kill between two bytes is no tampering, but nothing says so yet."""
    lines = [*history_of(2), b'{"schema_']
    assert findings(lines) == [(3, Kind.CUT_SHORT)]
    so_far = b"\n".join(lines) + b"\n"
    assert not verify(so_far + chained(so_far, [entry().as_line()])).findings


@given(st.binary(max_size=200))
def test_no_content_makes_it_fail(raw: bytes) -> None:
    """The file is what anybody made of it."""
    verify(raw)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "assay.yaml"
    path.write_text(CONFIG)
    return path


def promote(config: Path, version: str, *, at: datetime = NOW, evidence: str = "e" * 64) -> None:
    here = read_pointers(config)
    ref = f"support:{version}"
    cause = Cause(
        action=PROMOTE,
        who="ana",
        at=at,
        reason=f"to {version}",
        evaluation_id=version,
        evidence_sha256=evidence,
        prompt_ids={ref: f"{ref}:0123456789ab"},
    )
    switch(config, to=here.pointers.promoting(ref), expect=here.sha256, cause=cause)


def verified(config: Path, *more: str) -> int:
    return main(["history", "verify", "-c", str(config), *more])


def test_every_switch_is_chained_to_the_one_before(config: Path) -> None:
    """Without anybody doing anything for it."""
    promote(config, "v14")
    promote(config, "v15")
    rollback(config, reason="worse", who="bo", now=NOW)
    assert verified(config) == 0
    lines = (config.parent / "history.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["previous"] for line in lines[1:]] == [
        verify(lines[0]).head, verify(b"\n".join(lines[:2])).head,
    ]  # fmt: skip


def test_the_first_line_that_was_tampered_with_is_named(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, in CI too; 1 means reject and nothing else."""
    for version in ("v14", "v15", "v16"):
        promote(config, version)
    history = config.parent / "history.jsonl"
    history.write_bytes(history.read_bytes().replace(b"to v15", b"to v99"))
    assert verified(config) == 3
    err = capsys.readouterr().err
    assert "history.jsonl:2: was changed: its own hash is another" in err
    assert "git log -p -- history.jsonl" in err


def test_lines_that_were_cut_off_show_by_a_head_that_was_kept(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The chain alone cannot know what is missing at its end."""
    promote(config, "v14")
    promote(config, "v15")
    history = config.parent / "history.jsonl"
    head, before = verify(history.read_bytes()).head, history.read_bytes()
    promote(config, "v16")
    assert verified(config, "--head", head) == 0
    assert "as it was up to line 2" in capsys.readouterr().out
    history.write_bytes(before.splitlines(keepends=True)[0])
    assert verified(config) == 0
    assert "do not show" in capsys.readouterr().out
    assert verified(config, "--head", head, "--json") == 3
    assert json.loads(capsys.readouterr().out)["is_intact"] is False


def test_a_head_that_was_shortened_is_no_alarm(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody copied it from a ticket, with three dots at its end."""
    promote(config, "v14")
    assert verified(config, "--head", "c5a242c4...") == 2
    assert "64 digits" in capsys.readouterr().err


def git(folder: Path, *arguments: str) -> int:
    who = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false"]
    ran = subprocess.run(["git", *who, *arguments], cwd=folder, check=False, capture_output=True)
    return ran.returncode


def test_two_branches_that_both_switched_are_merged_by_somebody_in_their_name(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real git, with its own union merge: no line is lost, and the merge is an entry."""
    folder = config.parent
    promote(config, "v14")
    (folder / ".gitattributes").write_text("history.jsonl merge=union\nassay.yaml merge=ours\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "merge.ours.driver", "true")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    git(folder, "checkout", "-qb", "other")
    promote(config, "v15")
    git(folder, "commit", "-qam", "other")
    git(folder, "checkout", "-q", "main")
    promote(config, "v16")
    git(folder, "commit", "-qam", "main")
    assert git(folder, "merge", "-q", "--no-edit", "other") == 0
    assert verified(config) == 3
    assert "history.jsonl:3: was written after line 1: line 2 was inserted, or merged in" in (
        capsys.readouterr().err
    )
    assert main(["history", "merge", "-c", str(config), "--reason", "other into main"]) == 0
    assert verified(config) == 0
    promote(config, "v17")
    assert verified(config) == 0
    assert [each.cause.action for each in read_history(config).others] == ["merge"]


def test_a_merge_accepts_no_changed_line(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does one that was accepted before hide what is done to the lines later."""
    promote(config, "v14")
    promote(config, "v15")
    history = config.parent / "history.jsonl"
    changed = history.read_bytes().replace(b"to v14", b"to v99")
    history.write_bytes(changed)
    assert main(["history", "merge", "-c", str(config), "--reason", "never mind"]) == 3
    assert "no merge does that" in capsys.readouterr().err
    assert history.read_bytes() == changed


def tell(config: Path, at: str, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    capsys.readouterr()
    assert main(["history", "-c", str(config), "--at", at, *more]) == 0
    return capsys.readouterr().out


def test_what_was_in_production_at_a_time(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first question of an incident: what, since when, by whom, on which evidence."""
    promote(config, "v14", at=NOW)
    promote(config, "v15", at=NOW + timedelta(hours=2))
    rollback(config, reason="worse", who="bo", now=NOW + timedelta(hours=3))
    before = tell(config, "2026-11-23T03:00Z", capsys)
    assert "active:   support:v13 (prompt_id not known)" in before
    assert "before 2026-11-23 03:04:05 UTC" in before
    during = tell(config, "2026-11-23T06:30:00+01:00", capsys)
    assert "active:   support:v15 (support:v15:0123456789ab)" in during
    assert f"promote by ana, on evaluation v15, sha256 {'e' * 64}: to v15" in during
    after = json.loads(tell(config, "2026-11-23T12:00Z", capsys, "--json"))
    assert after["active"] == "support:v14"
    assert after["prompt_id"] == "support:v14:0123456789ab"
    assert after["since"]["who"] == "bo"


def test_an_edit_by_hand_between_two_switches_is_said(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The history did not see it: between the two nobody knows what was in production."""
    promote(config, "v14", at=NOW)
    config.write_text(config.read_text().replace("support:v14", "support:v9"))
    promote(config, "v15", at=NOW + timedelta(hours=2))
    out = tell(config, "2026-11-23T04:00Z", capsys)
    assert "edited by hand before 2026-11-23 05:04:05 UTC, when it said: active support:v9" in out


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01", "2999-01-01", "0001-01-01T00:00+14:00"])
def test_a_time_that_is_none_is_refused(config: Path, at: str) -> None:
    """Exit code 2, with an example."""
    promote(config, "v14")
    assert main(["history", "-c", str(config), "--at", at]) == 2


def test_a_freeze_is_no_switch() -> None:
    """A rollback that counted it as one would go back twice."""
    said = entry()
    frozen = Cause(action=FREEZE, who="bo", at=NOW, reason="3 a.m.")
    make: Callable[..., object] = type(said)
    freeze = make(
        cause=frozen, config=said.config, before=said.after, after=said.after,
        config_sha256_before="", config_sha256_after="", frozen=True,
    )  # fmt: skip
    from assay.history import Entry
    from assay.history import history_of as split

    assert isinstance(freeze, Entry)
    assert Entry.from_line(freeze.as_line()) == freeze
    history = split((said, freeze), ())
    assert history.entries == (said,)
    assert history.others == (freeze,)
    now = in_force(history, NOW + timedelta(days=1))
    assert now is not None
    assert now.frozen
    assert now.pointers == Pointers(active="support:v14", rollback="support:v13")
