"""`assay golden import` in this process, in a folder that holds a configuration alone."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.config import load_config
from assay.golden import GoldenTask, golden_files, tasks_in

EXAMPLES = Path(__file__).with_name("examples")
CONFIG = 'prompts: {active: "support:v13", rollback: "support:v12"}\n'


@dataclass(frozen=True, slots=True)
class Imported:
    """What one import did."""

    exit_code: int
    out: str
    err: str

    @property
    def lost(self) -> list[str]:
        """What was left out, without the folder of the examples."""
        return self.err.replace(f"{EXAMPLES}/", "").splitlines()

    @property
    def facts(self) -> dict[str, Any]:
        """What `--json` printed."""
        facts: dict[str, Any] = json.loads(self.out)
        return facts


@dataclass(frozen=True, slots=True)
class Importer:
    """Imports files into the folder that the test is in."""

    captured: pytest.CaptureFixture[str]

    def __call__(self, file: str | Path, *options: str) -> Imported:
        self.captured.readouterr()
        exit_code = main(["golden", "import", str(file), *options])
        said = self.captured.readouterr()
        return Imported(exit_code, said.out, said.err)

    def text(self, name: str, text: str | bytes, *options: str) -> Imported:
        """Write a file, and import it."""
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self(path, *options)


def loaded() -> list[GoldenTask]:
    """The golden tasks of this folder, as an evaluation would load them."""
    return list(tasks_in(golden_files(load_config(Path("assay.yaml"), {}))))


def checks(task: GoldenTask) -> list[tuple[str, Any]]:
    """Type and value of each."""
    return [(check.type, check.value) for check in task.checks]
