"""docs/golden-import.md shows what really happens."""

import re
import shlex
from pathlib import Path

import pytest

from assay.cli import main
from tests.conftest import ROOT
from tests.intake.importing import Importer, loaded

BLOCKS = re.compile(
    r"^<!-- (?:file: (?P<file>\S+)|test) -->\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
TYPED = re.compile(r"^\$ assay (.*)\n((?:[^$].*\n)*)", re.MULTILINE)


def test_the_pages_commands_print_what_it_shows(
    importer: Importer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads it types them."""
    page = (ROOT / "docs" / "golden-import.md").read_text(encoding="utf-8")
    for block in BLOCKS.finditer(page):
        if block["file"]:
            Path(block["file"]).write_text(block["text"], encoding="utf-8")
            continue
        for typed, shown in TYPED.findall(block["text"]):
            capsys.readouterr()
            assert main(shlex.split(typed)) == 0
            said = capsys.readouterr()
            assert not shown or said.err + said.out == shown
    assert [task.input for task in loaded()] == [
        "How long is a gift card valid?",
        "Who pays for the return?",
        "How long may I return a lamp, in the UK?",
        "How long may I return a lamp, in France?",
        "Is shipping free?",
        "Where is my order 7?",
    ]
