"""`assay doctor`: is this installation well, and if not, what mends it?"""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from assay.commands.on_prefect import check_that_flows_are_ours
from assay.commands.verdicts import STANDARD_OUTPUT, check_json
from assay.config import Config, load_config
from assay.doctor import agent, installation, service, variables, workspace
from assay.doctor.finding import Finding, Level, examined, ok

EXIT_UNWELL = 4


def doctor(arguments: argparse.Namespace) -> int:
    """Look at everything; 4 if something cannot work."""
    as_json: Path | None = arguments.json
    check_json(as_json)
    findings = []
    for finding in _findings(arguments.config):
        findings.append(finding)
        if as_json != STANDARD_OUTPUT:
            _show(finding)
    if as_json is not None:
        text = json.dumps({"findings": [asdict(finding) for finding in findings]}, indent=2)
        if as_json == STANDARD_OUTPUT:
            print(text)
        else:
            as_json.write_text(f"{text}\n", encoding="utf-8")
    unwell = any(finding.level is Level.FAIL for finding in findings)
    return EXIT_UNWELL if unwell else 0


def _findings(path: Path) -> Iterator[Finding]:
    yield from examined("python", installation.python)
    yield from examined("packages", installation.packages)
    yield from examined("flows", _flows)
    config: list[Config] = []
    yield from examined("config", partial(_read, path, into=config))
    if config:
        yield from _of_workspace(config[0])
    if path.is_file():
        yield from examined("history", partial(workspace.history, path))
        yield from examined("server", partial(service.service, path, os.environ))


def _read(path: Path, *, into: list[Config]) -> Iterator[Finding]:
    into.append(load_config(path, os.environ))
    yield ok("config", str(into[0].path))


def _of_workspace(config: Config) -> Iterator[Finding]:
    yield from examined("prompts", partial(workspace.prompts, config))
    yield from examined("golden tasks", partial(workspace.golden_tasks, config))
    yield from examined("tools", partial(agent.tools, config))
    yield from examined("model", partial(agent.model, config))
    yield from examined("alerts", partial(variables.variables, config, os.environ))
    yield from examined("folders", partial(workspace.folders, config))


def _flows() -> Iterator[Finding]:
    check_that_flows_are_ours()
    yield ok("flows", "Assay's own")


def _show(finding: Finding) -> None:
    says = "".join(char if char.isprintable() else " " for char in finding.says)
    print(f"{finding.level:<4}  {finding.what}: {says}", flush=True)
    if finding.mend is not None:
        print(f"        mend: {finding.mend}", flush=True)
