"""Ids for tasks that have none: readable, and the same each time."""

import hashlib
import json
import re
import unicodedata
from typing import Any

from assay.golden_task import GoldenTask
from assay.intake.harvest import Draft

MAX_SLUG_CHARS = 48
MAX_ID_CHARS = 150
HASH_DIGITS = 8


def id_of(draft: Draft) -> str:
    """Its own id, or its description's words, or its input's words and a hash of the input.

    >>> from assay.validation import Place
    >>> id_of(Draft({"input": "Hi"}, Place(), name="Où est mon colis ?"))
    'où-est-mon-colis'
    >>> id_of(Draft({"input": "Where is my parcel?"}, Place()))
    'where-is-my-parcel-8d3c38f8'
    """
    if draft.is_id and draft.name.isprintable() and len(draft.name.strip()) <= MAX_ID_CHARS:
        return draft.name.strip() or "task"
    if draft.name:
        return slug(draft.name)
    given = draft.values["input"]
    text = given if isinstance(given, str) else given[-1]["content"]
    return f"{slug(text)}-{digest(_canonical(given))}"


def slug(text: str) -> str:
    """The first words of a text, in small letters with hyphens between them."""
    text = unicodedata.normalize("NFC", text[: 8 * MAX_SLUG_CHARS]).lower()
    words = re.sub(r"[^\w]+", "-", text).strip("-_")
    if len(words) > MAX_SLUG_CHARS:
        words = words[: MAX_SLUG_CHARS + 1].rpartition("-")[0] or words[:MAX_SLUG_CHARS]
    return words.strip("-_") or "task"


def content_of(task: GoldenTask) -> str:
    """All that a task is but for its id."""
    return _canonical(task.model_dump(mode="json", exclude={"id"}))


def digest(text: str) -> str:
    """Eight hex digits that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
