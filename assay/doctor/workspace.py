"""The workspace's files: readable, valid, agreeing with each other, and writable."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from assay.config import Config
from assay.doctor.finding import Finding, fail, ok, warn
from assay.golden import load_golden
from assay.history import read_history
from assay.live import read_pointers
from assay.prompts import load_prompt, read_lock, verify_lock

_GB = 1_000_000_000
_LOW_GB, _TOO_LOW_GB = 2.0, 0.1
_CLOCK_SLACK = timedelta(minutes=1)


def prompts(config: Config) -> Iterator[Finding]:
    """Every version that is named or locked has a text, and it is the one that was locked."""
    directory, named = config.folder / config.prompts.directory, config.prompts
    lock = read_lock(directory)
    in_use = dict.fromkeys([named.active, named.rollback, *named.candidates])
    for ref in dict.fromkeys([*in_use, *lock]):
        verify_lock(directory, load_prompt(directory, ref))
    yield ok("prompts", f"active {named.active}, rollback {named.rollback}; {len(lock)} locked")
    for ref in (named.active, named.rollback):
        if ref not in lock:
            yield warn(
                "prompts",
                f"{ref} is in use but not locked: a change of its text would go unnoticed",
                "evaluate against it once, and commit prompts/lock.yaml",
            )


def golden_tasks(config: Config) -> Iterator[Finding]:
    """They can be read."""
    tasks = load_golden(config)
    yield ok("golden tasks", f"{len(tasks)}, {sum(task.is_critical for task in tasks)} critical")


def history(path: Path) -> Iterator[Finding]:
    """The history's last switch is what the config says, and was not made in the future."""
    entries, warnings, *_ = read_history(path)
    here = read_pointers(path).pointers
    for warning in warnings:
        yield warn("history", warning, "restore history.jsonl from version control")
    if not entries:
        yield ok("history", "nothing has been switched yet")
        return
    last = entries[-1]
    if last.cause.at > datetime.now(UTC) + _CLOCK_SLACK:
        yield warn(
            "clock",
            f"the last switch was made at {last.cause.at:%Y-%m-%d %H:%M} UTC, which is to come",
            "set this machine's clock",
        )
    if last.after == here:
        yield ok("history", f"{len(entries)} switches, the last on {last.cause.at:%Y-%m-%d}")
    else:
        yield warn(
            "history",
            f"its last switch ends at {last.after}, but {path.name} says {here}: edited by hand?",
            "switch with assay promote or assay rollback, so that it says who and why",
        )


def folders(config: Config) -> Iterator[Finding]:
    """Where Assay writes, and the room there is."""
    results = config.folder / config.results.uri
    places = (config.folder, results, config.folder / ".assay")
    closed = [place for place in places if not _is_writable(place)]
    for place in closed:
        yield fail(
            "folders",
            f"{place} cannot be written",
            "make it writable: switches, results and the server's data are kept there",
        )
    if not closed:
        yield ok("folders", "configuration, results and .assay can be written")
    yield _room(_existing(results))


def _room(place: Path) -> Finding:
    free = shutil.disk_usage(place).free / _GB
    says = f"{free:.1f} GB free at {place}"
    if free >= _LOW_GB:
        return ok("disk", says)
    level = warn if free >= _TOO_LOW_GB else fail
    return level("disk", says, "make room: every run is kept")


def _is_writable(place: Path) -> bool:
    return os.access(_existing(place), os.W_OK | os.X_OK)


def _existing(place: Path) -> Path:
    """The folder itself, or the nearest above it that is there."""
    return next(folder for folder in (place, *place.parents) if folder.exists())
