"""`rollout.after_switch`: the user's own command after a switch, such as a git commit.

It is run when the switch is done and the folder's lock is free again (the command may want
to work in that folder). Whatever becomes of it, the switch stays: a failure is a warning.
The command is read without the rest of the file having to make sense, for a rollback runs
it too.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

from assay.documents import parse_yaml, read_bytes
from assay.errors import InputError

TIMEOUT_S = 60.0
MAX_OUTPUT_BYTES = 4_000
MAX_FACT_CHARS = 2_000

_LAST_WORDS_S = 1.0
"""For output that is still on its way; a child left behind may hold the pipe for ever."""


class Aftermath(NamedTuple):
    """What became of the command."""

    output: str = ""
    """The beginning of what it printed, on both streams; a failure's is in its warning."""
    warnings: tuple[str, ...] = ()


def split_command(value: str) -> tuple[str, ...]:
    """One string as the words that a shell would make of it; no shell is ever run.

    Raises:
        ValueError: A quote is not closed.

    >>> split_command("git commit -m 'a switch'")
    ('git', 'commit', '-m', 'a switch')
    """
    return tuple(shlex.split(value))


def run_after_switch(
    config: Path, facts: Mapping[str, str], *, timeout_s: float = TIMEOUT_S
) -> Aftermath:
    """Run the config's command, if it has one, in the config's folder.

    Args:
        config: The `assay.yaml` that was switched, as its user named it.
        facts: What the command is told, as variables of its environment.
        timeout_s: After so long it is killed, with the processes that it started.
    """
    try:
        words = _read_command(config)
    except InputError as wrong:
        return Aftermath(warnings=(f"rollout.after_switch was not run: {wrong.problem}",))
    if not words:
        return Aftermath()
    told = {name: _tellable(fact) for name, fact in facts.items()}
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command, and no shell
            words,
            cwd=config.absolute().parent,
            env={**os.environ, **told, "ASSAY_CONFIG": str(config.absolute())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # to be killed with its children
        )
    except (OSError, ValueError) as refused:  # a ValueError is a NUL in a word
        return _failed(f"cannot be run: {refused}", "")
    return _ended(process, timeout_s)


def _read_command(config: Path) -> tuple[str, ...]:
    """The command's words; none where there is none.

    Raises:
        InputError: The file cannot be read, or what it holds there is not a command.
    """
    value = parse_yaml(read_bytes(config), path=config).value
    rollout = value.get("rollout") if isinstance(value, dict) else None
    command = rollout.get("after_switch") if isinstance(rollout, dict) else None
    if isinstance(command, str):
        try:
            return split_command(command)
        except ValueError as unclosed:
            raise InputError(str(unclosed)) from None
    words = [] if command is None else command
    if isinstance(words, list) and all(isinstance(word, str) for word in words):
        return tuple(words)
    raise InputError("it is not a list of words")


def _tellable(fact: str) -> str:
    """What an environment can hold: reasons come from people and from files."""
    text = fact[:MAX_FACT_CHARS].replace("\0", "?")
    return text.encode("utf-8", "replace").decode()


def _ended(process: subprocess.Popen[bytes], timeout_s: float) -> Aftermath:
    kept = bytearray()
    reader = threading.Thread(target=_drain, args=(process.stdout, kept), daemon=True)
    reader.start()
    late = False
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        late = True
    finally:  # an interrupt (Ctrl-C) must not leave it behind either
        if process.returncode is None:
            _kill(process)
    reader.join(_LAST_WORDS_S)
    output = _printable(bytes(kept))
    if late:
        return _failed(f"was killed after {timeout_s:g} s", output)
    if process.returncode:
        return _failed(f"failed with exit code {process.returncode}", output)
    return Aftermath(output)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End it and its children; one that runs as somebody else (sudo) may stay behind."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_WORDS_S)


def _printable(output: bytes) -> str:
    text = output.decode(errors="replace").strip()
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def _drain(pipe: IO[bytes], kept: bytearray) -> None:
    """Read to the end, so that nobody waits for us; keep the beginning."""
    with pipe:
        while chunk := pipe.read1(65_536):  # type: ignore[attr-defined]
            kept += chunk[: MAX_OUTPUT_BYTES - len(kept)]


def _failed(how: str, output: str) -> Aftermath:
    warning = f"rollout.after_switch {how}; the switch itself is done"
    return Aftermath(warnings=(f"{warning}: {output}" if output else warning,))
