"""The examples in the documentation, run as a reader would."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Workspace

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "production.md"
JS_README = ROOT / "clients" / "js" / "README.md"


def example(page: Path, language: str) -> str:
    found, *_ = re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE
    )
    return str(found)


@pytest.fixture
def desk(workspace: Workspace) -> Path:
    """The sample workspace, with the JavaScript client where the examples look for it."""
    here = workspace()
    (here / "clients").symlink_to(ROOT / "clients")
    (here / "node_modules").mkdir()
    (here / "node_modules" / "assay-prompts").symlink_to(ROOT / "clients" / "js")
    return here


def printed(command: list[str], here: Path) -> str:
    ran = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def events(here: Path) -> list[str]:
    (log,) = (here / "logs").glob("runs-*.jsonl")
    return re.findall(r'"event":"(\w+)"', log.read_text())


def columns(here: Path) -> list[list[str]]:
    (log,) = (here / "logs").glob("runs-*.jsonl")
    return [list(json.loads(line)) for line in log.read_text().splitlines()]


def test_the_python_example_answers_and_logs(desk: Path) -> None:
    """The first thing that somebody pastes."""
    out = printed([sys.executable, "-c", example(PAGE, "python")], desk)
    assert out == "2 messages for the model\n"
    assert events(desk) == ["agent_start", "agent_end"]


def test_the_javascript_example_answers_and_logs(desk: Path, node: str) -> None:
    """The same in the other language, column for column."""
    printed([sys.executable, "-c", example(PAGE, "python")], desk)
    ours = columns(desk)
    shutil.rmtree(desk / "logs")
    (desk / "example.mjs").write_text(example(PAGE, "js"))
    assert printed([node, "example.mjs"], desk) == "2 messages for the model\n"
    assert events(desk) == ["agent_start", "agent_end"]
    assert columns(desk) == ours


def test_the_readme_of_the_javascript_client_runs(desk: Path, node: str) -> None:
    """By the package's own name, as its exports have it."""
    (desk / "example.mjs").write_text(example(JS_README, "js"))
    assert printed([node, "example.mjs"], desk) == "support:v13:50af3e26c3af\n"
    assert events(desk) == ["agent_start", "agent_end"]


def test_the_types_name_what_is_exported() -> None:
    """A function without a type is not there for who writes TypeScript."""
    code = (ROOT / "clients" / "js" / "index.js").read_text()
    types = (ROOT / "clients" / "js" / "index.d.ts").read_text()
    exported = {name for names in re.findall(r"export \{([^}]*)\}", code) for name in names.split()}
    typed = set(re.findall(r"^export (?:class|function) (\w+)", types, re.MULTILINE))
    assert {name.rstrip(",") for name in exported} == typed
