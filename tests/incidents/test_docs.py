"""docs/incidents.md shows what really happens."""

import re
import shlex
from pathlib import Path

from assay.cli import main
from tests.conftest import ROOT
from tests.incidents.conftest import INTO, Desk

BLOCK = re.compile(r"^<!-- test -->\n```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
TYPED = re.compile(r"^\$ assay (.*)\n((?:[^$].*\n)*)", re.MULTILINE)
DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b")


def test_the_pages_commands_do_what_it_says(desk: Desk) -> None:
    """Nobody who is woken up should find out that a page is out of date."""
    config = Path("assay.yaml")
    text = (
        config.read_text()
        .replace("support:v13", "support:v14")
        .replace("support:v12", "support:v13")
    )
    config.write_text(text)
    page = (ROOT / "docs" / "incidents.md").read_text(encoding="utf-8")
    commands = [typed for block in BLOCK.finditer(page) for typed in TYPED.findall(block["text"])]
    for typed, shown in commands:
        if typed == "golden check":
            name = "- golden/support.jsonl\n"
            config.write_text(config.read_text().replace(name, f"{name}    - {INTO}\n"))
        desk.captured.readouterr()
        assert main(shlex.split(typed)) == 0
        said = desk.captured.readouterr()
        if shown:
            assert DAY.sub("2026-11-25", said.err + said.out) == shown
    assert INTO.exists()
    assert len(commands) == 4
