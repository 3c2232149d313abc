"""What a user got wrong is said before anything is done, with the place and the mend."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Assay
from tests.conftest import Workspace

CONFIG, GOLDEN, PROMPTS = "assay.yaml", "golden/support.jsonl", "prompts/support"
Edit = Callable[[Path], None]


def replaced(file: str, old: str, new: str) -> Edit:
    """Puts `new` where `old` stands in a file of the workspace."""

    def edit(workspace: Path) -> None:
        text = (workspace / file).read_text()
        assert old in text
        (workspace / file).write_text(text.replace(old, new))

    return edit


def appended(file: str, more: bytes) -> Edit:
    """Puts more bytes at the end of a file of the workspace."""

    def edit(workspace: Path) -> None:
        path = workspace / file
        path.write_bytes(path.read_bytes() + more)

    return edit


def written(file: str, content: bytes) -> Edit:
    """Makes these bytes all of a file of the workspace."""

    def edit(workspace: Path) -> None:
        (workspace / file).write_bytes(content)

    return edit


def removed(file: str) -> Edit:
    """Takes a file out of the workspace."""
    return lambda workspace: (workspace / file).unlink()


BROKEN_FILES = {
    "unknown key": (
        replaced(CONFIG, "max_steps", "max_stepz"),
        r"assay\.yaml:28: unknown key 'max_stepz'\n  mend: did you mean 'max_steps'\?",
    ),
    "wrong type": (
        replaced(CONFIG, "max_steps: 50", 'max_steps: "many"'),
        r"assay\.yaml:28: budgets\.max_steps must be a whole number",
    ),
    "duplicate key": (
        replaced(CONFIG, "  rollback:", "  active:"),
        r"assay\.yaml:10: key 'active' is already used on line 9",
    ),
    "config not UTF-8": (
        appended(CONFIG, b"# \xff\n"),
        r"assay\.yaml:58: byte 0xff is not UTF-8",
    ),
    "duplicate id": (
        appended(GOLDEN, b'{"id": "kb_lookup", "input": "Again?"}\n'),
        r"golden/support\.jsonl:28: task id 'kb_lookup' is already used on line 1",
    ),
    "no input": (
        appended(GOLDEN, b'{"id": "late"}\n'),
        r"golden/support\.jsonl:28: task 'late' has no 'input'",
    ),
    "broken line": (
        appended(GOLDEN, b'{"id": "late", "inp'),
        r"golden/support\.jsonl:28: not valid JSON",
    ),
    "golden file not UTF-8": (
        appended(GOLDEN, b'{"id": "late", "input": "\xff"}\n'),
        r"golden/support\.jsonl:28: byte 0xff is not UTF-8",
    ),
    "unknown check": (
        appended(GOLDEN, b'{"id": "late", "input": "?", "checks": [{"type": "contins"}]}\n'),
        r"golden/support\.jsonl:28: unknown check type 'contins'\n  mend: .*'contains'",
    ),
    "empty golden set": (written(GOLDEN, b""), r"assay\.yaml: there are no golden tasks"),
    "missing golden file": (removed(GOLDEN), r"golden/support\.jsonl: there is no such file"),
    "missing prompt file": (
        removed(f"{PROMPTS}/v14.md"),
        r"prompts/support/v14\.md: no such prompt version\n  mend: .*support:v15",
    ),
    "prompt not UTF-8": (
        written(f"{PROMPTS}/v14.md", b"Answer.\n\xff"),
        r"prompts/support/v14\.md:2: byte 0xff is not UTF-8",
    ),
    "text changed after it was evaluated": (
        written(f"{PROMPTS}/v14.md", b"Answer from memory.\n"),
        r"prompts/lock\.yaml:\d: support:v14 was locked as support:v14:ba90ead684a5, .*\n"
        r"  mend: save the new text as .*v16\.md",
    ),
}

WRONG_ARGUMENTS = {
    "candidate is the baseline": ("v13", r"candidate and baseline are both support:v13"),
    "candidate is the given baseline": (
        "v14 --baseline v14",
        r"candidate and baseline are both support:v14",
    ),
    "no such version": ("v99", r"prompts/support/v99\.md: no such prompt version"),
    "not a version": ("../v14", r"'support:../v14'"),
    "no repeats": ("v14 --repeats 0", r"--repeats is 0"),
    "no slots": ("v14 -j 0", r"-j is 0"),
    "no such config": ("v14 -c nope.yaml", r"nope\.yaml: there is no such file"),
}


def everything(workspace: Path) -> dict[Path, bytes | None]:
    """All files with their contents, and all folders."""
    return {path: path.read_bytes() if path.is_file() else None for path in workspace.rglob("*")}


def assert_refused(assay: Assay, workspace: Path, *arguments: str, because: str) -> None:
    """Exit 2, the problem and its mend on standard error, nothing on disk, no server."""
    before = everything(workspace)
    ran = assay(workspace, "evaluate", *arguments, PREFECT_API_URL="")
    assert (ran.exit_code, ran.out) == (2, ""), ran.err
    assert re.match(rf"error: (/.*/)?{because}", ran.err), ran.err
    assert "\n  mend: " in ran.err
    assert "Traceback" not in ran.err
    assert everything(workspace) == before


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_broken_file_is_refused_before_anything_is_done(
    assay: Assay, workspace: Workspace, name: str
) -> None:
    """A mistake that shows itself after a thousand paid runs is an expensive one."""
    here = workspace()
    if "evaluated" not in name:
        (here / "prompts" / "lock.yaml").unlink()  # then one that is written would show
    edit, because = BROKEN_FILES[name]
    edit(here)
    assert_refused(assay, here, "v14", because=because)


@pytest.mark.parametrize("name", WRONG_ARGUMENTS)
def test_wrong_arguments_are_refused_before_anything_is_done(
    assay: Assay, workspace: Workspace, name: str
) -> None:
    """What a flag got wrong is no evidence against a prompt: never exit 1."""
    arguments, because = WRONG_ARGUMENTS[name]
    assert_refused(assay, workspace(), *arguments.split(), because=because)


def test_a_variable_that_names_no_key_is_refused(assay: Assay, workspace: Workspace) -> None:
    """A misspelt twin would leave the file's value in force, unnoticed."""
    ran = assay(workspace(), "evaluate", "v14", ASSAY_BUDGETS__MAX_STEPZ="9")
    assert (ran.exit_code, ran.out) == (2, "")
    assert "ASSAY_BUDGETS__MAX_STEPZ stands for no key" in ran.err


def test_what_is_wrong_is_found_without_an_evaluation(assay: Assay, workspace: Workspace) -> None:
    """`assay golden check` is what a pull request runs: the same words, at once."""
    here = workspace()
    edit, because = BROKEN_FILES["unknown check"]
    edit(here)
    ran = assay(here, "golden", "check")
    assert ran.exit_code == 2
    assert re.match(f"error: {because}", ran.err)
