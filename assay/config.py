"""`assay.yaml`, read: the agent, its prompts, its budgets and its gates, frozen.

Run as a module, it rewrites the JSON Schema that ships with the package.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from assay.agent_sections import BuiltinSection, CommandSection, HttpSection, PythonSection
from assay.documents import Document, Location, parse_yaml, read_bytes
from assay.environment import overlay
from assay.errors import InputError
from assay.sections import Budgets, ConfigFile, EvaluationBudgets
from assay.validation import Place, validated
from assay.wording import sections_in

__all__ = ["Budgets", "BuiltinSection", "Config", "EvaluationBudgets", "load_config"]

SCHEMA_PATH = Path(__file__).with_name("assay.schema.json")


class Config(ConfigFile):
    """The configuration and where it came from."""

    path: Path
    """Absolute."""
    sha256: str
    """Of the file's bytes, 64 hex digits."""

    @property
    def folder(self) -> Path:
        """What the paths in the configuration start from."""
        return self.path.parent

    @property
    def tools_path(self) -> Path | None:
        """The Python file of the built-in agent's tools."""
        tools = self.agent.tools if isinstance(self.agent, BuiltinSection) else None
        return None if tools is None else self.folder / tools

    @property
    def faults_hash(self) -> str | None:
        """12 hex digits over what goes wrong on purpose; None where nothing does."""
        faults = self.testing.model_dump(mode="json", include={"faults"})["faults"]
        text = json.dumps(faults, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12] if faults else None

    @property
    def code_paths(self) -> tuple[Path, ...]:
        """The files of the agent's own code that the configuration names and that are there."""
        match self.agent:
            case BuiltinSection():
                named = [] if self.tools_path is None else [self.tools_path]
                servers = self.agent.mcp_servers.values()
                named += [self.folder / word for each in servers for word in each.command or ()]
            case PythonSection(entrypoint=entrypoint):
                module = self.folder.joinpath(*entrypoint.partition(":")[0].split("."))
                named = [module.with_name(f"{module.name}.py"), module / "__init__.py"]
            case CommandSection(command=words):
                named = [self.folder / word for word in words]
            case HttpSection():
                named = []
        return tuple(filter(_is_file, named))

    @property
    def code_hashes(self) -> list[str]:
        """64 hex digits over each file of the agent's own code."""
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.code_paths]


def _is_file(path: Path) -> bool:
    """No where a word of a command is too long for a name."""
    try:
        return path.is_file()
    except OSError:
        return False


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read `assay.yaml` and its environment twins.

    Args:
        path: The file, as the user named it.
        environ: The environment; its `ASSAY_SECTION__KEY` win over the file's keys.

    Raises:
        InputError: The file is missing or wrong, or a variable is.
    """
    mend = "run in the folder that holds assay.yaml, or name it with -c"
    raw = read_bytes(path, mend=mend)
    document = parse_yaml(raw, path=path)
    if not isinstance(document.value, dict):
        problem = "the file is not a mapping of sections"
        raise InputError(problem, path=path, line=1, mend="begin with `prompts:`")
    value = _without_empty_sections(document.value, ConfigFile)
    origins = overlay(value, environ=environ, model=ConfigFile)
    file = validated(
        ConfigFile,
        value,
        subject="the file",
        place=lambda location: _place(location, document=document, origins=origins),
    )
    sections = {name: getattr(file, name) for name in ConfigFile.model_fields}
    return Config(**sections, path=path.absolute(), sha256=hashlib.sha256(raw).hexdigest())


def schema_text() -> str:
    """The JSON Schema of `assay.yaml`, as it ships."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **ConfigFile.model_json_schema(),
        "title": "assay.yaml",
    }
    return json.dumps(schema, indent=2) + "\n"


def _without_empty_sections(value: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """A section whose keys are all commented out is read as null; it has its defaults."""
    kept = dict(value)
    for name, field in model.model_fields.items():
        inner, sections = value.get(name), sections_in(field.annotation)
        if name in value and sections and inner is None:
            del kept[name]
        elif isinstance(inner, dict):
            for section in sections:
                inner = kept[name] = _without_empty_sections(inner, section)
    return kept


def _place(location: Location, *, document: Document, origins: Mapping[Location, str]) -> Place:
    for length in range(len(location), 0, -1):
        if (variable := origins.get(location[:length])) is not None:
            return Place(variable=variable)
    return Place(path=document.path, line=document.line(location))


if __name__ == "__main__":
    SCHEMA_PATH.write_text(schema_text(), encoding="utf-8")
