"""The record of an evaluation: every exchange of its runs, to be read and to be replayed.

A line is JSON: first the record's header, then one line for each finished run. While the
evaluation goes on they are in `record.jsonl`; with its decision they are packed into
`record.jsonl.gz`. A line is written before its run counts as finished, so that a kill leaves a
record of all runs that are finished. docs/replay.md describes the format.
"""

import gzip
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from assay.config import Config
from assay.durable import replace_file
from assay.errors import CannotEvaluate
from assay.records import RunRecord
from assay.store.journal import Journal, read_lines, writing
from assay.store.tape import Exchange, Tape, exchange_of

MAX_RUN_BYTES = 8_000_000
"""A run that exchanged more is not in the record; its line says so."""
HIDDEN = b"[secret]"

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_MIN_SECRET_CHARS = 8
"""Shorter values would be found in texts that have nothing to do with them."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


Line = TypeVar("Line", bound=_Line)


class RecordHeader(_Line):
    """The first line: what was recorded, and with what."""

    type: Literal["record"] = "record"
    version: Literal[1] = 1
    evaluation_id: str
    agent: str
    model: str
    model_params_hash: str
    price_ref: str | None
    model_section: dict[str, Any]
    """What the configuration said of the model."""
    model_settings: dict[str, Any]
    """Of every request, but for a run's own seed."""
    tools_hash: str
    tools: list[dict[str, Any]]
    """Name, description and parameters of each that was offered."""
    tool_names: list[str]
    """Of all that there were."""
    faults_hash: str | None
    code: list[str]
    """Hashes of the files of the agent's own code."""
    judge: dict[str, Any] | None = None
    """Who judged (`name`, and what the configuration said); None where nobody did."""


class RecordedRun(_Line):
    """One finished run."""

    type: Literal["run"] = "run"
    run_id: str
    prompt_id: str
    golden_task_id: str
    repeat: int
    latency_s: float
    stop_reason: str
    error: str | None
    exchanges: list[dict[str, Any]]
    """Each response of the model, then the tool calls that it asked for."""
    left_out_bytes: int | None = None
    """Size of exchanges that were too large to be kept."""

    def tape(self) -> list[Exchange]:
        """Its exchanges."""
        return [exchange_of(dict(each)) for each in self.exchanges]


class Record:
    """The files of one evaluation's record.

    Args:
        folder: The evaluation's.
    """

    def __init__(self, folder: Path) -> None:
        self.evaluation_id = folder.name
        self.growing = folder / "record.jsonl"
        self.packed = folder / "record.jsonl.gz"

    @property
    def exists(self) -> bool:
        """Whether anything was recorded."""
        return self.growing.exists() or self.packed.exists()

    def header(self) -> RecordHeader | None:
        """What was recorded; None where nothing was, or its header was not finished.

        Raises:
            CannotEvaluate: It is damaged or of another version.
        """
        with self._reading():
            if self.packed.exists():
                with gzip.open(self.packed) as file:
                    return self._read(RecordHeader, orjson.loads(file.readline()))
            first = next(read_lines(self.growing), None)
            return None if first is None else self._read(RecordHeader, first)

    def runs(self) -> Iterator[RecordedRun]:
        """Its runs, each once.

        Raises:
            CannotEvaluate: It is damaged or of another version.
        """
        with self._reading():
            packed = map(orjson.loads, self._unpacked().splitlines())
            lines = [*packed, *read_lines(self.growing)]
        runs = {line["run_id"]: line for line in lines if line.get("type") == "run"}
        return (self._read(RecordedRun, line) for line in runs.values())

    def pack(self) -> None:
        """Compress what was recorded; it can be added to afterwards.

        Raises:
            CannotEvaluate: It cannot be written, or what was packed before is damaged.
        """
        if not self.growing.exists():
            return
        with self._reading():
            whole = self._unpacked() + self.growing.read_bytes()
        with writing(self.packed):
            replace_file(self.packed, gzip.compress(whole, mtime=0))
            self.growing.unlink()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, ValueError, zlib.error) as damaged:
            raise self._damaged(type(damaged).__name__) from None

    def _unpacked(self) -> bytes:
        return gzip.decompress(self.packed.read_bytes()) if self.packed.exists() else b""

    def _read(self, kind: type[Line], line: Mapping[str, Any]) -> Line:
        try:
            return kind.model_validate(line)
        except ValidationError as wrong:
            where = ".".join(map(str, wrong.errors()[0]["loc"]))
            raise self._damaged(f"{where} is wrong") from None

    def _damaged(self, words: str) -> CannotEvaluate:
        return CannotEvaluate(
            f"the record of evaluation {self.evaluation_id} is damaged or of another version of "
            f"Assay: {words}",
            mend="restore it, or record anew: assay evaluate ... --record",
        )


class Recorder:
    """Adds runs to a record.

    Args:
        journal: Of `Record.growing`.
        secrets: What is in no record, longest first.
    """

    def __init__(self, journal: Journal, *, secrets: tuple[bytes, ...]) -> None:
        self._journal = journal
        self._secrets = secrets

    def begin(self, header: RecordHeader) -> None:
        """Write the first line."""
        self._append(header)

    def add(self, run: RunRecord, tape: Tape) -> None:
        """Keep a run that has ended; when this returns it survives a kill of the process.

        A run that began when nobody kept a record is left out: what it asked is not known.
        """
        made = sorted(
            tape.exchanges, key=lambda each: (each.step, -1 if each.call is None else each.call)
        )
        if any(each.request is None for each in made):
            return
        size = sum(len(each.message) for each in made)
        is_kept = size <= MAX_RUN_BYTES
        self._append(
            RecordedRun(
                run_id=run.run_id,
                prompt_id=run.prompt_id,
                golden_task_id=run.golden_task_id,
                repeat=run.repeat,
                latency_s=run.latency_s,
                stop_reason=run.stop_reason,
                error=run.error,
                exchanges=[each.as_line() for each in made] if is_kept else [],
                left_out_bytes=None if is_kept else size,
            )
        )

    def _append(self, line: _Line) -> None:
        text = without_secrets(orjson.dumps(dict(line)), self._secrets)
        self._journal.append(orjson.Fragment(text))


def secrets_of(config: Config, environ: Mapping[str, str] = os.environ) -> tuple[bytes, ...]:
    """What no record may hold, as it stands in JSON, the longest first.

    That is the values of the variables that the configuration names, and of all whose names
    speak of secrets.
    """
    named = {getattr(config.agent, "api_key_env", None), config.judge.api_key_env}
    named.update(getattr(config.agent, "headers_env", {}).values())
    named.add(getattr(getattr(config.agent, "proxy", None), "api_key_env", None))
    for server in getattr(config.agent, "mcp_servers", {}).values():
        named.update(server.headers_env.values())
    values = {
        value
        for name, value in environ.items()
        if name in named or (_SECRET_NAME.search(name) and not name.startswith("ASSAY_"))
    }
    worth = sorted((each for each in values if len(each) >= _MIN_SECRET_CHARS), key=len)
    return tuple(orjson.dumps(each)[1:-1] for each in reversed(worth))


def without_secrets(text: bytes, secrets: tuple[bytes, ...]) -> bytes:
    """`text` with `HIDDEN` in the place of every secret."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
