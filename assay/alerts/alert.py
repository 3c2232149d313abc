"""What people are told: one alert, bounded and harmless whatever it was made of."""

import hashlib
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict

from assay.receivers import AlertKind
from assay.wording import cut, one_line

SCHEMA_VERSION = 1
MAX_TITLE_CHARS = 150
MAX_TEXT_CHARS = 2000
MAX_WORD_CHARS = 80
MAX_URL_CHARS = 500
MAX_FACTS = 20

Fact = str | int | float | None


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


_SEVERITY = {
    AlertKind.REGRESSION: Severity.CRITICAL,
    AlertKind.CANARY: Severity.CRITICAL,
    AlertKind.REJECT: Severity.WARNING,
    AlertKind.NOT_SWITCHED: Severity.WARNING,
    AlertKind.ROLLBACK: Severity.WARNING,
    AlertKind.DRIFT: Severity.WARNING,
    AlertKind.TOKEN_SPIKE: Severity.WARNING,
    AlertKind.SPEND_LIMIT: Severity.WARNING,
    AlertKind.ACTION_LIMIT: Severity.WARNING,
    AlertKind.FAILED: Severity.WARNING,
}
"""All others only inform."""


def line(text: object, max_chars: int) -> str:
    """One line: bounded, and without control characters."""
    return cut(one_line(str(text).strip(), max_chars=max_chars + 1), max_chars)


def _lines(text: object) -> str:
    bounded = str(text).strip()[: MAX_TEXT_CHARS + 1].splitlines()
    return cut("\n".join(line(part, MAX_TEXT_CHARS) for part in bounded), MAX_TEXT_CHARS)


def _facts(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    some = list(facts.items())[:MAX_FACTS]
    return {line(name, MAX_WORD_CHARS): _fact(value) for name, value in some}


def _fact(value: Fact) -> Fact:
    if isinstance(value, str):
        return line(value, MAX_WORD_CHARS)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has neither NaN nor infinity
    return value


Word = Annotated[str, BeforeValidator(lambda text: line(text, MAX_WORD_CHARS))]


class Alert(BaseModel):
    """Something that people should know. Texts may come from anywhere: they are made harmless."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: AlertKind
    agent: Word
    """The prompt's name: `support`."""
    about: Word
    """Which one: an evaluation's id, a night's date, a switch's time. What is told again of the
    same has the same id."""
    title: Annotated[str, BeforeValidator(lambda text: line(text, MAX_TITLE_CHARS))]
    text: Annotated[str, BeforeValidator(_lines)] = ""
    facts: Annotated[Mapping[str, Fact], BeforeValidator(_facts)] = {}
    """A few numbers by name; None is unknown."""
    at: AwareDatetime
    url: Annotated[str, BeforeValidator(lambda url: line(url, MAX_URL_CHARS))] | None = None
    """The flow run's page."""

    @property
    def id(self) -> str:
        """32 hex digits: the same alert sent twice can be told from two alerts."""
        told = "\0".join((self.kind, self.agent, self.about))
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    @property
    def severity(self) -> Severity:
        """Follows from the kind."""
        return _SEVERITY.get(self.kind, Severity.INFO)


def as_json(alert: Alert) -> dict[str, Any]:
    """What a webhook gets, and the payload of the event in Prefect."""
    return {
        "schema_version": SCHEMA_VERSION,
        "id": alert.id,
        "severity": str(alert.severity),
        **alert.model_dump(mode="json"),
    }


def as_text(alert: Alert) -> str:
    """All but the title, for people: the text, a line for each fact, the address."""
    facts = "\n".join(f"{name}: {_shown(value)}" for name, value in alert.facts.items())
    return "\n\n".join(part for part in (alert.text, facts, alert.url) if part)


def _shown(value: Fact) -> str:
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else f"{value:,}"
