"""`assay promote` and `assay approve`: switch by hand, on an evaluation's evidence or by force."""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from assay import live
from assay.canary.switching import CanarySwitch
from assay.commands.canary_end import say as say_canary
from assay.commands.rolling_back import say
from assay.config import Config, load_config
from assay.errors import InputError
from assay.history import FORCE, Cause, whoami
from assay.pointers import Pointers
from assay.prompts import PromptVersion, load_prompt, lock_prompts


def promote(arguments: argparse.Namespace) -> int:
    """Make a version active, on an evaluation's promote verdict or by force."""
    config = load_config(arguments.config, os.environ)
    wanted: str = arguments.version
    name = config.prompts.active.partition(":")[0]
    prompt = load_prompt(
        config.folder / config.prompts.directory, wanted if ":" in wanted else f"{name}:{wanted}"
    )
    _say((_by_force if arguments.force else _on)(config, prompt, arguments), arguments.config)
    return 0


def approve(arguments: argparse.Namespace) -> int:
    """Switch what an evaluation decided that awaits approval.

    Here, and not as a flow run: a switch must be possible while no server is.
    """
    from assay.approval import approve as approve_evaluation
    from assay.promotion import Consent

    config = load_config(arguments.config, os.environ)
    consent = Consent(who=whoami(), at=datetime.now(UTC), note=arguments.reason)
    _say(approve_evaluation(config, arguments.evaluation, consent).switch, arguments.config)
    return 0


def _say(done: live.Switch | CanarySwitch, config: Path) -> None:
    if isinstance(done, live.Switch):
        say(done, "switch", config)
    else:
        say_canary(done)


def _on(
    config: Config, prompt: PromptVersion, arguments: argparse.Namespace
) -> live.Switch | CanarySwitch:
    """On an evaluation's evidence; with `rollout.promote_to: canary` it begins a canary."""
    from assay.canary.promoting import carry_out
    from assay.promotion import Consent, read_evidence

    evidence = read_evidence(config, arguments.evaluation, prompt_id=prompt.prompt_id)
    consent = Consent(who=whoami(), at=datetime.now(UTC), note=arguments.reason)
    return carry_out(config, prompt, evidence, consent).switch


def _by_force(config: Config, prompt: PromptVersion, arguments: argparse.Namespace) -> live.Switch:
    if not arguments.reason:
        raise InputError("--force needs a reason", mend="add --reason 'why this cannot wait'")
    cause = Cause(
        action=FORCE,
        who=whoami(),
        at=datetime.now(UTC),
        reason=arguments.reason,
        prompt_ids={prompt.ref: prompt.prompt_id},
        overrides=("force",),
    )
    lock_prompts(config.folder / config.prompts.directory, [prompt])
    now = Pointers(active=config.prompts.active, rollback=config.prompts.rollback)
    return live.switch(arguments.config, to=now.promoting(prompt.ref), expect=now, cause=cause)
