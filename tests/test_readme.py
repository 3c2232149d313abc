"""The README's commands do what it says.

Blocks that are marked with `<!-- test -->` or `<!-- test: exit 1 -->` are run in order, in
one copy of the sample workspace, as a reader would type them.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT, Workspace

MARKED = re.compile(
    r"^<!-- test(?:: exit (?P<code>\d+))? -->\n+```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
UV = """#!/bin/sh
# What is installed here stands for what uv would install.
test "$1" = run && shift
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One marked block of the README."""

    script: str
    exit_code: int


def blocks(text: str) -> list[Block]:
    """The marked blocks in order; in a console session only what is typed is run."""
    found = []
    for match in MARKED.finditer(text):
        assert match["language"] in ("console", "bash")
        script = match["text"]
        if match["language"] == "console":
            typed = re.findall(r"^\$ (.*)$", script, re.MULTILINE)
            script = "\n".join(typed)
        found.append(Block(script, int(match["code"] or 0)))
    return found


@pytest.mark.slow
def test_the_readmes_commands_end_as_it_says(
    workspace: Workspace, prefect_environ: dict[str, str], tmp_path: Path
) -> None:
    """Its first screen is the first thing that anybody tries."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "uv").write_text(UV)
    (programs / "uv").chmod(0o755)
    installed = Path(sys.executable).parent
    path = os.pathsep.join([str(programs), str(installed), prefect_environ["PATH"]])
    here = workspace()
    before = (here / "assay.yaml").read_bytes()
    readme = blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    assert any("assay evaluate support:v14" in block.script for block in readme)
    for block in readme:
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.script],
            cwd=here,
            env={**prefect_environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == block.exit_code, f"{block.script}\n{ran.stdout}{ran.stderr}"
    restored = before.replace(b'rollback: "support:v12"', b'rollback: "support:v13"')
    assert (here / "assay.yaml").read_bytes() in (before, restored)


def test_only_what_is_typed_in_a_marked_block_is_run() -> None:
    """A session in the README shows its output, too."""
    text = (
        "```console\n$ rm -rf /\n```\n"
        "<!-- test: exit 3 -->\n```console\n$ one --two\noutput\n$ three\n```\n"
        "<!-- test -->\n\n```bash\nfour\n```\n"
    )
    assert blocks(text) == [Block("one --two\nthree", 3), Block("four\n", 0)]
