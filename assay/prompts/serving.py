"""The versions that requests are answered with: loaded, checked against the lock, immutable."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.errors import InputError
from assay.prompts.routing import place_in
from assay.prompts.setbacks import last_good
from assay.prompts.settings import Settings
from assay.prompts.versions import (
    PromptVersion,
    load_prompt,
    system_prompt,
    verify_lock,
)


@dataclass(frozen=True, slots=True)
class Choice(PromptVersion):
    """The version that a request is answered with."""

    system_prompt: str
    """To be sent to the model as it is; it bears the prompt_id."""
    is_canary: bool


@dataclass(frozen=True, slots=True)
class CanaryRoute:
    """A canary, and which keys it answers."""

    choice: Choice
    share: float
    salted: "hashlib._Hash"
    """Of the canary's ref and a colon."""

    def answers(self, key: str) -> bool:
        """Whether a key is among its share."""
        return place_in(self.salted, key) < self.share


@dataclass(frozen=True, slots=True)
class Serving:
    """What one state of the config comes to."""

    active: Choice
    """The last good version, where the config is frozen."""
    canary: CanaryRoute | None
    budgets: Mapping[str, float | None]
    log_prompt_id: bool
    frozen: bool

    def choose(self, key: str) -> Choice:
        """The version that a key is answered with."""
        if self.canary is not None and self.canary.answers(key):
            return self.canary.choice
        return self.active


def load_serving(settings: Settings, config: Path) -> tuple[Serving, InputError | None]:
    """Load what a config names; and what is wrong with its canary, which then answers nothing.

    A canary that cannot be used must not keep production from following a rollback.

    Raises:
        InputError: The version to answer with is not there, is empty or not UTF-8, or has
            another text than was locked; or the lock is broken.
    """
    directory = config.parent / settings.directory
    ref = last_good(settings, config) if settings.frozen else settings.active
    active, canary, wrong = _loaded(directory, ref, is_canary=False), None, None
    try:
        canary = None if settings.frozen else _canary(settings, directory)
    except InputError as unusable:
        wrong = unusable
    serving = Serving(
        active=active,
        canary=canary,
        budgets=settings.budgets,
        log_prompt_id=settings.log_prompt_id,
        frozen=settings.frozen,
    )
    return serving, wrong


def _canary(settings: Settings, directory: Path) -> CanaryRoute | None:
    ref = settings.canary
    if ref is None or settings.share == 0 or ref == settings.active:
        return None
    choice = _loaded(directory, ref, is_canary=True)
    return CanaryRoute(choice, settings.share, hashlib.sha256(f"{ref}:".encode()))


def _loaded(directory: Path, ref: str, *, is_canary: bool) -> Choice:
    prompt = load_prompt(directory, ref)
    verify_lock(directory, prompt)
    return Choice(
        name=prompt.name,
        version=prompt.version,
        text=prompt.text,
        prompt_id=prompt.prompt_id,
        system_prompt=system_prompt(prompt),
        is_canary=is_canary,
    )
