"""A golden task of a recorded run: what was asked, masked, and what it is held to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from assay.errors import InputError
from assay.golden_task import USUAL_STOP
from assay.incidents.bounds import Bounds
from assay.incidents.masking import Masker
from assay.intake.harvest import Draft
from assay.intake.ids import slug
from assay.validation import Place
from assay.wording import one_line

MAX_INCIDENT_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What went wrong, and in which run."""

    text: str | None
    """The number of a ticket or a few words."""
    on: date
    run_id: str
    prompt_id: str | None

    def words(self, masker: Masker) -> str:
        """As the golden task has it: what, when, which run of which prompt."""
        text = masker.text(one_line(self.text or "incident", max_chars=MAX_INCIDENT_CHARS))
        prompt = one_line(self.prompt_id or "an unknown prompt", max_chars=200)
        return f"{text}, {self.on:%Y-%m-%d}: run {one_line(self.run_id, max_chars=100)} of {prompt}"

    @property
    def name(self) -> str:
        """What the task's id is made of."""
        return f"{slug(self.text or 'incident')} {self.run_id[:8]}"


def draft_of(
    said: str | list[dict[str, str]],
    *,
    incident: Incident,
    category: str | None,
    bounds: Bounds,
    stop_reason: str | None,
    checks: Sequence[str],
    masker: Masker,
    place: Place,
) -> Draft:
    """The golden task that the run becomes.

    Raises:
        InputError: A check is not `TYPE=VALUE`, or the input cannot be masked.
    """
    values: dict[str, Any] = {
        "category": category and masker.text(category),
        "input": masker.value(said),
    }
    values |= {name: int(value) if float(value).is_integer() else value
               for name, value in bounds.values.items()}  # fmt: skip
    if stop_reason not in (None, USUAL_STOP):
        values["expect_stop_reason"] = stop_reason
    values |= {"checks": [_check(each) for each in checks], "incident": incident.words(masker)}
    return Draft(values, place, name=masker.text(incident.name))


def _check(text: str) -> Mapping[str, Any]:
    """`icontains=45 days`; a value in JSON is read as such."""
    kind, equals, value = text.partition("=")
    if not kind.strip() or not equals:
        raise InputError(
            f"--check {one_line(text)!r} is no check", mend="write TYPE=VALUE: icontains=45 days"
        )
    try:
        parsed = json.loads(value) if value[:1] in '[{"' and value else value
    except (ValueError, RecursionError):
        parsed = value
    return {"type": kind.strip(), "value": parsed}
