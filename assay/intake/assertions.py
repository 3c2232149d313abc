"""promptfoo's assertions as a golden task's checks and bounds."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from assay.check_values import NOT, VALUES, expected_by
from assay.documents import parse_yaml
from assay.errors import InputError
from assay.intake.files import is_reference, values_of
from assay.intake.harvest import Found, Harvest, LeftOut
from assay.intake.templates import Renderer
from assay.wording import cut, dotted

BOUNDS: Mapping[str, tuple[str, float]] = {
    "cost": ("max_spend_usd", 1.0),
    "latency": ("max_seconds", 0.001),
}
"""Assertions that are bounds here: the task's key, and one of theirs in ours."""
CODE = frozenset({"javascript", "python", "ruby", "webhook"})
NOT_HERE = frozenset({
    "agent-rubric", "answer-relevance", "bleu", "classifier", "contains-html", "contains-sql",
    "contains-xml", "context-faithfulness", "context-recall", "context-relevance",
    "conversation-relevance", "factuality", "finish-reason", "g-eval", "gleu", "guardrails",
    "human", "is-html", "is-refusal", "is-sql", "is-valid-function-call",
    "is-valid-openai-function-call", "is-valid-openai-tools-call", "is-xml", "levenshtein",
    "max-score", "meteor", "model-graded-closedqa", "model-graded-factuality", "moderation",
    "perplexity", "perplexity-score", "pi", "rouge-n", "search-rubric", "select-best",
    "similar:cosine", "similar:dot", "similar:euclidean", "skill-used", "tool-call-f1",
    "trace-error-spans", "trace-span-count", "trace-span-duration", "trajectory:goal-success",
})  # fmt: skip
"""Types that promptfoo knows and golden tasks do not."""
TYPES = frozenset({*VALUES, *BOUNDS, *CODE, *NOT_HERE})

LISTS = frozenset({"contains-any", "contains-all", "icontains-any", "icontains-all"})
TEXTS = frozenset({"equals", "contains", "icontains", "regex", "starts-with"})
SCHEMAS = frozenset({"is-json", "contains-json"})
CHANGES_MEANING = ("transform", "contextTransform", "config")
TRANSFORMS = ("transform", "postprocess")
"""Options of a test that change its output first."""
TRAJECTORY = "trajectory:"
NOT_READ = ("weight", "metric", "threshold", "provider", "rubricPrompt")
"""Keys without which a check still says what it said."""
MAX_NESTED = 3
MAX_BOUND = 1e12


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries one test's assertions over."""

    renderer: Renderer
    folder: Path | None
    """Where `file://` may lead; None where files are not followed."""
    harvest: Harvest
    root: Any = None
    """The configuration, for `$ref`."""
    is_transformed: bool = False
    """Whether the test changes the output before its assertions see it."""

    def carry(self, assertions: list[Found]) -> dict[str, Any]:
        """The task's `checks` and bounds; what cannot be carried over is counted as lost."""
        checks: list[dict[str, Any]] = []
        bounds: dict[str, float] = {}
        for each in self._flat(assertions):
            self.harvest.assertions += 1
            try:
                kind, carried = self._one(each)
            except LeftOut as left:
                self.harvest.lose(each.place, left.what, left.why)
                continue
            self.harvest.carried += 1
            if kind == "check":
                checks.append(carried)
            else:
                bounds[kind] = min(carried, bounds.get(kind, carried))
        return {"checks": checks, **bounds}

    def _flat(self, assertions: list[Found], nested: int = 0) -> Iterator[Found]:
        """Without references and sets: a set that must pass whole is its members."""
        for given in assertions:
            each = self._referred(given)
            inner = each.get("assert")
            is_set = isinstance(each.value, dict) and each.value.get("type") == "assert-set"
            if not is_set or inner is None or nested > MAX_NESTED:
                yield each
            elif each.value.get("threshold", 1) != 1:
                self.harvest.assertions += 1
                why = "a part of it is enough, and here every check must pass"
                self.harvest.lose(each.place, "assert assert-set", why)
            else:
                yield from self._flat(list(inner.items()), nested + 1)

    def _referred(self, given: Found) -> Found:
        """The template that `$ref` names, with the reference's own keys over it."""
        if not isinstance(given.value, dict) or not isinstance(given.value.get("$ref"), str):
            return given
        value = self.root
        try:
            for part in given.value["$ref"].removeprefix("#/").split("/"):
                value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, ValueError, IndexError, TypeError):
            return given
        if isinstance(value, dict):
            value = {**value, **{k: v for k, v in given.value.items() if k != "$ref"}}
        return Found(value, lambda _: given.place)

    def _one(self, each: Found) -> tuple[str, Any]:
        given = each.value
        if isinstance(given, dict) and "$ref" in given:
            raise LeftOut("assert $ref", f"{cut(str(given['$ref']))} is not in this file")
        if not isinstance(given, dict) or not isinstance(given.get("type"), str):
            raise LeftOut("assert", "it has no type")
        name, what = given["type"], f"assert {cut(given['type'])}"
        base = name.removeprefix(NOT)
        self._refuse(given, what=what, base=base)
        try:
            carried = self._bound(given, name) if base in BOUNDS else self._check(given, name, base)
        except LeftOut as left:
            raise LeftOut(what, left.why) from None
        said = {"threshold"} if base in BOUNDS else carried[1].keys()
        for key in NOT_READ:
            if given.get(key) is not None and key not in said:
                self.harvest.lose(each.at((key,)), f"{key} of an assert", "checks have none here")
        return carried

    def _refuse(self, given: Mapping[str, Any], *, what: str, base: str) -> None:
        """Refuse what no check here can say."""
        if given.get("weight") == 0:
            raise LeftOut(what, "its weight is 0: it decides nothing")
        for key in CHANGES_MEANING:
            if given.get(key) is not None:
                raise LeftOut(what, f"it has a {key}, which is not run")
        if base in CODE:
            raise LeftOut(what, "it is code, and is not run")
        if base not in VALUES and base not in BOUNDS:
            raise LeftOut(what, "there is no such check")
        if self.is_transformed and base not in BOUNDS and not base.startswith(TRAJECTORY):
            raise LeftOut(what, "it is of what the test's transform makes, which is not run")

    def _bound(self, given: Mapping[str, Any], name: str) -> tuple[str, Any]:
        if name not in BOUNDS:
            raise LeftOut(name, "bounds have no opposite")
        key, unit = BOUNDS[name]
        threshold: Any = given.get("threshold")
        is_number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
        if not is_number or not 0 < threshold <= MAX_BOUND:
            raise LeftOut(name, "it has no threshold above 0")
        self.harvest.note(
            "cost and latency became the bounds max_spend_usd and max_seconds: counted apart from "
            "success"
        )
        return key, round(threshold * unit, 9)

    def _check(self, given: Mapping[str, Any], name: str, base: str) -> tuple[str, Any]:
        check: dict[str, Any] = {"type": name}
        if given.get("value") is not None:
            value = self._followed(given["value"])
            check["value"] = _as_ours(base, self.renderer.within(value))
        if "threshold" in VALUES[base].model_fields and given.get("threshold") is not None:
            check["threshold"] = given["threshold"]
        try:
            expected_by(name, {key: check[key] for key in check if key != "type"})
        except PydanticCustomError as refused:
            context = refused.context or {}
            problem = str(context.get("problem", "its value does not fit"))
            where = dotted(tuple(context.get("at", ()))) or "value"
            raise LeftOut(name, f"{problem.removeprefix(f'check {name!r}: ')} ({where})") from None
        return "check", check

    def _followed(self, value: Any) -> Any:
        if not is_reference(value):
            return value
        if self.folder is None:
            raise LeftOut("file", f"{cut(value)} is not followed from a table")
        values = values_of(value, folder=self.folder)
        if len(values) > 1:
            raise LeftOut("file", f"{cut(value)} is several files")
        return values[0]


def _as_ours(base: str, value: Any) -> Any:
    """A value as promptfoo reads it, in the form that our check takes."""
    if base in LISTS and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if base in LISTS and isinstance(value, list):
        return [_text(item) for item in value]
    if base in TEXTS:
        return _text(value)
    if base in SCHEMAS and isinstance(value, str):
        return _schema(value)
    if base == "word-count" and isinstance(value, str) and re.fullmatch(r"\s*\d{1,9}\s*", value):
        return int(value)
    return value


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _schema(text: str) -> Any:
    try:
        return parse_yaml(text.encode(), path=Path("schema")).value
    except InputError:
        raise LeftOut("schema", "its JSON Schema cannot be read") from None
