"""`assay promote`: make a version active, on an evaluation's evidence or by force."""

import argparse
import json
import os
from datetime import UTC, datetime
from typing import Any

from assay import live
from assay.commands.rolling_back import say
from assay.config import Config, load_config
from assay.errors import InputError, NoVerdict
from assay.history import FORCE, PROMOTE, Cause, whoami
from assay.pointers import Pointers
from assay.prompts import PromptVersion, load_prompt, lock_prompts
from assay.store.evaluations import find_evaluation


def promote(arguments: argparse.Namespace) -> int:
    """Make a version active, on an evaluation's promote verdict or by force."""
    config = load_config(arguments.config, os.environ)
    directory = config.folder / config.prompts.directory
    wanted: str = arguments.version
    name = config.prompts.active.partition(":")[0]
    prompt = load_prompt(directory, wanted if ":" in wanted else f"{name}:{wanted}")
    pointers = Pointers(active=config.prompts.active, rollback=config.prompts.rollback)
    cause = (
        _by_force(prompt, arguments)
        if arguments.force
        else _on_evidence(prompt, arguments, config=config, active=pointers.active)
    )
    lock_prompts(directory, [prompt])
    to = pointers.promoting(prompt.ref)
    say(live.switch(arguments.config, to=to, expect=pointers, cause=cause))
    return 0


def _by_force(prompt: PromptVersion, arguments: argparse.Namespace) -> Cause:
    if not arguments.reason:
        raise InputError("--force needs a reason", mend="add --reason 'why this cannot wait'")
    return Cause(
        action=FORCE,
        who=whoami(),
        at=datetime.now(UTC),
        reason=arguments.reason,
        prompt_ids={prompt.ref: prompt.prompt_id},
    )


def _on_evidence(
    prompt: PromptVersion, arguments: argparse.Namespace, *, config: Config, active: str
) -> Cause:
    """The cause that an evaluation gives, if it was about just this switch.

    Raises:
        NoVerdict: Its verdict is another, or what it compared is no longer what is there.
    """
    folder = find_evaluation(config.folder / config.results.uri, arguments.evaluation)
    if not folder.decision.exists():
        raise NoVerdict(f"evaluation {folder.evaluation_id} has no verdict")
    decision: dict[str, Any] = json.loads(folder.decision.read_text(encoding="utf-8"))
    if decision["verdict"] != "promote":
        raise NoVerdict(f"evaluation {folder.evaluation_id} says {decision['reason']}")
    if decision["candidate"]["prompt_id"] != prompt.prompt_id:
        raise NoVerdict(
            f"evaluation {folder.evaluation_id} judged {decision['candidate']['prompt_id']}, "
            f"not {prompt.prompt_id}"
        )
    baseline = "{name}:{version}".format(**decision["baseline"])
    if active not in (baseline, prompt.ref):
        raise NoVerdict(
            f"evaluation {folder.evaluation_id} compared with {baseline}, but {active} is active",
            mend=f"evaluate against what is active: assay evaluate {prompt.ref}",
        )
    return Cause(
        action=PROMOTE,
        who=whoami(),
        at=datetime.now(UTC),
        reason=arguments.reason or decision["reason"].removeprefix("promote: "),
        prompt_ids={prompt.ref: prompt.prompt_id},
        evaluation_id=folder.evaluation_id,
        evidence_sha256=folder.evidence_sha256(),
    )
