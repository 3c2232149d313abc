"""The JavaScript client, by its own tests and by what Python makes of the same files."""

import base64
import json
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.errors import InputError
from assay.prompts.settings import parse_settings

ROOT = Path(__file__).resolve().parents[2]
ODD = (ROOT / "tests" / "clients" / "odd.yaml").read_text()
SAMPLE = (ROOT / "assay.yaml").read_text()
PLAIN = """\
# c
prompts:
  # 'quoted
  active: 'support:v1'
  rollback: "su\\x70port:v0"

  directory:   other place
observability: {log_prompt_id: True}
rollout:
  canary:
    version: null
    share: 1e-1
"""
BASES = (SAMPLE, ODD, PLAIN)
PIECES = (
    "'", '"', "#", " #", "\n", "  ", "- ", ": ", ":", "{", "}", "[", "]", ",", "|", "|\n", ">",
    "&a ", "*a", "!x ", "\t", "\r\n", "\r", "\ufeff", "é", "\u2028", "?", "? ", "%", "@", "`",
    "---\n", "...\n", "\\", "<<: ", "prompts:", "null", "~", "true", "0", "~\n", "rollout:\n",
    "\nprompts:\n  active: evil:v1\n  rollback: evil:v2\n", "active: evil:v9\n", "'\n", '"\n',
    "  active: evil:v8\n", "key: |2\n   text\n", "''", "  - 'x\n", "a: b: c", "key: &x\n",
    "- &y\n- z\n", "{a, b: c}", "{a :b}", '{"a":b}',
)  # fmt: skip


def test_its_own_tests_pass(node: str) -> None:
    """Run from here, so that one command tests both clients."""
    ran = subprocess.run(
        [node, "--no-warnings", "--test", "test/"],
        cwd=ROOT / "clients" / "js",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "# fail 0" in ran.stdout


@pytest.mark.parametrize("base", BASES, ids=["the sample", "odd YAML", "plain"])
@pytest.mark.parametrize("windows", [False, True], ids=["LF", "BOM and CRLF"])
def test_it_reads_a_config_as_python_does(node: str, base: str, windows: bool) -> None:
    """What people write, whatever YAML stands in the sections that do not count."""
    raw = b"\xef\xbb\xbf" + base.replace("\n", "\r\n").encode() if windows else base.encode()
    assert of_js([raw], node) == [{"settings": of_python(raw)}]


def test_it_never_reads_a_config_otherwise_than_python_does(node: str) -> None:
    """A thousand torn, damaged and hostile files: the same is read, or the file is refused.

    Only a limit of a run that JavaScript cannot read for certain may be unknown to it.
    """
    rng = random.Random(20261125)
    raws = [damaged(rng.choice(BASES), rng).encode() for _ in range(1_000)]
    n_read = 0
    for raw, said in zip(raws, of_js(raws, node), strict=True):
        assert "BUG" not in said.get("refused", ""), said
        if "settings" not in said:
            continue
        theirs, ours = said["settings"], of_python(raw)
        assert ours is not None, raw.decode()
        for limit, value in theirs.pop("budgets").items():
            assert value in (None, ours["budgets"][limit])
        del ours["budgets"]
        assert theirs == ours, raw.decode()
        n_read += 1
    assert n_read > 300


def damaged(text: str, rng: random.Random) -> str:
    """With one to three small changes."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        lines, at = text.split("\n"), rng.randrange(len(text) + 1)
        number = rng.randrange(len(lines))
        match rng.randrange(7):
            case 0:
                text = text[:at] + rng.choice(PIECES) + text[at:]
            case 1:
                text = text[:at] + text[at + rng.choice([1, 1, 2, 5, 20]) :]
            case 2:
                lines[number] = " " * rng.randrange(3) + lines[number]
                text = "\n".join(lines)
            case 3:
                lines[number] = lines[number][1:]
                text = "\n".join(lines)
            case 4:
                lines.insert(rng.randrange(len(lines) + 1), lines[number])
                text = "\n".join(lines)
            case 5:
                del lines[number]
                text = "\n".join(lines)
            case _:
                text = text[:at]
    return text


def of_python(raw: bytes) -> dict[str, Any] | None:
    """What Python reads, under JavaScript's names; None where it refuses."""
    try:
        read = parse_settings(raw, Path("assay.yaml"))
    except InputError:
        return None
    return {
        "active": read.active,
        "rollback": read.rollback,
        "directory": read.directory,
        "requirePromptId": read.require_prompt_id,
        "logPromptId": read.log_prompt_id,
        "canary": read.canary,
        "share": read.share,
        "frozen": read.frozen,
        "budgets": dict(read.budgets),
    }


def of_js(raws: Sequence[bytes], node: str) -> list[dict[str, Any]]:
    """What JavaScript makes of each."""
    said = subprocess.run(
        [node, str(ROOT / "tests" / "clients" / "read_settings.mjs")],
        input="".join(f"{base64.b64encode(raw).decode()}\n" for raw in raws),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    return [json.loads(line) for line in said.splitlines()]
