"""What a governor is: somebody who is told of a canary, and says something to people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from assay.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryFacts:
    """A canary, as a governor is told of it."""

    canary_id: str
    version: str
    prompt_id: str
    baseline_prompt_id: str
    reason: str
    """What was found, or why it begins."""
    canary_runs: int = 0
    baseline_runs: int = 0
    spend_usd: float | None = None
    """Of the canary's runs, where they say it."""


@dataclass(frozen=True, slots=True)
class Said:
    """What came of it."""

    lines: tuple[str, ...] = ()
    """For whoever looks at the canary."""
    warnings: tuple[str, ...] = ()


class Governor(Protocol):
    """Never raises, and answers within seconds."""

    def before_canary(self, canary: CanaryFacts) -> Said:
        """A canary is about to begin."""

    def at_look(self, canary: CanaryFacts) -> Said:
        """A canary was looked at, and goes on or has ended."""

    def at_alarm(self, canary: CanaryFacts) -> Said:
        """A canary was taken back; that is done by now."""


class Nobody:
    """The governor where none is configured."""

    def before_canary(self, canary: CanaryFacts) -> Said:  # noqa: ARG002
        """Nothing."""
        return Said()

    at_look = at_alarm = before_canary


def governor_of(config: Config, environ: Mapping[str, str]) -> Governor:
    """Whom the configuration names; `Nobody` where it names nobody."""
    if not config.onceonly.enabled:
        return Nobody()
    from assay.governance.onceonly import OnceOnlyGovernor

    return OnceOnlyGovernor(config, environ)
