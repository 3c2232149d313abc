"""The way from drafts to a file of golden tasks: proved to load first, then put in place."""

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assay.config import Config
from assay.durable import folder_lock, replace_file
from assay.errors import InputError
from assay.golden import GoldenTask, golden_files, tasks_in
from assay.intake.harvest import Draft, Harvest, LeftOut
from assay.intake.ids import content_of, digest, id_of
from assay.validation import Place, Section
from assay.wording import words

NOTHING: tuple[Any, ...] = (None, "", [], {})


@dataclass(slots=True)
class Book:
    """The golden tasks that are there, and those that are new."""

    old: dict[str, GoldenTask]
    new: dict[str, GoldenTask] = field(default_factory=dict)
    there: int = 0
    """Drafts that were there already."""
    again: int = 0
    """Drafts that are the same as an earlier one of the import."""
    _contents: dict[str, bool] = field(init=False)
    """What each task is, and whether it is new."""

    def __post_init__(self) -> None:
        self._contents = {content_of(task): False for task in self.old.values()}

    def add(self, task: GoldenTask, place: Place, harvest: Harvest) -> None:
        """Take a task that is not there yet, under its id or, where that is taken, a longer one."""
        content = content_of(task)
        if (is_new := self._contents.get(content)) is not None:
            self.there += not is_new
            self.again += is_new
            if is_new:
                harvest.lose(place, "test", "the same test is there twice")
            return
        for task_id in (task.id, f"{task.id}-{digest(content)}"):
            named = task.model_copy(update={"id": task_id})
            held = self.old.get(task_id)
            if held is not None and held.input == task.input:
                self.there += 1
                if held.hash != named.hash:
                    why = f"task {task_id} is there, and held to something else: it stays as it is"
                    harvest.lose(place, "test", why)
                return
            if held is None and task_id not in self.new:
                self.new[task_id] = named
                self._contents[content] = True
                return
        harvest.lose(place, "test", f"the id {task.id} is taken")


def write_tasks(
    harvest: Harvest, into: Path, *, config: Config, append: bool, dry_run: bool
) -> Book:
    """Keep the drafts as golden tasks in `into`, whole or not at all.

    Raises:
        InputError: `into` is no `.jsonl`, or is there and nothing is to be appended, or golden
            tasks that are there are broken.
        CannotEvaluate: The folder cannot be locked.
    """
    if dry_run:
        return _settled(harvest, into, config=config, append=append)[0]
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        problem = f"cannot be made a folder: {refused.strerror}"
        raise InputError(problem, path=into.parent, mend="name another file with --into") from None
    with folder_lock(into.parent):
        book, whole = _settled(harvest, into, config=config, append=append)
        if book.new:
            replace_file(into.resolve(), whole)
    return book


def is_read(path: Path, config: Config) -> bool:
    """Whether `testing.golden_files` names the file."""
    return path.resolve() in {each.resolve() for each in golden_files(config, must_match=False)}


def _settled(harvest: Harvest, into: Path, *, config: Config, append: bool) -> tuple[Book, bytes]:
    """The tasks, and the file's bytes with the new ones, which are known to load."""
    if into.suffix != ".jsonl":
        raise InputError("golden tasks are JSON lines", path=into, mend="name it NAME.jsonl")
    if into.exists() and not append:
        mend = "add what is new with --append, or name another file with --into"
        raise InputError("this file is there already", path=into, mend=mend)
    others = golden_files(config, must_match=False)
    here = {path.resolve(): path for path in (*others, into) if path.exists()}
    old = tasks_in(here.values())
    book = Book({task.id: task for task in old})
    for draft in harvest.drafts:
        try:
            book.add(fitted(draft, harvest), draft.place, harvest)
        except LeftOut as left:
            harvest.lose(draft.place, left.what, left.why)
    before = into.read_bytes() if into.exists() else b""
    gap = b"\n" if before and not before.endswith(b"\n") else b""
    whole = b"".join([before, gap, *map(line_of, book.new.values())])
    with tempfile.TemporaryDirectory() as folder:
        proof = Path(folder, into.name)
        proof.write_bytes(whole)
        tasks_in([proof])
    return book, whole


def fitted(draft: Draft, harvest: Harvest) -> GoldenTask:
    """A draft as a golden task, without the keys and checks that do not fit.

    Raises:
        LeftOut: Its input does not fit.
    """
    values = {key: value for key, value in draft.values.items() if value not in NOTHING}
    values["id"] = id_of(draft)
    while True:
        try:
            return GoldenTask.model_validate(values)
        except ValidationError as refused:
            detail = refused.errors()[0]
            key, *inside = detail["loc"]
            problem, _ = words(detail, model=GoldenTask, subject="the task")
            if key in ("id", "input"):
                raise LeftOut("test", problem) from None
            harvest.lose(draft.place, f"{key} of a test", problem)
            if key == "checks" and inside:
                values[key] = [each for n, each in enumerate(values[key]) if n != inside[0]]
            else:
                del values[str(key)]


def line_of(task: GoldenTask) -> bytes:
    """A golden task as a line of its file: with the keys alone that it was given."""
    values = _given(task)
    if task.checks:
        values["checks"] = [_given(check) for check in task.checks]
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"


def _given(section: Section) -> dict[str, Any]:
    names = (name for name in type(section).model_fields if name in section.model_fields_set)
    return {name: getattr(section, name) for name in names}
