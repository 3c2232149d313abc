"""Background programs of a workspace (the server, the worker): launched, recognised, ended.

Each leads a session of its own and outlives whoever started it. It is known by its command
line, so that neither a reused pid nor a lost record can mislead.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil


def launch(
    program: str,
    arguments: Sequence[str],
    *,
    log: Path,
    environ: Mapping[str, str],
    pass_fds: tuple[int, ...] = (),
) -> psutil.Process:
    """Start `python -m program` in the folder of its log, and return at once.

    The process hears nothing of ours: a session of its own (no Ctrl-C, no hang-up), no
    descriptor but those passed on (nobody who reads our output waits for it), its output in
    `log`. The log before is kept as `NAME.1`.
    """
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [sys.executable, "-P", "-m", program, *arguments],
            cwd=log.parent,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    # It is meant to outlive us; as long as no result is known, Popen warns about that.
    process.returncode = 0
    return psutil.Process(process.pid)


def arguments_of(process: psutil.Process, program: str) -> list[str]:
    """What follows our program's name on the command line; empty for other programs.

    Raises:
        psutil.Error: The process has ended, or may not be looked at.
    """
    command = process.cmdline()
    return command[command.index(program) + 1 :] if program in command else []


def end(pid: int, *, patience_s: float) -> bool:
    """End a process that was launched here; True if it had to be killed."""
    try:
        process = psutil.Process(pid)
        process.terminate()
        process.wait(patience_s)
    except psutil.NoSuchProcess:
        return False
    except psutil.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # it leads a group of its own
        process.wait(patience_s)
        return True
    return False


def log_end(log: Path, *, lines: int = 15) -> str:
    """The last lines of a log, indented, for an error message."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
