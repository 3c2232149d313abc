"""Is the evidence that the history names still there, and still the same?"""

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from assay.canary.state import FOLDER, canary_id, evidence_name
from assay.errors import AssayError
from assay.history import CANARY_ALARM, CANARY_START, CANARY_STOP, Entry, History
from assay.pointers import sha256_hex
from assay.store.evaluations import EvaluationFolder

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class Kept(StrEnum):
    """What became of an entry's evidence."""

    SAME = "as it was"
    CHANGED = "changed"
    GONE = "not here"


class Evidence(NamedTuple):
    """One entry's evidence."""

    entry: Entry
    where: Path
    kept: Kept


def kept_evidence(history: History, results: Path) -> Iterator[Evidence]:
    """The evidence of each entry that names one by its hash, oldest first.

    Args:
        history: Of one config.
        results: Its results folder; those of other machines are not here.
    """
    began: Entry | None = None
    for entry in history.all:
        began = entry if entry.cause.action == CANARY_START else began
        if (said := entry.cause.evidence_sha256) is None:
            continue
        if (evaluation := entry.cause.evaluation_id) is not None:
            if not _ID.fullmatch(str(evaluation)):  # it is text from a file, and no path
                continue
            where = results / str(evaluation)
            found = _of_evaluation(EvaluationFolder(where))
        elif began is not None:
            where = _of_canary(results / FOLDER / canary_id(began), entry, said)
            found = _of_file(where)
        else:
            continue
        kept = Kept.GONE if found is None else Kept.SAME if found == said else Kept.CHANGED
        yield Evidence(entry, where, kept)


def _of_canary(folder: Path, entry: Entry, said: str) -> Path:
    """What its watch acted on: the end has a file of its own, all else one that bears its hash."""
    of_end = folder / "evidence.json"
    if not _SHA256.fullmatch(said):
        return of_end
    named = folder / evidence_name(said)
    is_end = entry.cause.action in (CANARY_ALARM, CANARY_STOP)
    return of_end if is_end and not named.exists() else named


def _of_evaluation(folder: EvaluationFolder) -> str | None:
    try:
        return folder.evidence_sha256() if folder.journal.is_file() else None
    except (AssayError, OSError, ValueError):  # a damaged journal is not the evidence any more
        return ""


def _of_file(path: Path) -> str | None:
    try:
        return sha256_hex(path.read_bytes())
    except OSError:
        return None
