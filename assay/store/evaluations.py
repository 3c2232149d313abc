"""Where evaluations live: one folder each under the results folder.

results/ID/journal.jsonl    every run's start and end, and what judges said; the truth
results/ID/tapes.jsonl      what runs exchanged with models and tools
results/ID/runs/*.parquet   the same runs, one file a round; can be rebuilt
results/ID/decision.json    the verdict, once there is one
results/ID/gates.svg        its gates against their margins, as a picture
results/ID/record.jsonl.gz  the same exchanges, kept for good where that was asked for
results/ID/files/           what tools left behind (an outbox)
results/ID/tools/HASH.json  what its runs' tools_hash stands for: `store.toolsets`
results/ID/lock             held by the process that works on it
"""

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO, TypeVar

import orjson

from assay.errors import CannotEvaluate, InputError
from assay.records import RunRecord
from assay.store.journal import read_lines, writing
from assay.store.record import Record

Item = TypeVar("Item")

RESUMABLE_FOR = timedelta(days=1)
"""An interrupted evaluation older than this is only resumed by its id."""

_LOCK_WAIT_S = 1.0
"""Whoever only looks whether an evaluation is being run holds its lock for a moment."""


@dataclass(frozen=True, slots=True)
class EvaluationFolder:
    """The files of one evaluation."""

    path: Path

    @property
    def evaluation_id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """Every run's start and end."""
        return self.path / "journal.jsonl"

    @property
    def tapes(self) -> Path:
        """What runs exchanged with models and tools."""
        return self.path / "tapes.jsonl"

    @property
    def record(self) -> Record:
        """The same exchanges, kept for good; empty where nobody asked for that."""
        return Record(self.path)

    @property
    def runs(self) -> Path:
        """The folder of Parquet files, one a round."""
        return self.path / "runs"

    @property
    def decision(self) -> Path:
        """The verdict's JSON; missing while there is none."""
        return self.path / "decision.json"

    @property
    def plot(self) -> Path:
        """The verdict's gates as a picture."""
        return self.path / "gates.svg"

    @property
    def tools(self) -> Path:
        """The folder of what its runs' `tools_hash` stands for."""
        return self.path / "tools"

    @property
    def files(self) -> Path:
        """What tools leave behind."""
        return self.path / "files"

    def header(self) -> dict[str, Any] | None:
        """The journal's first line: what the evaluation is about; None if it is not whole."""
        with self.journal.open("rb") as file:
            first = file.readline()
        try:
            header = orjson.loads(first) if first.endswith(b"\n") else None
        except orjson.JSONDecodeError:
            return None  # one damaged folder must not hide the others
        return header if isinstance(header, dict) and "inputs_hash" in header else None

    @property
    def prompts(self) -> list[Mapping[str, Any]]:
        """Its prompts as the header names them, the baseline first; none of a damaged folder."""
        header = self.header() or {}
        found = [header.get("baseline"), *(header.get("candidates") or [header.get("candidate")])]
        return [prompt for prompt in found if isinstance(prompt, dict)]

    def looks_taken(self) -> int:
        """Looks at the runs that its kept decision tells of; 0 where none can be read."""
        try:
            return len(orjson.loads(self.decision.read_bytes())["looks"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def finished_runs(self) -> list[RunRecord]:
        """The runs that the journal holds to the end, without duplicates, in a fixed order."""
        ends = self._lines("run_end", lambda line: RunRecord.model_validate(line["run"]))
        runs = {run.run_id: run for run in ends}
        return sorted(
            runs.values(),
            key=lambda run: (run.round, run.golden_task_id, run.prompt_id, run.repeat),
        )

    def unjudged_runs(self) -> list[RunRecord]:
        """The runs that were made, and about which not all judges have been heard."""
        finished = {run.run_id for run in self.finished_runs()}
        made = self._lines("run_made", lambda line: RunRecord.model_validate(line["run"]))
        return [run for run in made if run.run_id not in finished]

    def judges_answers(self, read: Callable[[dict[str, Any]], Item]) -> list[Item]:
        """What judges have answered so far, each line of the journal as `read` reads it."""
        return self._lines("judge_answer", read)

    def _lines(self, kind: str, read: Callable[[dict[str, Any]], Item]) -> list[Item]:
        try:
            return [read(line) for line in read_lines(self.journal) if line["type"] == kind]
        except (KeyError, TypeError, ValueError) as damaged:
            words = " ".join(str(damaged).split())[:200]
            raise CannotEvaluate(
                f"{self.journal}: a line is damaged or of another version: {words}",
                mend="restore the file, or start a new evaluation",
            ) from None

    def evidence_sha256(self) -> str:
        """64 hex digits over the finished runs: what a decision is computed from."""
        lines = (run.model_dump_json() for run in self.finished_runs())
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def rebuild_parquet(self) -> list[Path]:
        """Write the Parquet files anew from the journal; their paths, by round."""
        from assay.store.parquet import write_runs  # PyArrow costs `assay status` too much

        by_round: dict[int, list[RunRecord]] = {}
        for run in self.finished_runs():
            by_round.setdefault(run.round, []).append(run)
        for number, runs in by_round.items():
            write_runs(self.round_file(number), runs)
        return [self.round_file(number) for number in sorted(by_round)]

    def round_file(self, number: int) -> Path:
        """The Parquet file of one round, 1-based."""
        return self.runs / f"round-{number:03d}.parquet"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Work on this evaluation alone; the system frees the lock when the process dies.

        Raises:
            CannotEvaluate: Another process works on it, or the folder cannot be written.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            file = self._lock_file.open("a")
        with file:
            deadline = time.monotonic() + _LOCK_WAIT_S
            while not _locked(file):
                if time.monotonic() >= deadline:
                    raise CannotEvaluate(
                        f"evaluation {self.evaluation_id} is being run by another process",
                        mend="wait for it, or stop it first",
                    )
                time.sleep(0.01)
            yield

    def is_being_run(self) -> bool:
        """Whether a living process works on it."""
        if not self._lock_file.exists():
            return False
        with self._lock_file.open() as file:  # to look needs no right to write
            return not _locked(file)

    @property
    def _lock_file(self) -> Path:
        return self.path / "lock"


def _locked(file: TextIO) -> bool:
    """Whether the lock could be taken; closing the file lets go of it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def evaluations(results: Path) -> list[EvaluationFolder]:
    """All evaluations under the results folder, newest first."""
    journals = results.glob("*/journal.jsonl")
    return sorted(
        (EvaluationFolder(j.parent) for j in journals), key=lambda f: f.path, reverse=True
    )


def find_evaluation(results: Path, evaluation_id: str) -> EvaluationFolder:
    """The evaluation with this id, or the only one whose id begins so.

    Raises:
        InputError: There is none, or there are several.
    """
    matches = [f for f in evaluations(results) if f.evaluation_id.startswith(evaluation_id)]
    exact = [f for f in matches if f.evaluation_id == evaluation_id]
    if len(found := exact or matches) == 1:
        return found[0]
    if found:
        raise InputError(f"{len(found)} evaluations begin with {evaluation_id!r}", mend="say more")
    newest = ", ".join(f.evaluation_id for f in evaluations(results)[:3]) or "none yet"
    raise InputError(f"no evaluation {evaluation_id!r}", mend=f"the newest are: {newest}")


def find_about(results: Path, *, about: Mapping[str, Any]) -> EvaluationFolder | None:
    """The newest evaluation whose header says this, with a verdict or without."""
    for folder in evaluations(results):
        header = folder.header()
        if header is not None and about.items() <= header.items():
            return folder
    return None


def find_interrupted(
    results: Path, *, about: Mapping[str, Any], now: datetime
) -> EvaluationFolder | None:
    """The newest evaluation that died without a verdict within a day.

    Args:
        results: The results folder.
        about: What its header must say, such as the same `inputs_hash`.
        now: With a time zone.
    """
    for folder in evaluations(results):
        header = folder.header()
        if header is None or not about.items() <= header.items() or folder.decision.exists():
            continue
        young = now - datetime.fromisoformat(header["created_at"]) < RESUMABLE_FOR
        if young and not folder.is_being_run():
            return folder
    return None
