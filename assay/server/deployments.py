"""The deployments of a workspace: `prefect.yaml`, made out for one config and one server.

`prefect.yaml` names no folder and is the same in every clone. What is deployed from it has
the absolute path of the config that it may switch, and starts in the folder that holds
`flows/`. `prefect deploy` itself does the deploying.
"""

import hashlib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from typing import Any

import yaml

import assay
from assay.choices import prompt_versions
from assay.documents import parse_yaml, read_bytes
from assay.errors import CannotEvaluate
from assay.server.service import Service

HOME = Path(assay.__file__).resolve().parents[1]
"""Holds `flows/` and `tasks/`: the checkout, or where packages are installed."""

_HEADER = "# Written by `assay server start --with-worker` from prefect.yaml; edit that one.\n"
_FILE = "deployments.yaml"
_PROGRAM = "assay.server.deploy"
_TIMEOUT_S = 120.0
_MD5 = re.compile("[0-9a-f]{32}")
"""A flow's version as we name it. `prefect deploy` in a clone with a remote takes the commit
instead, which says nothing of the flow's file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment as it should be on the server."""

    full_name: str
    """`flow/name`."""
    fields: Mapping[str, Any]
    """As a `prefect.yaml` has it."""

    @property
    def entrypoint(self) -> str:
        """`flows/evaluate.py:evaluate`."""
        return str(self.fields["entrypoint"])


def deployments(service: Service) -> list[Deployment]:
    """What should be deployed, in the order of `prefect.yaml`.

    Raises:
        InputError: `prefect.yaml` is not readable YAML.
    """
    return [
        Deployment(
            full_name=f"{_flow_name(entry)}/{service.deployment_name(entry['name'])}",
            fields=_made_out(entry, service),
        )
        for entry in _entries(service.config.parent)
    ]


def write(service: Service, wanted: list[Deployment]) -> None:
    """Write the file that is deployed.

    Raises:
        OSError: The worker's folder cannot be written.
    """
    (service.folder / _FILE).write_text(_text(wanted), encoding="utf-8")


def is_as_written(service: Service, wanted: list[Deployment]) -> bool:
    """Whether `prefect.yaml` still says what was deployed from here last."""
    path = service.folder / _FILE
    return not path.exists() or path.read_text(encoding="utf-8") == _text(wanted)


def begin_deploying(service: Service) -> "Popen[str]":
    """Have `prefect deploy` deploy the written file, as soon as the server answers."""
    return Popen(  # noqa: S603 - our own program, no shell
        [sys.executable, "-P", "-m", _PROGRAM, str(service.folder / _FILE), service.pool],
        cwd=HOME,
        env={**service.environ, "PYTHONPATH": "", "PREFECT_CLI_PROMPT": "false"},
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
        errors="replace",
    )


def wait_until_deployed(deploying: "Popen[str]", service: Service) -> None:
    """Return once everything is deployed.

    Raises:
        CannotEvaluate: It is not, with the end of what Prefect had to say.
    """
    try:
        said, _ = deploying.communicate(timeout=_TIMEOUT_S)
    finally:
        deploying.kill()
    if deploying.returncode == 0:
        return
    (service.folder / _FILE).unlink(missing_ok=True)  # the next start tries again
    end = "\n".join(f"    {line.rstrip()}" for line in said.splitlines()[-15:])
    raise CannotEvaluate(
        f"the deployments could not be made on {service.url}; Prefect says:\n{end}"
    )


def differences(wanted: Deployment, found: Mapping[str, Any] | None, config: Path) -> list[str]:
    """What of a deployment on the server is not as it should be, in words.

    Args:
        wanted: As it should be.
        found: As the API describes it; None where it is not there.
        config: The config it is for.
    """
    if found is None:
        return ["is not there"]
    problems = []
    if found.get("entrypoint") != wanted.entrypoint:
        problems.append(f"runs {found.get('entrypoint')}")
    version, parameters = str(found.get("version")), found.get("parameters") or {}
    schema = found.get("parameter_openapi_schema") or {}
    known = schema.get("properties") or {}
    is_another = _MD5.fullmatch(version) is not None and version != _source_hash(wanted)
    if is_another or not set(parameters) <= set(known):
        problems.append("has the parameters of another version of the flow")
    if (stored := parameters.get("config")) != str(config):
        problems.append(f"is for {stored}")
    if (folder := _folder(found)) != str(HOME):
        problems.append(f"runs in {folder}")
    offered = known.get("candidate", {}).get("enum")
    if offered is not None and offered != prompt_versions(config):
        problems.append("offers other prompt versions than there are")
    return problems


def _entries(workspace: Path) -> Iterator[dict[str, Any]]:
    """The deployments of our flows in the workspace's `prefect.yaml`, else in ours."""
    for path in (workspace / "prefect.yaml", HOME / "prefect.yaml"):
        if not path.is_file():
            continue
        document = parse_yaml(read_bytes(path, mend="make it readable"), path=path).value
        listed = document.get("deployments") if isinstance(document, dict) else None
        ours = [entry for entry in listed or [] if _is_ours(entry)]
        if ours:
            yield from ours
            return


def _is_ours(entry: Any) -> bool:
    """Whether an entry runs one of Assay's flows; a workspace may have others of its own."""
    if not (isinstance(entry, dict) and isinstance(entry.get("name"), str)):
        return False
    file, colon, _ = str(entry.get("entrypoint")).partition(":")
    return bool(colon) and file.startswith("flows/") and (HOME / file).is_file()


def _made_out(entry: Mapping[str, Any], service: Service) -> dict[str, Any]:
    pool = entry.get("work_pool")
    return {
        **entry,
        "name": service.deployment_name(entry["name"]),
        "parameters": {**(entry.get("parameters") or {}), "config": str(service.config)},
        "work_pool": {**(pool if isinstance(pool, dict) else {}), "name": service.pool},
    }


def _text(wanted: list[Deployment]) -> str:
    document = {
        "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": str(HOME)}}],
        # Named: of a clone with a remote Prefect would take the commit.
        "deployments": [{**each.fields, "version": _source_hash(each)} for each in wanted],
    }
    return _HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _flow_name(entry: Mapping[str, Any]) -> str:
    """As Prefect names the flow of a function."""
    return str(entry["entrypoint"]).rpartition(":")[2].replace("_", "-")


def _source_hash(wanted: Deployment) -> str:
    """What Prefect takes for a flow's version: the MD5 of its file."""
    source = HOME / wanted.entrypoint.partition(":")[0]
    return hashlib.md5(source.read_bytes(), usedforsecurity=False).hexdigest()


def _folder(found: Mapping[str, Any]) -> str | None:
    """Where a deployment's flow is loaded from."""
    for step in found.get("pull_steps") or []:
        for name, inputs in step.items():
            if name.endswith(".set_working_directory"):
                return str(inputs.get("directory"))
    return found.get("path")
