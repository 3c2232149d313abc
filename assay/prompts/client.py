"""The production client: picks the version for a request, follows a switch within a second.

    client = assay.prompts.open("assay.yaml")
    choice = client.choose(user_id)         # the same version for the same user
    with client.run(choice) as run:         # one line now, one when it ends
        ...

No thread and no timer: at most every `check_every_s` a pick looks at the file, which costs
microseconds. Whatever is wrong then, the last good version goes on serving, and it is said.
"""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from assay.errors import InputError
from assay.prompts.complaints import Complaints
from assay.prompts.forks import after_fork
from assay.prompts.run import Run
from assay.prompts.run_log import RunLog
from assay.prompts.serving import Choice, Serving, load_serving
from assay.prompts.settings import parse_settings
from assay.prompts.versions import PromptVersion
from assay.prompts.watching import STILL_S, Mark, has_lain_still, mark_of, read_unchanged

RETRY_S = 0.5
"""After which a config that could not be used is tried again: a text may have come meanwhile."""
_ATTEMPTS = 50
"""Readings of a config that changes under them, when there is no last good one yet."""


class Client:
    """Picks prompt versions by an `assay.yaml`; for all threads of a process, and its forks.

    Args:
        config: The file.
        run_log: Folder of the run logs, from the config's folder.
        on_error: Told of every distinct error; what it raises is logged and dropped.
        check_every_s: How often, at most, a pick looks whether the config has changed.

    Raises:
        InputError: The config, a prompt's text or the lock is wrong.
    """

    def __init__(
        self,
        config: Path | str,
        *,
        run_log: Path | str = "logs",
        on_error: Callable[[Exception], object] | None = None,
        check_every_s: float = 0.25,
    ) -> None:
        self._config = Path(config).absolute()
        self._every_s = check_every_s
        self._complaints = Complaints(on_error)
        self._lock = threading.Lock()
        self._seen: Mark | None = None
        self._loaded: Mark | None = None
        self._serving = self._first()
        self._next_look = self._next_try = time.monotonic() + check_every_s
        self.run_log = RunLog(self._config.parent / run_log, on_error=on_error)
        after_fork(self._begin_anew)

    def choose(self, key: str) -> Choice:
        """The version to answer with: active, or the canary for its share of the keys.

        Args:
            key: Of whom is always to get the same version: a user, a conversation.

        Raises:
            TypeError: It is no string; also where no canary asks for it yet.
        """
        if not isinstance(key, str):
            raise TypeError(f"a key is a string, not {type(key).__name__}")
        if time.monotonic() >= self._next_look:
            self._look()
        return self._serving.choose(key)

    def run(self, choice: PromptVersion, **about: str | None) -> Run:
        """A run to be logged: `with client.run(choice) as run`.

        Args:
            choice: What it runs with.
            about: `agent`, `model`, `category`, `run_id` and `golden_task_id`, where known.

        Raises:
            InputError: `choice` is no prompt version: a run without prompt_id is not logged.
        """
        if not isinstance(choice, PromptVersion) or not choice.prompt_id:
            raise InputError(
                f"a run needs the version that it runs with, not {type(choice).__name__}",
                mend="client.run(client.choose(key))",
            )
        serving = self._serving
        return Run(
            self.run_log,
            choice,
            budgets=serving.budgets,
            log_prompt_id=serving.log_prompt_id,
            about=about,
        )

    def close(self) -> None:
        """Close the run log's file; a further run opens a new one."""
        self.run_log.close()

    @property
    def error(self) -> Exception | None:
        """Why the last good config goes on serving; None while the newest does."""
        return self._complaints.error

    @property
    def budgets(self) -> Mapping[str, float | None]:
        """Limits of one run, as the config has them."""
        return self._serving.budgets

    @property
    def frozen(self) -> bool:
        """Whether the kill switch holds."""
        return self._serving.frozen

    def _look(self) -> None:
        """Follow the config if it has changed; one thread does, the others go on meanwhile."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._next_look = time.monotonic() + self._every_s
            self._follow()
        except Exception as wrong:  # noqa: BLE001 - the agent goes on, whatever this was
            self._complaints.hear(wrong)
        finally:
            self._lock.release()

    def _follow(self) -> None:
        before, self._seen = self._seen, _mark(self._config)
        is_known = self._seen == self._loaded
        if is_known and (self.error is None or time.monotonic() < self._next_try):
            return
        if not (has_lain_still(self._seen) or (self._seen == before and self._every_s >= STILL_S)):
            return
        self._next_try = time.monotonic() + RETRY_S
        self._loaded = self._seen  # also of what cannot be used: it is not read all the time
        found = self._read(self._seen)
        if found is None:
            self._loaded = None
            return
        self._serving, wrong = found
        if wrong is None:
            self._complaints.mend()
        else:
            self._complaints.hear(wrong)

    def _first(self) -> Serving:
        for _ in range(_ATTEMPTS):
            mark = _mark(self._config)
            is_still = has_lain_still(mark)
            try:
                found = self._read(mark)
            except InputError:
                if is_still:
                    raise
                found = None  # it may be half written
            if found is not None:
                self._loaded = mark if is_still else None
                return _without_faults(*found)
            time.sleep(STILL_S / 10)
        raise InputError("is being written all the time", path=self._config)

    def _read(self, mark: Mark) -> tuple[Serving, Exception | None] | None:
        try:
            raw = read_unchanged(self._config, mark)
        except OSError as refused:
            raise _unreadable(self._config, refused) from None
        if raw is None:
            return None
        return load_serving(parse_settings(raw, self._config), self._config)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()  # another thread of the parent may have held it


def _without_faults(serving: Serving, wrong: Exception | None) -> Serving:
    if wrong is not None:
        raise wrong
    return serving


def _mark(path: Path) -> Mark:
    try:
        return mark_of(path)
    except OSError as refused:
        raise _unreadable(path, refused) from None


def _unreadable(path: Path, refused: OSError) -> InputError:
    return InputError(f"cannot be read: {refused.strerror}", path=path)
