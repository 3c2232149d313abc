"""One real Prefect server for the whole session, in a workspace with an awkward name."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assay import server

Environ = dict[str, str]

ENSURE = """
import json, os, sys
from pathlib import Path
from assay import server
announced = []
found = server.ensure(Path(sys.argv[1]), announce=announced.append, environ=os.environ)
print(json.dumps(dict(pid=found.pid, started_now=found.started_now, announced=announced)))
"""


@dataclass
class Live:
    """A workspace whose server two processes were asked for at the same time."""

    workspace: Path
    environ: Environ
    asked: list[dict[str, Any]]

    def ensure(self) -> server.Server:
        """The running server; started again if a test stopped it."""
        return server.ensure(self.workspace, announce=print, environ=self.environ)


@pytest.fixture(scope="session")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Environ:
    """The environment without anything of Prefect's, and a home without profiles."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**bare, "HOME": str(tmp_path_factory.mktemp("home"))}


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, environ: Environ) -> Iterator[Live]:
    """Starts from nothing, twice at once, over pipes that are read to their end."""
    workspace = tmp_path_factory.mktemp("servers") / "späce #1 %41?"
    workspace.mkdir()
    command = [sys.executable, "-c", ENSURE, str(workspace)]
    try:
        both = [
            subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        # A server that held the pipe open would keep its reader waiting here for ever.
        outputs = [process.communicate(timeout=240)[0] for process in both]
        live = Live(workspace, environ, [json.loads(output) for output in outputs])
        yield live
    finally:
        server.stop(workspace, announce=print)


@pytest.fixture
def run_client(environ: Environ) -> Callable[..., str]:
    """Run Python in a process of its own as a client of the server; its output."""

    def run(found: server.Server, code: str, **extra: str) -> str:
        own = server.client_environment(found, {**environ, **extra})
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env={**environ, **own},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return run
