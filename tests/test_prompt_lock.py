"""The lock: a version's text never changes unnoticed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assay.errors import InputError
from assay.prompts import PromptVersion, load_prompt, lock_prompts, read_lock, verify_lock


def saved(directory: Path, version: str, text: str) -> PromptVersion:
    path = directory / "support" / f"{version}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return load_prompt(directory, f"support:{version}")


def test_without_a_lock_file_nothing_is_locked(tmp_path: Path) -> None:
    """A new workspace has none; that is no error."""
    assert read_lock(tmp_path) == {}
    verify_lock(tmp_path, saved(tmp_path, "v1", "Answer."))


def test_locking_adds_what_is_missing_and_keeps_the_rest(tmp_path: Path) -> None:
    """The file is committed: one sorted line a version, so that merges and diffs are small."""
    v2, v1 = saved(tmp_path, "v2", "Two."), saved(tmp_path, "v1", "One.")
    lock_prompts(tmp_path, [v2])
    lock_prompts(tmp_path, [v1, v2])
    lines = (tmp_path / "lock.yaml").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        f'"support:v1": "{v1.prompt_id}"',
        f'"support:v2": "{v2.prompt_id}"',
    ]


def test_locking_what_is_locked_writes_nothing(tmp_path: Path) -> None:
    """Comments that somebody added stay, and the work tree stays clean."""
    prompt = saved(tmp_path, "v1", "One.")
    path = tmp_path / "lock.yaml"
    path.write_text(f"# ours\nsupport:v1: {prompt.prompt_id}")
    lock_prompts(tmp_path, [prompt])
    assert path.read_text() == f"# ours\nsupport:v1: {prompt.prompt_id}"


def test_a_changed_text_is_refused_with_a_free_version_to_save_it_as(tmp_path: Path) -> None:
    """Runs of the old text would be counted for the new one."""
    old = saved(tmp_path, "v13", "One.")
    lock_prompts(tmp_path, [old, saved(tmp_path, "v15", "Three.")])
    new = saved(tmp_path, "v13", "Another.")
    with pytest.raises(InputError) as refused:
        verify_lock(tmp_path, new)
    assert refused.value.path == tmp_path / "lock.yaml"
    assert refused.value.line == 3
    assert old.prompt_id in refused.value.problem
    assert new.prompt_id in refused.value.problem
    assert f"save the new text as {tmp_path}/support/v16.md" in (refused.value.mend or "")
    with pytest.raises(InputError, match="was locked as"):
        lock_prompts(tmp_path, [new])
    assert read_lock(tmp_path)["support:v13"].prompt_id == old.prompt_id


def test_a_version_without_a_number_gets_one(tmp_path: Path) -> None:
    """The mend must name a version that is free, whatever the naming scheme."""
    lock_prompts(tmp_path, [saved(tmp_path, "next", "One.")])
    with pytest.raises(InputError, match=r"support/next-2\.md"):
        verify_lock(tmp_path, saved(tmp_path, "next", "Another."))


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a:v1: a:v1:000000000000\n<<<<<<< HEAD\n", 3, "is not valid YAML"),
        ("a:v1: a:v1:000000000000\na:v1: a:v1:111111111111\n", 2, "locked already on line 1"),
        ("\na:v1: a:v2:000000000000\n", 2, "must map to a:v1: and 12 hex digits"),
        ("a:v1: 13\n", 1, "must map to"),
        ("a:v1: [a:v1:000000000000]\n", 1, "must map to"),
        ("- a\n", None, "is not a mapping"),
    ],
)
def test_a_broken_lock_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int | None, problem: str
) -> None:
    """A merge conflict in the lock must not unlock every version."""
    (tmp_path / "lock.yaml").write_text(text)
    with pytest.raises(InputError, match=problem) as refused:
        read_lock(tmp_path)
    assert refused.value.line == line


def test_evaluations_that_lock_at_once_lose_nothing(tmp_path: Path) -> None:
    """Several evaluations run in one workspace, and each locks its own versions."""
    prompts = [saved(tmp_path, f"v{number}", f"Text {number}.") for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda prompt: lock_prompts(tmp_path, [prompt]), prompts))
    assert set(read_lock(tmp_path)) == {prompt.ref for prompt in prompts}
    assert {path.name for path in tmp_path.iterdir()} == {"lock.yaml", "support"}
