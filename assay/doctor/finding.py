"""One line of the doctor's."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from assay.errors import AssayError


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one thing."""

    level: Level
    what: str
    """The thing, in a word or two."""
    says: str
    mend: str | None = None
    """What to do about it."""


_CORRECT = "correct it, and look again"

Check = Callable[[], Iterable[Finding]]


def ok(what: str, says: str) -> Finding:
    """It is as it should be."""
    return Finding(Level.OK, what, says)


def warn(what: str, says: str, mend: str) -> Finding:
    """Something works less well, or will not for long."""
    return Finding(Level.WARN, what, says, mend)


def fail(what: str, says: str, mend: str) -> Finding:
    """Something cannot work."""
    return Finding(Level.FAIL, what, says, mend)


def examined(what: str, check: Check) -> Iterator[Finding]:
    """What a check finds; an error that it runs into is a finding too."""
    try:
        yield from check()
    except AssayError as error:
        yield fail(what, error.problem, error.mend or _CORRECT)
    except OSError as error:
        yield fail(what, f"{error.filename}: {error.strerror}", "make it readable")
