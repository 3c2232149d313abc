"""Following a config: its last good state serves, until a newer one is found and is good.

One thread looks at a time, the others go on with what there is: a state is immutable, and is
replaced in one assignment.
"""

import threading
import time
from pathlib import Path

from assay.errors import InputError
from assay.prompts.complaints import Complaints
from assay.prompts.forks import after_fork
from assay.prompts.serving import Serving, load_serving
from assay.prompts.settings import parse_settings
from assay.prompts.watching import STILL_S, Mark, mark_of, read_unchanged

RETRY_S = 0.5
"""After which a config that could not be used is tried again: a text may have come meanwhile."""
_ATTEMPTS = 50
"""Readings of a config that changes under them, when there is no last good one yet."""

Found = tuple[Serving, InputError | None]
"""A state, and what is wrong with its canary."""


class Follower:
    """Looks at a config, and keeps its last good state.

    Args:
        config: The file.
        every_s: How often `look` is called, at most.
        complaints: Hears what is wrong.

    Raises:
        InputError: The config, a prompt's text or the lock is wrong.
    """

    def __init__(self, config: Path, *, every_s: float, complaints: Complaints) -> None:
        self._config, self._every_s, self._complaints = config, every_s, complaints
        self._lock = threading.Lock()
        self._seen: Mark | None = None
        self._seen_since = 0.0
        self._tried: Mark | None = None
        self._next_try = 0.0
        self.serving = self._first()
        self.next_look = time.monotonic() + every_s
        after_fork(self._begin_anew)

    def look(self) -> None:
        """Follow the config if it has changed; never raises, and never waits for another look."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            self.next_look = time.monotonic() + self._every_s
            mark = mark_of(self._config)
            if self._is_to_be_read(mark):
                self._follow(mark)
        except Exception as wrong:  # noqa: BLE001 - the agent goes on, whatever this was
            self._complaints.hear(wrong)
        finally:
            self._lock.release()

    def _is_to_be_read(self, mark: Mark) -> bool:
        if mark != self._seen:
            self._seen, self._seen_since = mark, time.monotonic()
        is_well = self._complaints.error is None
        if mark == self._tried and (is_well or time.monotonic() < self._next_try):
            return False
        return mark.has_lain_still or time.monotonic() - self._seen_since >= STILL_S

    def _follow(self, mark: Mark) -> None:
        self._next_try = time.monotonic() + RETRY_S
        self._tried = mark if mark.is_settled else None  # also where it cannot be used
        found = self._read(mark)
        if found is None:
            self._tried = None
            return
        self.serving, wrong = found
        if wrong is None:
            self._complaints.mend()
        else:
            self._complaints.hear(wrong)

    def _first(self) -> Serving:
        wrong = InputError("is being written all the time", path=self._config)
        for _ in range(_ATTEMPTS):
            mark = mark_of(self._config)
            is_still = mark.has_lain_still
            try:
                found = self._read(mark)
            except InputError as refused:
                if is_still:
                    raise
                found, wrong = None, refused  # it may be half written
            if found is not None:
                self._tried = mark if mark.is_settled else None
                return _without_faults(found)
            time.sleep(STILL_S / 10)
        raise wrong

    def _read(self, mark: Mark) -> Found | None:
        raw = read_unchanged(self._config, mark)
        if raw is None:
            return None
        return load_serving(parse_settings(raw, self._config), self._config)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()  # another thread of the parent may have held it


def _without_faults(found: Found) -> Serving:
    serving, wrong = found
    if wrong is not None:
        raise wrong
    return serving
