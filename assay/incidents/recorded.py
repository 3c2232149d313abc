"""The run that went wrong, as it was recorded: in production's logs or by an evaluation."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from assay.config import Config
from assay.errors import InputError
from assay.intake.conversations import conversation_of, is_conversation
from assay.intake.harvest import LeftOut
from assay.jsonl import MAX_LINE_BYTES
from assay.monitors.looking import run_logs
from assay.store.log_files import read_columns
from assay.store.log_names import CATEGORY, GUESSES, OF_PRODUCTION, likeliest
from assay.store.run_log import is_one_of
from assay.wording import one_line

INPUTS = (
    "input", "question", "user_input", "query", "user_message", "request", "messages",
    "conversation", "gen_ai.input.messages",
)  # fmt: skip
"""What logs call what the user said, the likeliest first."""
NAMES: Mapping[str, tuple[str, ...]] = {
    **GUESSES,
    **OF_PRODUCTION,
    "input": INPUTS,
    "category": CATEGORY,
}
TEXTS = ("run_id", "prompt_id", "input", "category", "started_at")
"""Ours that are texts in a CSV, though they look like numbers or times."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One run, as somebody's log has it."""

    values: Mapping[str, Any]
    path: Path
    line: int | None = None

    def get(self, ours: str, named: Mapping[str, str]) -> Any:
        """What is ours, under the name that the user gave it or under a likely one; else None."""
        wanted = (named[ours],) if ours in named else NAMES[ours]
        found = (self.values[name] for name in likeliest(wanted, self.values))
        return next((value for value in found if value is not None and value != ""), None)

    @property
    def is_unfinished(self) -> bool:
        """Whether it was started, and no more is known of it."""
        return self.values.get("event") == "agent_start"


def find_run(
    run_id: str, config: Config, *, log: Path | None, standard_input: IO[bytes]
) -> Recorded:
    """The last thing that is known of a run.

    Args:
        run_id: As the log has it.
        config: Names the logs.
        log: The only one to look into; `-` is standard input.
        standard_input: What `-` is.

    Raises:
        InputError: It is nowhere.
    """
    named = config.rollout.canary.columns
    paths = [log] if log is not None else list(_all_logs(config))
    found: Recorded | None = None
    for path in paths:
        try:
            for run in _runs_in(path, run_id, named, standard_input):
                if found is None or found.is_unfinished or not run.is_unfinished:
                    found = run
        except InputError:
            if log is not None:  # of many logs one may be broken, or rotated away just now
                raise
    if found is None:
        looked = ", ".join(str(path) for path in paths[-3:]) or "no log"
        raise InputError(
            f"run {one_line(run_id)!r} is in none of {len(paths)} logs ({looked})",
            mend="name its log with --log FILE, or set rollout.canary.run_log",
        )
    return found


def run_on_line(place: str) -> Recorded:
    """The run on one line of a file of JSON lines, as `FILE:LINE`.

    Raises:
        InputError: There is no such line, or it is no run.
    """
    name, _, number = place.rpartition(":")
    if not name or not number.isdecimal() or int(number) < 1:
        raise InputError(f"--from-line {place}: no line of a file", mend="write FILE:LINE")
    path = Path(name)
    with _opened(path) as file:
        for line, raw in enumerate(_lines(file), start=1):
            if line == int(number):
                values = _object(raw)
                if values is None:
                    raise InputError("this line is no JSON object", path=path, line=line)
                return Recorded(_unwrapped(values), path, line)
    raise InputError(f"there is no line {number}", path=path, mend="count from 1")


def input_of(run: Recorded, config: Config) -> str | list[dict[str, str]] | None:
    """What the user said in it: a text, or chat messages; None where the log does not say.

    Raises:
        InputError: There is something, and it is neither.
    """
    value = run.get("input", config.rollout.canary.columns)
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _as_messages(value)
    if value is None or isinstance(value, str):
        return value
    try:
        return conversation_of(value).input
    except LeftOut as left:
        raise InputError(
            f"its input cannot be used: {left.why}",
            path=run.path,
            line=run.line,
            mend="give it with --input TEXT or --input @FILE",
        ) from None


def _as_messages(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if is_conversation(value) else text


def _all_logs(config: Config) -> Iterator[Path]:
    """Production's first, then the journals of evaluations."""
    yield from run_logs(config)
    results = config.folder / config.results.uri
    yield from sorted(results.glob("*/journal.jsonl"))


def _runs_in(
    path: Path, run_id: str, named: Mapping[str, str], standard_input: IO[bytes]
) -> Iterator[Recorded]:
    """Every record of the run in a log."""
    if str(path) == "-":
        yield from _of_lines(standard_input, Path("<stdin>"), run_id, named)
    elif path.suffix in (".csv", ".parquet"):
        names = [named.get(ours, name) for ours in TEXTS for name in NAMES[ours]]
        log = read_columns(path, wanted=set, texts=is_one_of(names))
        rows = ({name: column[n].as_py() for name, column in log.columns.items()}
                for n in range(log.n_runs))  # fmt: skip
        found = (Recorded(row, path) for row in rows)
        yield from (each for each in found if str(each.get("run_id", named)) == run_id)
    else:
        with _opened(path) as file:
            yield from _of_lines(file, path, run_id, named)


def _of_lines(
    lines: IO[bytes], path: Path, run_id: str, named: Mapping[str, str]
) -> Iterator[Recorded]:
    sought = json.dumps(run_id)[1:-1].encode()  # most lines need not be read for that
    for number, raw in enumerate(_lines(lines), start=1):
        if sought in raw and (values := _object(raw)) is not None:
            run = Recorded(_unwrapped(values), path, number)
            if str(run.get("run_id", named)) == run_id:
                yield run


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines; one that is too long to be a run counts, and is empty."""
    while raw := file.readline(MAX_LINE_BYTES + 1):
        if len(raw) <= MAX_LINE_BYTES:
            yield raw
            continue
        while raw and not raw.endswith(b"\n"):
            raw = file.readline(MAX_LINE_BYTES)
        yield b""


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):  # torn, or no JSON: the log is production's, not ours
        return None
    return value if isinstance(value, dict) else None


def _unwrapped(values: dict[str, Any]) -> dict[str, Any]:
    """The run within a line of an evaluation's journal."""
    run = values.get("run")
    return (
        run if values.get("type") in ("run_end", "run_made") and isinstance(run, dict) else values
    )


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as refused:
        raise InputError(f"cannot be read: {refused.strerror}", path=path) from None


def is_amount(value: Any) -> bool:
    """Whether a value of a log is a number that can be one."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < 2**53


def first_text(values: Iterable[Any]) -> str | None:
    """The first that is a text with something in it, whole characters only."""
    found = next((each for each in values if isinstance(each, str) and each.strip()), None)
    return None if found is None else found.encode("utf-8", "replace").decode()
