"""`assay freeze`: the kill switch, with one word, and on record."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assay.chain import verify
from assay.cli import main
from assay.history import read_history
from assay.live import read_pointers, rollback
from assay.pointers import Pointers
from assay.prompts.setbacks import last_good
from assay.prompts.settings import parse_settings

POINTERS = 'prompts:\n  active: "support:v13"  # é\n  rollback: support:v12\n'
CONFIGS = {
    "the key is there": (
        f"{POINTERS}rollout:\n  frozen: false  # kill switch\n",
        f"{POINTERS}rollout:\n  frozen: true  # kill switch\n",
    ),
    "another key is": (
        f"{POINTERS}rollout:\n    # who answers\n    approval: manual\n",
        f"{POINTERS}rollout:\n    # who answers\n    frozen: true\n    approval: manual\n",
    ),
    "in braces": (
        "{prompts: {active: 'support:v13', rollback: 'support:v12'}, rollout: {approval: manual}}",
        "{prompts: {active: 'support:v13', rollback: 'support:v12'}, "
        "rollout: {frozen: true, approval: manual}}",
    ),
    "no section": (POINTERS, f"{POINTERS}rollout:\n  frozen: true\n"),
    "no last newline": (POINTERS.rstrip(), f"{POINTERS}rollout:\n  frozen: true\n"),
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "assay.yaml"
    path.write_text(POINTERS)
    return path


def frozen(config: Path, *, command: str = "freeze") -> int:
    return main([command, "-c", str(config), "--reason", "3 a.m."])


@pytest.mark.parametrize(("before", "after"), CONFIGS.values(), ids=CONFIGS.keys())
def test_one_value_is_written_and_nothing_else(config: Path, before: str, after: str) -> None:
    """Whoever froze it sees just that in `git diff`."""
    config.write_text(before)
    assert frozen(config) == 0
    assert config.read_text() == after
    assert parse_settings(config.read_bytes(), config).frozen
    assert frozen(config, command="unfreeze") == 0
    assert not parse_settings(config.read_bytes(), config).frozen


@pytest.mark.parametrize("section", ["rollout:\n", "rollout: &x {approval: manual}\n"])
def test_what_cannot_be_written_safely_is_left_as_it_is(config: Path, section: str) -> None:
    """A mend is better than a guess."""
    config.write_text(POINTERS + section)
    assert frozen(config) == 2
    assert config.read_text() == POINTERS + section


def test_each_freeze_is_an_entry_and_a_second_changes_nothing(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who froze production, and why, is the first question of the next morning."""
    assert frozen(config) == 0
    assert frozen(config) == 0
    assert "nothing to change: rollout.frozen: true" in capsys.readouterr().out
    assert main(["history", "--at", datetime.now(UTC).isoformat(), "-c", str(config)]) == 0
    assert "freeze by" in capsys.readouterr().out
    assert frozen(config, command="unfreeze") == 0
    others = read_history(config).others
    assert [(each.cause.action, each.frozen) for each in others] == [
        ("freeze", True),
        ("unfreeze", False),
    ]
    assert not verify((config.parent / "history.jsonl").read_bytes()).findings


def test_a_freeze_moves_neither_a_rollback_nor_the_last_good_version(config: Path) -> None:
    """Its line names what is active: read as a switch, it would make that good again."""
    rollback(config, reason="bad", who="bo", now=datetime.now(UTC))
    restored = config.read_text().replace('"support:v12"', '"support:v13"')
    config.write_text(restored)  # a deployment brings the bad version back
    assert frozen(config) == 0
    settings = parse_settings(config.read_bytes(), config)
    assert settings.active == "support:v13"
    assert last_good(settings, config) == "support:v12"
    config.write_text(config.read_text().replace('"support:v13"', '"support:v12"'))
    done = rollback(config, reason="again", who="bo", now=datetime.now(UTC))
    assert not done.changed
    assert read_pointers(config).pointers == Pointers(active="support:v12", rollback="support:v12")


def test_a_freeze_that_was_killed_before_it_was_made_is_not_recorded(config: Path) -> None:
    """Its line waits beside the config; the file says that it never happened."""
    assert frozen(config) == 0
    history = config.parent / "history.jsonl"
    line = json.loads(history.read_bytes())
    config.write_text(POINTERS)
    history.unlink()
    (config.parent / ".assay.yaml.switching").write_text(json.dumps(line) + "\n")
    rollback(config, reason="bad", who="bo", now=datetime.now(UTC))
    assert read_history(config).others == ()


def test_taking_it_back_needs_a_reason(config: Path) -> None:
    """Somebody had one to throw it."""
    assert frozen(config) == 0
    assert main(["unfreeze", "-c", str(config)]) == 2


def test_a_freeze_by_hand_is_said_to_be_one(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It bears no line: nobody knows since when."""
    rollback(config, reason="bad", who="bo", now=datetime.now(UTC))
    config.write_text(config.read_text() + "rollout:\n  frozen: true\n")
    assert main(["history", "--at", datetime.now(UTC).isoformat(), "-c", str(config)]) == 0
    assert "rollout.frozen: true was written by hand" in capsys.readouterr().out
