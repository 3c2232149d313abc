"""A workspace in service, used as the Prefect UI uses it: runs are asked for over the API."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from assay import server
from assay.server.service import worker_folder
from tests.commands import COLD

PATIENCE_S = 90
T = TypeVar("T")
ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass(frozen=True, slots=True)
class InService:
    """A workspace after `assay server start --with-worker`."""

    workspace: Path
    environ: dict[str, str]
    printed: str

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.workspace / "assay.yaml"

    @property
    def worker(self) -> Path:
        """Its worker's folder."""
        return worker_folder(self.workspace)

    @property
    def server(self) -> server.Server:
        """Its server, which runs."""
        found = server.status(self.workspace).server
        assert found is not None
        return found

    def assay(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command there."""
        return command(self.workspace, self.environ, *arguments)

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """The UI's way in."""
        with httpx.Client(base_url=self.server.url, trust_env=False, timeout=30) as client:
            name = str(uuid4())  # a second client of the same name ends the first one's token
            token = client.get("/csrf-token", params={"client": name}).json()["token"]
            client.headers.update({"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": token})
            yield client

    def deployment(self, name: str) -> dict[str, Any]:
        """The deployment `flow/name`."""
        with self.client() as client:
            found: dict[str, Any] = client.get(f"/deployments/name/{name}").json()
            return found

    def click(self, name: str, **parameters: Any) -> str:
        """Ask for a run of a deployment; the run's id."""
        deployment = self.deployment(name)
        with self.client() as client:
            asked = client.post(
                f"/deployments/{deployment['id']}/create_flow_run",
                json={"state": {"type": "SCHEDULED"}, "parameters": parameters},
            )
            return str(asked.raise_for_status().json()["id"])

    def cancel(self, run: str) -> None:
        """What the button `Cancel` on a run's page does."""
        with self.client() as client:
            cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
            client.post(f"/flow_runs/{run}/set_state", json=cancelling).raise_for_status()

    def runs_of(self, name: str) -> list[dict[str, Any]]:
        """The runs of a deployment that were due."""
        only = {
            "deployments": {"name": {"any_": [name.partition("/")[2]]}},
            "flow_runs": {"state": {"type": {"any_": [*ENDS, "PENDING", "RUNNING"]}}},
        }
        with self.client() as client:
            found: list[dict[str, Any]] = client.post("/flow_runs/filter", json=only).json()
            return found

    def log(self, run: str) -> str:
        """What a run's page shows as its log."""
        with self.client() as client:
            only = {"logs": {"flow_run_id": {"any_": [run]}}}
            lines = client.post("/logs/filter", json=only).json()
        return "\n".join(line["message"] for line in lines)

    def state(self, run: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The run's state once it is what was waited for."""
        with self.client() as client:

            def asked() -> dict[str, Any]:
                state: dict[str, Any] = client.get(f"/flow_runs/{run}").json()["state"]
                return state

            return eventually(asked, until)

    def ended(self, run: str) -> dict[str, Any]:
        """The state that a run ended in."""
        return self.state(run, lambda state: state["type"] in ENDS)


def command(
    folder: Path, environ: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder."""
    return subprocess.run(
        [COLD, *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def put_into_service(workspace: Path, environ: dict[str, str]) -> InService:
    """Server, deployments and worker, by the one command."""
    started = command(workspace, environ, "server", "start", "--with-worker")
    assert started.returncode == 0, started.stdout + started.stderr
    return InService(workspace, environ, started.stdout)


def eventually(ask: Callable[[], T], until: Callable[[T], bool], *, within_s: float = 0) -> T:
    """What was asked for, once it is what was waited for."""
    deadline = time.monotonic() + (within_s or PATIENCE_S)
    while not until(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found
