"""`assay canary start | status | watch | promote`: without Prefect, which may be down."""

import argparse
import asyncio
import math
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assay.commands.canary_end import say
from assay.commands.screen import Screen
from assay.config import Config, load_config
from assay.errors import AssayError, InputError
from assay.history import CANARY_START, Cause, read_history, whoami
from assay.prompts import load_prompt

if TYPE_CHECKING:
    from assay.canary.looking import Look

GOES_ON = ("watching", "no data", "share raised", "awaiting approval")
SHOULD_BE_SEEN = ("alarm", "no data")
"""Outcomes for which `--once` does not exit with 0."""
EXIT_LOOK_AT_IT = 3
MIN_SECONDS = 1.0


def start(arguments: argparse.Namespace) -> int:
    """Begin a canary, on an evaluation's promote verdict or by force."""
    from assay.canary.beginning import begin_canary
    from assay.promotion import read_evidence

    config = load_config(arguments.config, os.environ)
    wanted: str = arguments.version
    name = config.prompts.active.partition(":")[0]
    ref = wanted if ":" in wanted else f"{name}:{wanted}"
    prompt = load_prompt(config.folder / config.prompts.directory, ref)
    if arguments.force and not arguments.reason:
        raise InputError("--force needs a reason", mend="add --reason 'why without evidence'")
    evidence = None
    if not arguments.force:
        evidence = read_evidence(config, arguments.evaluation, prompt_id=prompt.prompt_id)
    cause = Cause(
        action=CANARY_START,
        who=whoami(),
        at=datetime.now(UTC),
        reason=arguments.reason or f"evaluation {arguments.evaluation} said promote",
        evaluation_id=evidence.folder.evaluation_id if evidence else None,
        evidence_sha256=evidence.folder.evidence_sha256() if evidence else None,
        overrides=evidence.overrides if evidence else ("force",),
    )
    share = _share(config, arguments.share)
    say(begin_canary(config, prompt, share, cause=cause, evidence=evidence))
    return 0


def status(arguments: argparse.Namespace) -> int:
    """The canary that runs, or the last one, as it was at its last look."""
    from assay.canary.page import canary_page
    from assay.canary.state import last_state
    from assay.pointers import read_pointer_file

    config = load_config(arguments.config, os.environ)
    print(read_pointer_file(arguments.config).says.canary or "no canary")
    state = last_state(config.folder / config.results.uri, read_history(config.path).canaries)
    if state is not None:
        Screen(highlight=False).print(canary_page(state))
    return 0


def watch(arguments: argparse.Namespace) -> int:
    """Look once, or until there is no canary any more."""
    if not (math.isfinite(arguments.every) and arguments.every >= MIN_SECONDS):
        raise InputError(f"--every {arguments.every:g} is too often", mend="give 1 or more seconds")
    while True:
        outcome = _look(arguments.config)
        if arguments.once or outcome not in GOES_ON:
            return EXIT_LOOK_AT_IT if outcome in SHOULD_BE_SEEN else 0
        time.sleep(arguments.every)


def promote(arguments: argparse.Namespace) -> int:
    """Make the canary active, if it has shown itself no worse."""
    from assay.canary.looking import approve

    config = load_config(arguments.config, os.environ)
    _tell(config, approve(config, who=whoami(), note=arguments.reason, now=datetime.now(UTC)))
    return 0


def _look(path: Path) -> str:
    """One look, told to whoever sits here and to the receivers of alerts."""
    from assay.canary.looking import look

    config = load_config(path, os.environ)
    found = look(config, who=whoami(), now=datetime.now(UTC))
    _tell(config, found)
    return found.outcome


def _tell(config: Config, found: "Look") -> None:
    from assay.alerts.sending import send_alerts
    from assay.canary.alarm import alert_of
    from assay.canary.governed import tell_governor
    from assay.canary.looking import mark_told
    from assay.canary.page import canary_page

    governor = tell_governor(config, found, os.environ)
    warnings = (f"warning: {each}" for each in (*found.warnings, *governor.warnings))
    for line in (*found.acted.outputs, *warnings):
        print(line, file=sys.stderr)
    if found.state is None:
        print(found.reason)
        return
    Screen(highlight=False).print(canary_page(found.state))
    print(*governor.lines, sep="\n", end="\n" if governor.lines else "")
    if found.incident is not None:
        print(f"what was seen: {found.incident}")
    if found.must_tell:
        sent = asyncio.run(send_alerts(alert_of(found), config.alerts, environ=os.environ))
        for delivery in sent:
            print(f"alert: {delivery}", file=sys.stderr)
        try:
            mark_told(config, found.state)
        except (OSError, AssayError) as refused:
            print(f"warning: {refused}", file=sys.stderr)


def _share(config: Config, asked: float | None) -> float:
    """As asked for, or that of the first step, or as the config says it."""
    from assay.canary.steps import first_share

    share = asked if asked is not None else first_share(config)
    if not 0 < share <= 1:
        raise InputError(f"--share {share:g} is no share", mend="give one in (0, 1], such as 0.05")
    return float(share)
