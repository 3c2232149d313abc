"""`assay` commands as processes of their own, forked from one that has imported Prefect already.

Each is a real process with its own environment, that may be killed and interrupted; only
the four seconds of imports are paid once. `COLD` is the installed command, for the tests
that are about just that.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

COLD = Path(sys.executable).with_name("assay")
TIMEOUT_S = 120
WARM = [
    "__main__", "tests.commands", "flows.evaluate", "assay.commands.evaluate",
    "assay.models.scripted", "assay.report.table", "fastapi", "graphviz", "pandas",
]  # fmt: skip
"""What is imported once: ours, and what Prefect and PyArrow import as they go."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    exit_code: int
    out: str
    err: str


@dataclass(slots=True)
class Running:
    """A command under way."""

    process: ForkServerProcess
    out: Path
    err: Path

    def signal(self, number: int) -> None:
        """Send a signal to the command's process."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def wait(self) -> Ran:
        """Wait for its end; a command killed by a signal has that signal's negative number."""
        self.process.join(TIMEOUT_S)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f"still running: {self.err.read_text()}")
        ran = Ran(self.process.exitcode, self.out.read_text(), self.err.read_text())
        self.process.close()
        return ran


@dataclass(slots=True)
class Assay:
    """Runs `assay` commands.

    Args:
        environ: The whole environment of each.
        folder: Where what they print is kept.
    """

    environ: Mapping[str, str]
    folder: Path
    _context: ForkServerContext = field(
        default_factory=lambda: multiprocessing.get_context("forkserver")
    )
    _started: int = 0

    def start(self, workspace: Path, *arguments: str, **environ: str) -> Running:
        """Start a command in a workspace, with more or other environment variables."""
        self._started += 1
        out, err = (self.folder / f"{self._started}.{kind}" for kind in ("out", "err"))
        process = self._context.Process(
            target=_become,
            args=(arguments, workspace, {**self.environ, **environ}, out, err),
            daemon=True,  # a failing test leaves none behind
        )
        process.start()
        return Running(process, out, err)

    def __call__(self, workspace: Path, *arguments: str, **environ: str) -> Ran:
        """Run a command to its end."""
        return self.start(workspace, *arguments, **environ).wait()

    def cold(self, workspace: Path, *arguments: str, **environ: str) -> Ran:
        """The same with the installed command, imports and all."""
        done = subprocess.run(
            [COLD, *arguments],
            cwd=workspace,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


def _become(
    arguments: tuple[str, ...], workspace: Path, environ: dict[str, str], out: Path, err: Path
) -> None:
    """Turn this fresh process into the command; never returns."""
    import atexit
    import signal

    from assay.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # as a terminal starts it

    for descriptor, path in ((1, out), (2, err)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), descriptor)
    os.chdir(workspace)
    os.environ.clear()
    os.environ.update(environ)
    exit_code = main(arguments)
    atexit._run_exitfuncs()  # multiprocessing leaves them out; Prefect sends its last words there
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
