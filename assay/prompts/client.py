"""The production client: picks the version for a request, follows a switch within a second.

    client = assay.prompts.open("assay.yaml")
    choice = client.choose(user_id)         # the same version for the same user
    with client.run(choice) as run:         # one line now, one when it ends
        ...

No thread and no timer: at most every `check_every_s` a pick looks at the file, which costs
microseconds. Whatever is wrong then, the last good version goes on serving, and it is said.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from assay.errors import InputError
from assay.prompts.complaints import Complaints
from assay.prompts.following import Follower
from assay.prompts.run import Run
from assay.prompts.run_log import RunLog
from assay.prompts.serving import Choice
from assay.prompts.versions import PromptVersion


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
        path = Path(config).absolute()
        self._complaints = Complaints(on_error)
        self._following = Follower(path, every_s=check_every_s, complaints=self._complaints)
        self.run_log = RunLog(path.parent / run_log, on_error=on_error)

    def choose(self, key: str) -> Choice:
        """The version to answer with: active, or the canary for its share of the keys.

        Args:
            key: Of whom is always to get the same version: a user, a conversation.

        Raises:
            TypeError: It is no string; also where no canary asks for it yet.
        """
        if not isinstance(key, str):
            raise TypeError(f"a key is a string, not {type(key).__name__}")
        if time.monotonic() >= self._following.next_look:
            self._following.look()
        return self._following.serving.choose(key)

    def run(self, choice: PromptVersion, **about: str | None) -> Run:
        """A run to be logged: `with client.run(choice) as run`.

        Args:
            choice: What it runs with.
            about: `agent`, `model`, `category`, `run_id` and `golden_task_id`, where known; and
                `input`, where it may be logged.

        Raises:
            InputError: `choice` is no prompt version: a run without prompt_id is not logged.
        """
        if not isinstance(choice, PromptVersion) or not choice.prompt_id:
            raise InputError(
                f"a run needs the version that it runs with, not {type(choice).__name__}",
                mend="client.run(client.choose(key))",
            )
        serving = self._following.serving
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
        return self._following.serving.budgets

    @property
    def frozen(self) -> bool:
        """Whether the kill switch holds."""
        return self._following.serving.frozen
