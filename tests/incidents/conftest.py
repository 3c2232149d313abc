"""The sample with a production log that our own client wrote, and one run in it that went wrong."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assay import prompts
from assay.cli import main
from assay.golden import GoldenTask, tasks_in
from tests.conftest import Workspace

BAD_RUN = "5102aa77"
SAID = "Hi, I bought a table lamp last week. How many days do I have to return it?"
INTO = Path("golden/incidents.jsonl")


@dataclass(frozen=True, slots=True)
class Added:
    """What one `assay golden add` did."""

    exit_code: int
    out: str
    err: str

    @property
    def tasks(self) -> list[GoldenTask]:
        """The golden tasks that were added."""
        return list(tasks_in([INTO])) if INTO.exists() else []


@dataclass(frozen=True, slots=True)
class Desk:
    """The folder, and what one does in it."""

    folder: Path
    captured: pytest.CaptureFixture[str]

    def log(self, version: str, run_id: str, **used: Any) -> None:
        """A run in the production log, by the client with another active version."""
        config = self.folder / "assay.yaml"
        before = config.read_text()
        config.write_text(before.replace('active: "support:v13"', f'active: "support:{version}"'))
        client = prompts.open(config)
        with client.run(client.choose("ana"), category="lookup", run_id=run_id) as run:
            run.report(**used)
        client.run_log.close()
        config.write_text(before)

    def usual(self, n: int) -> None:
        """Runs of the active version as they usually are."""
        chance = random.Random(1)
        client = prompts.open(self.folder / "assay.yaml")
        for number in range(n):
            name = f"usual-{number}"
            with client.run(client.choose(name), category="lookup", run_id=name) as run:
                run.report(
                    total_tokens=round(chance.lognormvariate(8.2, 0.3)),
                    tool_calls=chance.choice([2, 3, 3, 4, 5]),
                    spend_usd=0.002,
                )
        client.run_log.close()

    def add(self, *options: str, run: str = BAD_RUN, said: str | None = SAID) -> Added:
        """`assay golden add --from-run` in this process."""
        self.captured.readouterr()
        given = [] if said is None else ["--input", said]
        exit_code = main(["golden", "add", "--from-run", run, *given, *options])
        return Added(exit_code, *self.captured.readouterr())


@pytest.fixture
def desk(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    """With 40 usual runs and the bad one."""
    folder = workspace()
    monkeypatch.chdir(folder)
    desk = Desk(folder, capsys)
    desk.usual(40)
    desk.log("v14", BAD_RUN, total_tokens=14_200, tool_calls=11, spend_usd=0.01)
    return desk
