"""`assay monitor`, and the monitors' lines of `assay status`."""

import argparse
import asyncio
import json
import math
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from assay.config import Config, load_config
from assay.errors import AssayError, CannotEvaluate, InputError
from assay.monitors.breaches import Breach
from assay.monitors.looking import MonitorLook, look, run_logs
from assay.monitors.page import monitor_lines, status_lines
from assay.monitors.told import read_told, tell_new
from assay.prompts import parse_ref

EXIT_BREACH = 3
MIN_SECONDS = 1.0
STATUS_S = 0.4
"""What `assay status` may spend on reading logs; `assay monitor` reads the rest."""


def monitor(arguments: argparse.Namespace) -> int:
    """Look once, or until it is interrupted."""
    if not (math.isfinite(arguments.every) and arguments.every >= MIN_SECONDS):
        raise InputError(f"--every {arguments.every:g} is too often", mend="give 1 or more seconds")
    found = _look(arguments)
    while not arguments.once:
        time.sleep(arguments.every)
        try:
            found = _look(arguments)
        except AssayError as passing:  # a config half edited, a digest in use: a watch goes on
            print(f"warning: {passing}", file=sys.stderr)
    return EXIT_BREACH if found.breaches else 0


def lines_for_status(config: Config) -> Iterator[str]:
    """What production uses; nothing where there are no logs."""
    if not run_logs(config):
        return
    try:
        found = look(config, now=datetime.now(UTC), within_s=STATUS_S, wait_s=STATUS_S)
    except sqlite3.Error as busy:
        yield f"not known now: {busy}"
        return
    yield from status_lines(found, config, read_told(config.folder / config.results.uri))


def _look(arguments: argparse.Namespace) -> MonitorLook:
    config = load_config(arguments.config, os.environ)
    try:
        found = look(config, now=datetime.now(UTC))
    except sqlite3.Error as refused:
        raise CannotEvaluate(f"results/monitors: {refused}", mend="try again") from None
    if not found.n_files:
        raise InputError(
            "no run log is there",
            path=config.path,
            mend="set rollout.monitors.run_log to where production writes: docs/monitors.md",
        )
    _tell(found, config)
    told = read_told(config.folder / config.results.uri)
    if arguments.json:
        from assay.monitors.document import as_json

        print(json.dumps(as_json(found, config, told)), flush=True)
    else:
        print(*monitor_lines(found, config, told), sep="\n", flush=True)
    return found


def _tell(found: MonitorLook, config: Config) -> None:
    """Tell of what is new; that a receiver or the disk fails ends no watch."""
    if not found.breaches:
        return
    from assay.alerts.sending import send_alerts
    from assay.monitors.alarm import alert_of

    agent, _ = parse_ref(config.prompts.active)

    async def tell(breach: Breach) -> None:
        alert = alert_of(breach, agent=agent, now=found.at)
        for delivery in await send_alerts(alert, config.alerts, environ=os.environ):
            print(f"alert: {delivery}", file=sys.stderr)

    try:
        results = config.folder / config.results.uri
        asyncio.run(tell_new(results, found.breaches, tell, now=found.at))
    except (OSError, AssayError) as refused:
        print(f"warning: receivers were perhaps not told: {refused}", file=sys.stderr)
