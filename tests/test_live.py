"""The switch and the rollback: what production uses, changed whole, once, and on the record."""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from assay.errors import AssayError, CannotEvaluate, ConfigChanged, InputError
from assay.history import FORCE, PROMOTE, Cause, read_history
from assay.live import Pointers, Switch, read_pointers, rollback, switch
from assay.prompts import load_prompt, lock_prompts

NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
TEXT = (
    "\ufeff# Équipe 🚀\r\nprompts:\r\n  active: \"support:v13\"  # ça marche\r\n"
    "  rollback: 'support:v12'\r\ngates: {p95_tokens: 0.5}"
)  # fmt: skip
START = Pointers(active="support:v13", rollback="support:v12")
NEXT = Pointers(active="support:v14", rollback="support:v13")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "assay.yaml"
    path.write_bytes(TEXT.encode())
    return path


def cause(evaluation_id: str | None = "E1", action: str = PROMOTE) -> Cause:
    return Cause(
        action=action,
        who="ana@desk",
        at=NOW,
        reason="cheaper",
        evaluation_id=evaluation_id,
        evidence_sha256="e" * 64,
    )


def promote(config: Path, version: str, evaluation_id: str = "E1") -> Switch:
    now = read_pointers(config)
    to = now.pointers.promoting(f"support:{version}")
    return switch(config, to=to, expect=now.sha256, cause=cause(evaluation_id))


def go_back(config: Path) -> Switch:
    return rollback(config, reason="tokens doubled", who="bo@phone", now=NOW)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_switch_changes_the_two_values_and_records_itself(config: Path) -> None:
    """Who, when, why, on which evidence, from what to what: all of it, and nothing besides."""
    before = read_pointers(config)
    done = switch(config, to=NEXT, expect=before.sha256, cause=cause())
    assert (done.changed, done.before, done.after, done.warnings) == (True, START, NEXT, ())
    text = TEXT.replace("support:v13", "support:v14").replace("support:v12", "support:v13")
    assert config.read_bytes() == text.encode()
    (entry,) = read_history(config).entries
    assert entry == done.entry
    assert (entry.cause, entry.before, entry.after) == (cause(), START, NEXT)
    assert entry.config_sha256_before == before.sha256
    assert entry.config_sha256_after == read_pointers(config).sha256
    assert files(config.parent) == {"assay.yaml", "history.jsonl"}


def test_any_edit_since_the_plan_refuses_the_switch(config: Path) -> None:
    """Gates may have been tightened while the evaluation ran."""
    planned = read_pointers(config).sha256
    edited = config.read_bytes() + b"\nnew: true"
    config.write_bytes(edited)
    with pytest.raises(ConfigChanged, match="changed meanwhile"):
        switch(config, to=NEXT, expect=planned, cause=cause())
    assert config.read_bytes() == edited
    assert files(config.parent) == {"assay.yaml"}


def test_expecting_pointers_lets_other_edits_pass(config: Path) -> None:
    """A promote of yesterday's evaluation cares about what is active, not about comments."""
    config.write_bytes(config.read_bytes() + b" # edited")
    assert switch(config, to=NEXT, expect=START, cause=cause()).changed
    other = Pointers(active="support:v15", rollback="support:v13")
    with pytest.raises(ConfigChanged, match=r"active support:v14, .* for active support:v13"):
        switch(config, to=other, expect=START, cause=cause("E2"))


def test_of_several_switches_at_once_one_wins(config: Path) -> None:
    """Each was decided against the same file; the others must hear that it is gone."""
    expect = read_pointers(config).sha256

    def attempt(number: int) -> AssayError | Switch:
        to = Pointers(active=f"support:v{number}", rollback="support:v13")
        try:
            return switch(config, to=to, expect=expect, cause=cause(f"E{number}"))
        except AssayError as refused:
            return refused

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, range(20, 36)))
    (won,) = (outcome for outcome in outcomes if isinstance(outcome, Switch))
    lost = [outcome for outcome in outcomes if not isinstance(outcome, Switch)]
    assert all(isinstance(refused, ConfigChanged) for refused in lost)
    assert read_pointers(config).pointers == won.after
    assert read_history(config).entries == (won.entry,)


def test_a_switch_done_already_is_a_success_and_is_recorded_once(config: Path) -> None:
    """A resumed evaluation comes to its switch a second time."""
    first = promote(config, "v14")
    raw = config.read_bytes()
    again = switch(config, to=NEXT, expect="the plan's", cause=cause())
    assert (again.changed, again.before, again.after) == (False, START, NEXT)
    assert again.entry == first.entry
    assert config.read_bytes() == raw
    assert len(read_history(config).entries) == 1


def test_a_switch_found_done_but_unrecorded_is_recorded(config: Path) -> None:
    """Somebody set the pointers by hand: the evaluation says that it found them so."""
    done = switch(config, to=START, expect=START, cause=cause("E7"))
    assert not done.changed
    (entry,) = read_history(config).entries
    assert (entry.cause.evaluation_id, entry.before, entry.after) == ("E7", START, START)
    assert switch(config, to=START, expect=START, cause=cause("E7")).entry == entry
    assert switch(config, to=START, expect=START, cause=cause(None, FORCE)).entry is None
    assert len(read_history(config).entries) == 1


@pytest.mark.parametrize("ref", ["support", "support:v14:5fa80991330d", 'support:v"14', ""])
def test_a_target_that_is_no_version_is_refused(config: Path, ref: str) -> None:
    """Nothing else may ever be written into the config."""
    with pytest.raises(InputError):
        switch(config, to=Pointers(active=ref, rollback="a:v1"), expect=START, cause=cause())
    assert config.read_bytes() == TEXT.encode()


@pytest.mark.parametrize("key", ["active", "rollback"])
def test_a_missing_pointer_is_named(config: Path, key: str) -> None:
    """Where there is nothing to rewrite, the switch would have to guess where to add."""
    config.write_text(TEXT.replace(f"  {key}:", "  other:"), newline="")
    with pytest.raises(InputError, match=rf"`prompts\.{key}` is missing"):
        read_pointers(config)


def test_a_missing_config_is_the_users_error(tmp_path: Path) -> None:
    """Run in the wrong folder: exit 2 with the way out, not a traceback."""
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    for name in ("assay.yaml", "no/such/folder.yaml", "loop.yaml", "."):
        with pytest.raises(InputError, match="cannot be read") as refused:
            go_back(tmp_path / name)
        assert refused.value.mend == "name the config with -c FILE"


def test_behind_a_symlink_the_real_file_is_replaced(config: Path, tmp_path: Path) -> None:
    """Deployments link their config; the link must stay one, the history be with the file."""
    real = tmp_path / "real" / "support.yaml"
    real.parent.mkdir()
    config.rename(real)
    config.symlink_to(real)
    promote(config, "v14")
    assert config.is_symlink()
    assert read_pointers(real).pointers == NEXT
    assert files(real.parent) == {"support.yaml", "history.jsonl"}
    assert files(tmp_path) == {"real", "assay.yaml"}
    assert read_history(config) == read_history(real)


def test_mode_and_owner_are_kept(config: Path) -> None:
    """The service that reads the file runs as another user."""
    if os.geteuid() == 0:
        os.chown(config, 12345, 54321)
    config.chmod(0o640)
    before = config.stat()
    promote(config, "v14")
    after = config.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert after.st_ino != before.st_ino


def test_a_rollback_goes_back_and_stays_there(config: Path) -> None:
    """One command at night; typed twice it must not go back twice."""
    promote(config, "v14")
    promote(config, "v15", "E2")
    done = go_back(config)
    assert (done.changed, done.before.active, done.after) == (True, "support:v15", NEXT)
    again = go_back(config)
    assert (again.changed, again.before, again.after, again.entry) == (False, NEXT, NEXT, None)
    assert read_pointers(config).pointers == NEXT
    entries = read_history(config).entries
    assert [entry.cause.action for entry in entries] == ["promote", "promote", "rollback"]
    assert (entries[-1].cause.who, entries[-1].cause.reason) == ("bo@phone", "tokens doubled")


def test_a_promote_and_its_rollback_leave_the_file_as_it_was(config: Path) -> None:
    """`git diff` is empty again."""
    promote(config, "v14")
    go_back(config)
    assert config.read_bytes() == TEXT.encode()


def test_a_rollback_needs_the_config_alone(config: Path) -> None:
    """The rest of the file and the history may be in any state."""
    config.write_text(
        "gates: {p95: a lot}\ntesting: 3\n"
        "prompts: {active: support:v13, rollback: support:v12, x: 1}"
    )
    (config.parent / "history.jsonl").write_bytes(b'{"at": "20\xff\n<<<<<<< HEAD\n{"torn": ')
    (config.parent / "golden").mkdir()
    (config.parent / "golden" / "broken.jsonl").write_bytes(b"{")
    done = go_back(config)
    assert done.after == Pointers(active="support:v12", rollback="support:v12")
    assert len(read_history(config).entries) == 1
    assert "history.jsonl:1: not a history entry; skipped" in " ".join(done.warnings)


def test_a_history_that_cannot_be_written_stops_nothing_and_loses_nothing(config: Path) -> None:
    """The rollback is done, told apart from a second one, and recorded as soon as possible."""
    promote(config, "v14")
    promote(config, "v15", "E2")
    history = config.parent / "history.jsonl"
    kept = history.read_bytes()
    history.unlink()
    history.mkdir()
    done = go_back(config)
    assert done.after.active == "support:v14"
    assert "cannot be appended to" in " ".join(done.warnings)
    assert not go_back(config).changed
    history.rmdir()
    history.write_bytes(kept)
    assert not go_back(config).changed
    assert read_history(config).entries[-1] == done.entry
    assert files(config.parent) == {"assay.yaml", "history.jsonl"}


def write_prompt(config: Path, version: str, text: str) -> None:
    path = config.parent / "prompts" / "support" / f"{version}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_rollback_records_the_prompt_id(config: Path) -> None:
    """The history says which text was made active, not only which name."""
    write_prompt(config, "v12", "Answer using KB. If unsure, ask a clarifying question.\n")
    done = go_back(config)
    assert done.entry is not None
    assert done.entry.cause.prompt_ids == {"support:v12": "support:v12:5fa80991330d"}
    assert done.warnings == ()


def test_without_a_prompts_folder_a_rollback_says_that_the_text_was_not_checked(
    config: Path,
) -> None:
    """Some keep only the config on the machine where they switch."""
    assert "the text of support:v12 was not checked" in " ".join(go_back(config).warnings)


def test_a_rollback_to_a_text_that_is_gone_or_changed_is_refused(config: Path) -> None:
    """Production could not load it: a dear prompt would become an outage."""
    write_prompt(config, "v13", "Answer.")
    with pytest.raises(
        InputError, match=r"cannot go back to support:v12: .*no such prompt"
    ) as gone:
        go_back(config)
    assert (gone.value.path, gone.value.line) == (config, 4)
    write_prompt(config, "v12", "Answer.")
    directory = config.parent / "prompts"
    lock_prompts(directory, [load_prompt(directory, "support:v12")])
    write_prompt(config, "v12", "Something else.")
    with pytest.raises(InputError, match=r"cannot go back to support:v12: .*was locked as"):
        go_back(config)
    assert config.read_bytes() == TEXT.encode()


def test_a_broken_lock_file_is_no_reason_to_refuse_a_rollback(config: Path) -> None:
    """A merge conflict there says nothing about this version."""
    write_prompt(config, "v12", "Answer.")
    (config.parent / "prompts" / "lock.yaml").write_text("<<<<<<< HEAD\n")
    done = go_back(config)
    assert done.changed
    assert "not checked against the lock" in " ".join(done.warnings)


def test_prompts_are_looked_for_where_the_config_says(config: Path) -> None:
    """`prompts.directory` counts for a rollback too."""
    text = TEXT.replace("prompts:\r\n", "prompts:\r\n  directory: texts\r\n")
    config.write_text(text, newline="")
    (config.parent / "texts").mkdir()
    with pytest.raises(InputError, match=r"texts/support/v12\.md"):
        go_back(config)


def in_process(program: str, config: Path) -> str:
    """Run `program`, whose `attempt()` rolls back; gives the error that it prints."""
    prelude = """
        import os, resource, signal, sys
        from datetime import UTC, datetime
        from pathlib import Path
        from assay.live import read_pointers, rollback
        from assay.errors import AssayError
        config = Path(sys.argv[1])
        def attempt():
            try:
                rollback(config, reason="", who="", now=datetime.now(UTC))
            except AssayError as refused:
                print(refused)
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(prelude) + dedent(program), str(config)],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_a_folder_that_cannot_be_written_is_a_clear_error() -> None:
    """A read-only checkout: say so, and leave everything as it is."""
    # Not tmp_path, whose parents are closed to others: root may write anywhere, so the
    # program becomes somebody else first.
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "assay.yaml")
        config.write_bytes(TEXT.encode())
        config.parent.chmod(0o555)
        # Read once before: Python's own files may be closed to that somebody.
        program = "read_pointers(config)\nos.geteuid() or os.setuid(65534)\nattempt()"
        output = in_process(program, config)
        config.parent.chmod(0o755)
        assert "cannot be written (Permission denied); it is left as it was" in output
        assert f"mend: make {config.parent} writable" in output
        assert config.read_bytes() == TEXT.encode()
        assert files(config.parent) == {"assay.yaml"}


def test_a_full_disk_leaves_the_config_whole(config: Path) -> None:
    """Half a config would take every agent down."""
    program = """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))
        attempt()
    """
    assert "cannot be written (File too large)" in in_process(program, config)
    assert config.read_bytes() == TEXT.encode()
    assert files(config.parent) == {"assay.yaml"}


def test_an_edit_while_the_switch_is_being_made_is_not_lost(config: Path) -> None:
    """Editors know nothing of our lock: the last look is just before the replacing."""
    program = """
        raw = config.read_bytes()
        def edit(event, arguments):
            if event == "open" and str(arguments[0]).endswith(".switching.tmp"):
                config.write_bytes(raw + b" # saved by an editor")
        sys.addaudithook(edit)
        attempt()
    """
    assert "changed meanwhile, and is left as it is" in in_process(program, config)
    assert config.read_bytes() == TEXT.encode() + b" # saved by an editor"
    assert files(config.parent) == {"assay.yaml"}


def test_a_lock_that_nobody_lets_go_of_is_reported(config: Path) -> None:
    """A stopped process must not hang the one who is on call."""
    from assay.durable import folder_lock

    with (
        folder_lock(config.parent),
        pytest.raises(CannotEvaluate, match="another process has held its lock"),
        folder_lock(config.parent, wait_s=0),
    ):
        pass
