"""Golden tasks, read from `golden/*.jsonl` and `assay.yaml`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from assay.config import Config
from assay.documents import Document, Location, parse_yaml, read_bytes
from assay.errors import InputError
from assay.golden_task import Check, GoldenTask, TaskId
from assay.jsonl import parse_jsonl
from assay.judged_checks import missing_for
from assay.sections import GoldenTesting
from assay.validation import Model, Place, Section, together, validated

__all__ = ["Check", "GoldenTask", "golden_files", "load_golden", "tasks_in"]

_NO_FILE = "write it, or take it out of testing.golden_files"


def load_golden(config: Config) -> tuple[GoldenTask, ...]:
    """Read every golden task: those of the files in order, then those given inline alone.

    A task given inline and in a file is one task; the inline keys win.

    Raises:
        InputError: A file is missing or broken, a task is wrong or cannot be decided here, an
            id is used twice, or there is no task at all. All problems of readable files are named.
    """
    filed, inline = _book(_in_files(golden_files(config))), _book(_in_config(config))
    merged = filed.tasks | {
        task_id: given.over(filed.tasks.get(task_id)) for task_id, given in inline.tasks.items()
    }
    tasks = _validated(merged, filed.problems + inline.problems, config)
    if not tasks:
        raise InputError(
            "there are no golden tasks",
            path=_typed(config.path),
            mend='write one a line to golden/NAME.jsonl: {"id": "hello", "input": "..."}',
        )
    return tasks


def _refuse_undecidable(
    task: GoldenTask, config: Config, place: Callable[[Location], Place]
) -> None:
    """A check that nothing here can decide must not be passed over in silence."""
    for number, check in enumerate(task.checks):
        if (missing := missing_for(check, config)) is not None:
            at = place(("checks", number))
            raise InputError(
                f"task {task.id!r}: {missing.problem}",
                path=at.path,
                line=at.line,
                mend=missing.mend,
            )


class _Named(Section):
    model_config = ConfigDict(extra="ignore")

    id: TaskId = Field(examples=["late_parcel"])


@dataclass(frozen=True, slots=True)
class _Given:
    """A task as it is written, with the place of each of its keys."""

    values: Mapping[str, Any]
    place: Callable[[Location], Place]

    def validated(self, model: type[Model], subject: str) -> Model:
        return validated(model, dict(self.values), subject=subject, place=self.place)

    def over(self, other: "_Given | None") -> "_Given":
        """This task on top of one with the same id."""
        if other is None:
            return self

        def place(location: Location) -> Place:
            mine = bool(location) and location[0] in self.values
            return self.place(location) if mine else other.place(location)

        return _Given({**other.values, **self.values}, place)


@dataclass(slots=True)
class _Book:
    """The tasks of one source, each id once."""

    tasks: dict[str, _Given] = field(default_factory=dict)
    problems: list[InputError] = field(default_factory=list)

    def add(self, given: _Given) -> None:
        try:
            task_id = given.validated(_Named, "the task").id
        except InputError as wrong:
            self.problems.append(wrong)
            return
        if task_id in self.tasks:
            self.problems.append(self.used_twice(task_id, given.place(("id",))))
        else:
            self.tasks[task_id] = given

    def used_twice(self, task_id: str, second: Place) -> InputError:
        first = self.tasks[task_id].place(("id",))
        where = "" if first.path == second.path else f"in {first.path} "
        free = next(new for n in count(2) if (new := f"{task_id}-{n}") not in self.tasks)
        return InputError(
            f"task id {task_id!r} is already used {where}on line {first.line}",
            path=second.path,
            line=second.line,
            mend=f"rename one of them, e.g. {free!r}",
        )


def _book(given: Iterable[_Given]) -> _Book:
    book = _Book()
    for each in given:
        book.add(each)
    return book


def tasks_in(files: Iterable[Path]) -> tuple[GoldenTask, ...]:
    """The golden tasks of these files alone, decidable here or not; there may be none.

    Raises:
        InputError: As `load_golden`.
    """
    book = _book(_in_files(files))
    return _validated(book.tasks, book.problems)


def _validated(
    given: Mapping[str, _Given], problems: list[InputError], config: Config | None = None
) -> tuple[GoldenTask, ...]:
    """The tasks, which can be decided by what `config` says; all problems are raised together."""
    tasks, problems = [], [*problems]
    for task_id, each in given.items():
        try:
            task = each.validated(GoldenTask, f"task {task_id!r}")
            if config is not None:
                _refuse_undecidable(task, config, each.place)
            tasks.append(task)
        except InputError as wrong:
            problems.append(wrong)
    if problems:
        raise together(problems)
    return tuple(tasks)


def _in_files(files: Iterable[Path]) -> Iterator[_Given]:
    for path in files:
        for row in parse_jsonl(read_bytes(path, mend=_NO_FILE), path=path):
            yield _Given(row.value, _at(Place(path=path, line=row.line)))


def _at(place: Place) -> Callable[[Location], Place]:
    return lambda _location: place


def _in_config(config: Config) -> Iterator[_Given]:
    if not config.testing.golden_tasks:
        return
    path = _typed(config.path)
    document = parse_yaml(read_bytes(path), path=path)
    for number, values in enumerate(config.testing.golden_tasks):
        yield _Given(values, _within(document, ("testing", "golden_tasks", number)))


def _within(document: Document, whole: Location) -> Callable[[Location], Place]:
    return lambda location: Place(path=document.path, line=document.line((*whole, *location)))


def golden_files(config: Config, *, must_match: bool = True) -> list[Path]:
    """The golden files, each once, as somebody in this working directory names them.

    Raises:
        InputError: A pattern of the user's matches no file, and must.
    """
    found: dict[Path, Path] = {}
    for pattern in config.testing.golden_files:
        for path in _matching(pattern, config, must_match=must_match):
            found.setdefault(path.resolve(), _typed(path))
    return list(found.values())


def _matching(pattern: str, config: Config, *, must_match: bool) -> list[Path]:
    if not any(sign in pattern for sign in "*?["):
        return [config.folder / pattern]
    try:
        paths = sorted(config.folder.glob(pattern))
    except (NotImplementedError, ValueError):
        paths = []
    defaults = GoldenTesting.model_fields["golden_files"].default
    if must_match and not paths and pattern not in defaults:
        problem = f"testing.golden_files: no file matches {pattern!r}"
        raise InputError(problem, path=_typed(config.path), mend=_NO_FILE)
    return paths


def _typed(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
