"""How a canary begins: on evidence or by force, with its prompts' ids and its token threshold.

Everything that the watch compares with is fixed here, before the first canary run.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.canary.metrics import is_of
from assay.canary.state import CanaryState, Outcome, canary_id, id_of_canary, write_state
from assay.canary.switching import (
    CanarySwitch,
    beginning_of,
    record_found,
    start_canary,
    taken_back,
)
from assay.config import Config
from assay.errors import AssayError, InputError, NoVerdict
from assay.governance.governor import CanaryFacts, governor_of
from assay.history import CANARY_START, Cause, Entry, read_history
from assay.pointers import NO_CANARY, Canary
from assay.promotion import Evidence, check_still_about, pointers_of
from assay.prompts import PromptVersion, load_prompt, lock_prompts
from assay.store.log_values import TIME
from assay.store.production_log import read_production_log

BEFORE = timedelta(days=7)
"""How far back the active version's runs are looked at for the token threshold."""
MIN_RUNS_OF_A_P95 = 59
"""Fewer may all lie below the p95: .95^59 < .05."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A canary as it began: what is compared with what."""

    canary_id: str
    version: str
    prompt_id: str
    share: float
    baseline: str
    """What was active then."""
    baseline_prompt_id: str
    began_at: datetime


def begin_canary(
    config: Config,
    prompt: PromptVersion,
    share: float,
    *,
    cause: Cause,
    evidence: Evidence | None,
) -> CanarySwitch:
    """Answer a share of production's requests with a prompt.

    Args:
        config: Where it begins.
        prompt: The canary.
        share: Of requests, in (0, 1].
        cause: Who, when, why, on which evaluation.
        evidence: The evaluation that said promote; None by force.

    Raises:
        NoVerdict: What was compared is no longer there, there is a canary already, or the
            version was taken back by an alarm, which only force overrides.
        InputError: A file is wrong, or no run log is named.
        CannotEvaluate: A file cannot be written.
    """
    if config.rollout.canary.run_log is None:
        raise InputError(
            "no run log is named: nothing would guard the canary",
            path=config.path,
            mend="set rollout.canary.run_log, such as logs/runs-*.jsonl",
        )
    if evidence is not None:
        check_still_about(evidence, config, prompt)
        if (alarm := taken_back(prompt.ref, read_history(config.path))) is not None:
            raise NoVerdict(
                f"{prompt.ref} was taken back at {alarm.cause.at:%Y-%m-%d %H:%M} UTC: "
                f"{alarm.cause.reason}",
                mend="mend the prompt as a new version; or --force --reason TEXT",
            )
    ids = _prompt_ids(config, prompt)
    threshold = token_threshold(config, ids[config.prompts.active], before=cause.at)
    governed = _govern(config, prompt, ids, cause)
    done = start_canary(
        config.path,
        Canary(prompt.ref, share),
        expect=pointers_of(config),
        cause=replace(cause, action=CANARY_START, prompt_ids=ids),
    )
    if done.changed and done.entry is not None:
        keep = _first_state(config, watched_since(done.entry), threshold)
        done = replace(done, warnings=(*done.warnings, *keep))
    return replace(done, warnings=(*done.warnings, *governed))


def _govern(
    config: Config, prompt: PromptVersion, ids: Mapping[str, str], cause: Cause
) -> tuple[str, ...]:
    """Tell the governor before the first canary run; its warnings."""
    facts = CanaryFacts(
        canary_id=id_of_canary(prompt.ref, cause.at),
        version=prompt.ref,
        prompt_id=ids[prompt.ref],
        baseline_prompt_id=ids[config.prompts.active],
        reason=cause.reason,
    )
    return governor_of(config, os.environ).before_canary(facts).warnings


def watched(config: Config, canary: Canary, *, who: str, now: datetime) -> Watched:
    """The canary that the config names, from the history of its beginning.

    One that somebody wrote there by hand begins at the first look, which records it.

    Raises:
        InputError: The text of one of the two prompts cannot be read.
        CannotEvaluate: The history cannot be written.
        NoVerdict: The canary has gone meanwhile.
    """
    began = beginning_of(canary, read_history(config.path).canaries)
    if began is None:
        prompt = load_prompt(config.folder / config.prompts.directory, canary.version or "")
        cause = Cause(
            action=CANARY_START,
            who=who,
            at=now,
            reason="found in the configuration, written there by hand",
            prompt_ids=_prompt_ids(config, prompt),
        )
        began = record_found(config.path, canary, cause=cause)
    if began is None:
        raise NoVerdict("the canary was ended at this very moment")
    return watched_since(began)


def watched_since(began: Entry) -> Watched:
    """What a start fixed."""
    canary = began.canary.after if began.canary else NO_CANARY
    version, baseline, ids = str(canary.version), began.after.active, began.cause.prompt_ids
    return Watched(
        canary_id=canary_id(began),
        version=version,
        prompt_id=ids.get(version, ""),
        share=canary.share,
        baseline=baseline,
        baseline_prompt_id=ids.get(baseline, ""),
        began_at=began.cause.at,
    )


def token_threshold(config: Config, prompt_id: str, *, before: datetime) -> float | None:
    """Tokens of a dear run, fixed before the canary; None where too few runs were logged.

    Args:
        config: Says it, or names the logs.
        prompt_id: The active version's.
        before: When the canary begins.

    Raises:
        InputError: The logs cannot be understood.
    """
    section = config.rollout.canary
    if section.token_threshold is not None or section.run_log is None:
        return section.token_threshold
    runs = read_production_log(
        config.folder, section.run_log, named=section.columns, since=before - BEFORE
    ).runs
    earlier = runs.filter(pc.less(runs["ended_at"], pa.scalar(before, TIME)))
    tokens = earlier.filter(is_of(earlier, prompt_id))["total_tokens"].drop_null().to_numpy()
    return float(np.quantile(tokens, 0.95)) if tokens.size >= MIN_RUNS_OF_A_P95 else None


def _prompt_ids(config: Config, prompt: PromptVersion) -> dict[str, str]:
    """Of the canary and of what is active, both locked."""
    directory = config.folder / config.prompts.directory
    both = [prompt, load_prompt(directory, config.prompts.active)]
    lock_prompts(directory, both)
    return {each.ref: each.prompt_id for each in both}


def _first_state(config: Config, about: Watched, threshold: float | None) -> list[str]:
    """Keep the threshold; a warning where that fails."""
    state = CanaryState(
        **asdict(about),
        looked_at=about.began_at,
        outcome=Outcome.NO_DATA,
        reason="it has just begun",
        token_threshold=threshold,
        alpha=config.rollout.canary.alpha,
    )
    try:
        write_state(config.folder / config.results.uri, state)
    except (OSError, AssayError) as refused:
        return [f"the state of canary {about.canary_id} was not kept: {refused}"]
    return []
