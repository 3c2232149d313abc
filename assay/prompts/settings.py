"""What an `assay.yaml` sends to production: read strictly, and nothing else of the file.

A typo in a gate must not keep production from following a rollback, so the other sections may
mean nonsense; the file has to be valid YAML all the same.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from assay.errors import InputError
from assay.prompts.versions import parse_ref
from assay.yaml_loader import TAG, Loader

BUDGETS: Mapping[str, float | None] = {
    "max_steps": 25,
    "max_tool_calls": 12,
    "max_seconds": 60.0,
    "max_tokens": None,
    "max_spend_usd": None,
}
"""Limits of one run that a config leaves out."""
SHARE = 0.05
_NUMBERS = (f"{TAG}int", f"{TAG}float")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of a config that production goes by."""

    active: str
    rollback: str
    directory: str
    """Of the prompts, from the config's folder."""
    require_prompt_id: bool
    log_prompt_id: bool
    canary: str | None
    """The version that a share of the keys is answered with; None where there is none."""
    share: float
    """In [0, 1]."""
    frozen: bool
    """The kill switch: no canary, and no version that was rolled back from."""
    budgets: Mapping[str, float | None]
    """Limits of one run, for its first line in the log; what is no number there is None."""


def parse_settings(raw: bytes, path: Path) -> Settings:
    """Read a config's bytes.

    Raises:
        InputError: They are not one YAML mapping in UTF-8, or one of these keys is missing,
            is given twice, or holds something else than it should.
    """
    top = _Mapping(_composed(raw, path), "", path)
    prompts, rollout = top.mapping("prompts"), top.mapping("rollout")
    canary, observability = rollout.mapping("canary"), top.mapping("observability")
    version, share = canary.text("version", None), canary.number("share", SHARE)
    if not 0 <= share <= 1:
        raise canary.refusal("share", "must be from 0 to 1")
    settings = Settings(
        active=prompts.ref("active"),
        rollback=prompts.ref("rollback"),
        directory=prompts.text("directory", "prompts") or "prompts",
        require_prompt_id=prompts.flag("require_prompt_id", True),
        log_prompt_id=observability.flag("log_prompt_id", True),
        canary=version and canary.ref("version"),
        share=share,
        frozen=rollout.flag("frozen", False),
        budgets=top.mapping("budgets").numbers(BUDGETS),
    )
    if settings.require_prompt_id and not settings.log_prompt_id:
        raise observability.refusal(
            "log_prompt_id", "is false, but prompts.require_prompt_id is true"
        )
    return settings


def _composed(raw: bytes, path: Path) -> yaml.Node:
    try:
        node = Loader(raw.decode("utf-8-sig")).get_single_node()
    except UnicodeDecodeError as bad:
        line = raw.count(b"\n", 0, bad.start) + 1
        mend = "save the file as UTF-8"
        raise InputError("this line is not UTF-8", path=path, line=line, mend=mend) from None
    except (yaml.YAMLError, RecursionError) as bad:
        mark = getattr(bad, "problem_mark", None)
        problem = f"not valid YAML: {getattr(bad, 'problem', None) or type(bad).__name__}"
        raise InputError(problem, path=path, line=mark and mark.line + 1) from None
    if node is None:
        raise InputError("the file is empty", path=path)
    return node


class _Mapping:
    """The scalars of one mapping, each of the kind that is asked for."""

    def __init__(self, node: yaml.Node | None, name: str, path: Path) -> None:
        self._name, self._path = name, path
        self._nodes: dict[str, yaml.Node] = {}
        self._line = 1 if node is None else node.start_mark.line + 1
        if node is None or node.tag == f"{TAG}null":
            return
        if not isinstance(node, yaml.MappingNode):
            what = f"`{name}` is" if name else "the file is"
            raise InputError(f"{what} not a mapping", path=path, line=self._line)
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in self._nodes:
                raise self.refusal(key.value, "is given twice")
            self._nodes[key.value] = value
        if name and "<<" in self._nodes:
            raise self.refusal("<<", "is not read here: write the keys themselves")

    def mapping(self, key: str) -> "_Mapping":
        """Empty where it is missing."""
        return _Mapping(self._nodes.get(key), self._full(key), self._path)

    def text(self, key: str, default: str | None) -> str | None:
        node = self._nodes.get(key)
        if node is None or (default is None and node.tag == f"{TAG}null"):
            return default
        if node.tag != f"{TAG}str" or not isinstance(node, yaml.ScalarNode):
            raise self.refusal(key, "must be a string")
        return str(node.value)

    def ref(self, key: str) -> str:
        value = self.text(key, None)
        if value is None:
            raise self.refusal(key, "is missing")
        try:
            parse_ref(value)
        except InputError as wrong:
            raise self.refusal(key, f"names no version: {wrong.problem}") from None
        return value

    def flag(self, key: str, default: bool) -> bool:
        node = self._nodes.get(key)
        if node is None:
            return default
        if node.tag != f"{TAG}bool":
            raise self.refusal(key, "must be true or false")
        return str(node.value).lower() == "true"

    def number(self, key: str, default: float) -> float:
        node = self._nodes.get(key)
        if node is None:
            return default
        if node.tag not in _NUMBERS:
            raise self.refusal(key, "must be a number")
        return float(node.value)

    def numbers(self, defaults: Mapping[str, float | None]) -> dict[str, float | None]:
        """What is no number is not known: a limit that is mistyped must stop no rollback."""
        read = dict(defaults)
        for key in defaults.keys() & self._nodes.keys():
            node = self._nodes[key]
            value = float(node.value) if node.tag in _NUMBERS else math.nan
            number = int(value) if value.is_integer() else value
            read[key] = number if math.isfinite(number) else None
        return read

    def refusal(self, key: str, problem: str) -> InputError:
        node = self._nodes.get(key)
        line = self._line if node is None else node.start_mark.line + 1
        return InputError(f"`{self._full(key)}` {problem}", path=self._path, line=line)

    def _full(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key
