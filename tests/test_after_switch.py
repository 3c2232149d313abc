"""`rollout.after_switch`: the user's command after a switch, which can only ever warn."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from assay.after_switch import MAX_OUTPUT_BYTES, run_after_switch
from assay.history import FORCE, PROMOTE, Cause, read_history
from assay.live import Switch, read_pointers, rollback, switch
from tests.conftest import ROOT, Workspace

NOW = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
PATIENCE_S = 30
TELL = """
import json, os, sys
told = {name: value for name, value in os.environ.items() if name.startswith("ASSAY_")}
print(json.dumps({"told": told, "cwd": os.getcwd(), "words": sys.argv[1:]}))
"""


def config(folder: Path, after_switch: object, more: str = "") -> Path:
    path = folder / "assay.yaml"
    path.write_text(
        'prompts:\n  active: "support:v13"\n  rollback: "support:v12"\n'
        f"rollout:\n  after_switch: {json.dumps(after_switch)}\n{more}"
    )
    return path


def promote(path: Path, version: str = "v14", *, reason: str = "cheaper") -> Switch:
    now = read_pointers(path).pointers
    cause = Cause(action=PROMOTE, who="ana@desk", at=NOW, reason=reason, evaluation_id="E1")
    return switch(path, to=now.promoting(f"support:{version}"), expect=now, cause=cause)


def go_back(path: Path) -> Switch:
    return rollback(path, reason="tokens doubled", who="bo@phone", now=NOW)


def python(program: str, *words: str) -> list[str]:
    return [sys.executable, "-c", program, *words]


def test_the_command_is_told_what_was_switched_and_runs_without_a_shell(tmp_path: Path) -> None:
    """In the config's folder; a word that a shell would take apart or run stays that word."""
    path = config(tmp_path, python(TELL, "$HOME; touch run", "a b"))
    told = json.loads(promote(path).output)
    assert told == {
        "told": {
            "ASSAY_ACTION": "promote",
            "ASSAY_FROM": "support:v13",
            "ASSAY_TO": "support:v14",
            "ASSAY_EVALUATION_ID": "E1",
            "ASSAY_REASON": "cheaper",
            "ASSAY_CONFIG": str(path),
        },
        "cwd": str(tmp_path),
        "words": ["$HOME; touch run", "a b"],
    }
    back = json.loads(go_back(path).output)["told"]
    assert (back["ASSAY_ACTION"], back["ASSAY_TO"]) == ("rollback", "support:v13")
    assert (back["ASSAY_EVALUATION_ID"], back["ASSAY_REASON"]) == ("", "tokens doubled")
    assert not (tmp_path / "run").exists()


def test_one_string_is_split_as_a_shell_splits_it(tmp_path: Path) -> None:
    """That is how people write a command."""
    path = config(tmp_path, f"{sys.executable} -c 'import sys; print(sys.argv)' 'a b' \"c\"")
    assert promote(path).output == "['-c', 'a b', 'c']"


@pytest.mark.parametrize("reason", ["two\nlines", "a\0b", "half \ud800", "x" * 200_000])
def test_any_reason_can_be_told(tmp_path: Path, reason: str) -> None:
    """It may come from a form in a browser; an environment takes neither NUL nor megabytes."""
    done = promote(config(tmp_path, python(TELL)), reason=reason)
    assert done.warnings == ()
    assert done.changed
    assert read_history(tmp_path / "assay.yaml").entries[-1].cause.reason == reason


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (python("print('no remote'); raise SystemExit(7)"), "failed with exit code 7"),
        (["./is-not-there"], "cannot be run"),
        (["sh", "-c", "kill -9 $$"], "failed with exit code -9"),
    ],
    ids=["fails", "missing", "killed"],
)
def test_a_failing_command_is_a_warning_and_the_switch_stays(
    tmp_path: Path, command: list[str], said: str
) -> None:
    """Production's prompt must not hang on whether git is in the mood."""
    path = config(tmp_path, command)
    done = promote(path)
    (warning,) = done.warnings
    assert said in warning
    assert "the switch itself is done" in warning
    assert read_pointers(path).pointers.active == "support:v14"
    assert len(read_history(path).entries) == 1
    if "7" in said:
        assert warning.endswith(": no remote")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("git 'commit", "No closing quotation"),
        ({"run": "git"}, "not a list of words"),
        (["git", 3], "not a list of words"),
        (["a\0b"], "null byte"),
    ],
)
def test_a_command_that_is_none_is_a_warning_to_a_rollback(
    tmp_path: Path, command: object, said: str
) -> None:
    """The rollback reads the pointers alone: what else is wrong in the file can wait."""
    path = config(tmp_path, command)
    done = go_back(path)
    assert done.changed
    (_, warning) = done.warnings  # the first says that there is no folder of prompts
    assert "rollout.after_switch" in warning
    assert said in warning


def test_a_rollback_runs_the_command_of_a_config_that_is_wrong_elsewhere(tmp_path: Path) -> None:
    """And warns when it cannot be found for certain; the rollback is made in either case."""
    path = config(tmp_path, python("print('told')"), "gates: {p95: a lot}\ntesting: 3\n")
    assert go_back(path).output == "told"
    path = config(tmp_path, python("print('told')"), "testing: 3\ntesting: 4\n")
    done = go_back(path)
    assert done.changed
    assert f"was not run: {path}:7: key 'testing' is already used" in done.warnings[-1]


def test_nothing_is_run_when_nothing_was_switched(tmp_path: Path) -> None:
    """A second rollback in the same night must not make a second commit."""
    path = config(tmp_path, python("open('run', 'a').write('x')"))
    promote(path)
    promote(path)
    go_back(path)
    go_back(path)
    assert (tmp_path / "run").read_text() == "xx"


def test_the_command_may_take_the_folders_lock(tmp_path: Path) -> None:
    """It may well be `assay` again, or git with a hook that calls it."""
    lock = "from pathlib import Path; from assay.durable import folder_lock\n"
    path = config(tmp_path, python(f"{lock}with folder_lock(Path(), wait_s=0): print('free')"))
    assert promote(path).output == "free"


def test_output_is_bounded_and_printable(tmp_path: Path) -> None:
    """It goes to a terminal and to Prefect's log."""
    program = "import sys; sys.stdout.write('\\x1b[2J' + 'x' * 10_000_000)"
    output = promote(config(tmp_path, python(program))).output
    assert len(output) == MAX_OUTPUT_BYTES
    assert output.startswith("?[2Jxxx")


def test_a_command_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    """`git push` may ask for a password that nobody types."""
    path = config(tmp_path, ["sh", "-c", "sleep 1000 & echo $! > child; wait"])
    output, (warning,) = run_after_switch(path, {}, timeout_s=2)
    assert (output, "was killed after 2 s" in warning) == ("", True)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + PATIENCE_S
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_child_left_behind_holds_nobody_up(tmp_path: Path) -> None:
    """Git collects garbage in the background, with our pipe still open."""
    program = "sleep 1000 & echo $! > child; echo done"
    done = promote(config(tmp_path, ["sh", "-c", program]))
    child = psutil.Process(int((tmp_path / "child").read_text()))
    assert (done.output, done.warnings) == ("done", ())
    child.kill()


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Ana", "-c", "user.email=ana@example.com"]
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def test_each_switch_is_a_commit_of_its_own(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe of docs/switching.md, from the first switch on, when no history is tracked."""
    here = workspace()
    for name, value in {"NAME": "Ana", "EMAIL": "ana@example.com"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    recipe = (ROOT / "docs" / "switching.md").read_text().split("```yaml\n")[1].split("```")[0]
    path = here / "assay.yaml"
    path.write_text(f"{path.read_text()}{recipe}")
    git(here, "init", "--quiet")
    git(here, "add", ".")
    git(here, "commit", "--quiet", "-m", "all")
    (here / "draft.md").write_text("not ready")
    git(here, "add", "draft.md")

    assert promote(path, "v15", reason="p95 tokens x1.02\n$(touch run)").warnings == ()
    assert go_back(path).warnings == ()
    messages = git(here, "log", "--format=%B", "-2").split("\n")
    assert messages == [
        "rollback: support:v15 -> support:v13", "", "tokens doubled", "",
        "promote: support:v13 -> support:v15", "", "p95 tokens x1.02", "$(touch run)", "", "",
    ]  # fmt: skip
    assert git(here, "status", "--porcelain") == "A  draft.md\n"
    changed = git(here, "show", "--format=", "--name-only", "HEAD").split()
    assert changed == ["assay.yaml", "history.jsonl"]
    assert not (here / "run").exists()


def test_a_forced_promote_is_told_as_such(tmp_path: Path) -> None:
    """Whoever reads the commits must see that no evidence stands behind this one."""
    path = config(tmp_path, python(TELL))
    now = read_pointers(path).pointers
    cause = Cause(action=FORCE, who="ana", at=NOW, reason="now")
    done = switch(path, to=now.promoting("support:v9"), expect=now, cause=cause)
    assert json.loads(done.output)["told"]["ASSAY_ACTION"] == "force"
