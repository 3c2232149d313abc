"""What tests of the whole share: copies of the sample workspace, commands, one Prefect server."""

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from assay import server
from assay.server.worker import find as find_worker
from tests.commands import WARM, Assay, Ran
from tests.fakes.desk_server import DeskServer
from tests.prefect_api import find as ask
from tests.prefect_api import prefect_api
from tests.service import InService, put_into_service

settings.register_profile("assay", deadline=None)
settings.load_profile("assay")

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ("assay.yaml", "golden", "prompts", "support_desk")
OURS = ("PREFECT_", "ASSAY_", "OPENAI_")

Workspace = Callable[[], Path]
Find = Callable[[str, dict[str, Any]], Any]


def copy_sample(folder: Path) -> Path:
    """A fresh copy of the repository's sample workspace, which no test may switch itself."""
    folder.mkdir(parents=True)
    for name in SAMPLE:
        if (source := ROOT / name).is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder)
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Makes copies of the sample workspace."""
    made: list[Path] = []

    def copy() -> Path:
        made.append(copy_sample(tmp_path / f"desk {len(made) + 1}"))
        return made[-1]

    return copy


@pytest.fixture(scope="session")
def clean_environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment without settings of Prefect's and Assay's, and a home without profiles."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**bare, "HOME": str(tmp_path_factory.mktemp("home"))}


@pytest.fixture(scope="session")
def prefect_environ(
    tmp_path_factory: pytest.TempPathFactory, clean_environ: dict[str, str]
) -> Iterator[dict[str, str]]:
    """The environment of commands that use this session's one real Prefect server."""
    folder = tmp_path_factory.mktemp("prefect server")
    try:
        found = server.ensure(folder, announce=print, environ=clean_environ)
        yield {**clean_environ, **server.client_environment(found, clean_environ)}
    finally:
        server.stop(folder, announce=print)


@pytest.fixture
def find(prefect_environ: dict[str, str]) -> Iterator[Find]:
    """Asks the Prefect server for all things of a kind that a filter lets through."""
    with prefect_api(prefect_environ) as client:
        yield partial(ask, client)


@pytest.fixture(scope="session")
def assay(
    tmp_path_factory: pytest.TempPathFactory, prefect_environ: dict[str, str]
) -> Iterator[Assay]:
    """Runs `assay` commands in processes of their own."""
    multiprocessing.set_forkserver_preload(WARM)
    with pytest.MonkeyPatch.context() as patch:
        # Prefect reads its settings when it is imported: in the process that all are forked from.
        for name in os.environ.keys() - prefect_environ.keys():
            patch.delenv(name)
        for name, value in prefect_environ.items():
            patch.setenv(name, value)
        patch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # read then, too
        yield Assay(prefect_environ, tmp_path_factory.mktemp("printed"))


@pytest.fixture
def desk() -> Iterator[DeskServer]:
    """A model server that the test may hold."""
    with DeskServer() as server:
        yield server


@pytest.fixture(scope="session")
def in_service(
    tmp_path_factory: pytest.TempPathFactory, clean_environ: dict[str, str]
) -> Iterator[InService]:
    """In service, in a folder with a space and beside modules that are named as ours are."""
    workspace = copy_sample(tmp_path_factory.mktemp("in service") / "the desk")
    (workspace / "tasks.py").write_text("raise SystemExit('the tasks of somebody else')\n")
    # Prefect looks for new schedules once a minute: no test waits so long.
    environ = {**clean_environ, "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "3"}
    try:
        yield put_into_service(workspace, environ)
    finally:
        server.stop(workspace, announce=print)


@pytest.fixture
def used(in_service: InService) -> InService:
    """The session's workspace in service; brought up again if a test took it down."""
    if find_worker(in_service.worker) is None or not server.status(in_service.workspace).ready:
        put_into_service(in_service.workspace, in_service.environ)
    return in_service


@dataclass(frozen=True, slots=True)
class Promoted:
    """The sample after `assay evaluate support:v15`; look, but change only copies of it."""

    workspace: Path
    before: bytes
    """`assay.yaml` before."""
    ran: Ran

    @property
    def evaluation(self) -> Path:
        """The folder of its one evaluation."""
        (journal,) = self.workspace.glob("results/*/journal.jsonl")
        return journal.parent

    @property
    def decision(self) -> dict[str, Any]:
        """What was decided."""
        kept: dict[str, Any] = json.loads((self.evaluation / "decision.json").read_text())
        return kept

    def copy(self, folder: Path) -> Path:
        """The same workspace again, to be changed."""
        return shutil.copytree(self.workspace, folder / "copy")


@pytest.fixture(scope="session")
def promoted(assay: Assay, tmp_path_factory: pytest.TempPathFactory) -> Promoted:
    """The whole sample, evaluated once for all tests."""
    workspace = copy_sample(tmp_path_factory.mktemp("promoted") / "desk")
    before = (workspace / "assay.yaml").read_bytes()
    return Promoted(workspace, before, assay(workspace, "evaluate", "support:v15"))
