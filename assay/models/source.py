"""An open model, as the built-in loop uses it: one model and one seed for each run."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

from assay.records import RunKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """An open model, ready for any number of runs."""

    name: str
    """As stored in the `model` column."""
    params_hash: str
    """12 hex digits; equal where settings, server and program are the same."""
    price_ref: str | None
    """As `prices` knows the model; None where no price can be known."""
    max_concurrency: int | None
    """Most runs that it serves well at the same time; None leaves that to the configuration."""
    settings: ModelSettings
    """The user's; a run's own seed is added."""
    for_run: Callable[[RunKey], Model]
    """The model that one run talks to."""
    destination: tuple[str, str] | None = None
    """The provider's address (host and port) or name, and the model as it is known there: all
    who ask the same one share its limits. None: it is of this process, and just slow or fast."""

    def settings_for(self, key: RunKey) -> ModelSettings:
        """The settings of one run: the user's, and a seed unless the user says which or none."""
        return {"seed": run_seed(key), **self.settings}


def run_seed(key: RunKey) -> int:
    """The seed of one run's generations, in [0, 2**31): the same in every evaluation.

    >>> key = dict(prompt_id="p:v1:0", golden_task_id="t", repeat=1, seed=0)
    >>> run_seed(RunKey(evaluation_id="a", **key)) == run_seed(RunKey(evaluation_id="b", **key))
    True
    """
    parts = (str(key.seed), key.prompt_id, key.golden_task_id, str(key.repeat))
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def params_hash(**parts: object) -> str:
    """12 hex digits of the parts' canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
