"""Errors that must not stop an agent: each is said once, and kept where it can be asked for."""

import logging
from collections.abc import Callable

LOGGER = logging.getLogger("assay.prompts")
_MOST = 100
"""Distinct errors that are kept apart; more of them are said again."""


class Complaints:
    """What is wrong now, told once until it is mended.

    Args:
        on_error: Told of each; what it raises is logged and dropped.
    """

    def __init__(self, on_error: Callable[[Exception], object] | None) -> None:
        self._on_error = on_error
        self._said: set[str] = set()
        self.error: Exception | None = None
        """The last one; None once it is mended."""

    def hear(self, error: Exception) -> None:
        """Keep an error, and say it if it is new."""
        self.error = error
        words = f"{type(error).__name__}: {error}"
        if words in self._said:
            return
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said.add(words)
        LOGGER.warning("%s", error)
        if self._on_error is None:
            return
        try:
            self._on_error(error)
        except Exception:  # a callback of the agent's: its fault stops no answer
            LOGGER.exception("on_error failed")

    def mend(self) -> None:
        """All is well: the same error is said again when it comes back."""
        self.error = None
        self._said.clear()
