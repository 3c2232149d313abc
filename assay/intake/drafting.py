"""From one test of somebody else's to the draft of a golden task."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assay.golden_task import GoldenTask
from assay.intake.assertions import TRANSFORMS, Carrier
from assay.intake.cases import Case
from assay.intake.conversations import conversation_of, is_conversation
from assay.intake.harvest import Draft, Harvest, LeftOut
from assay.intake.prompting import Template
from assay.intake.templates import Renderer, Work, as_text
from assay.wording import cut
from assay.yaml_loader import reads_as

INPUT_NAMES = (
    "messages", "input", "question", "query", "prompt", "message", "user_input", "user_message",
    "customer_message", "user_query", "request", "task", "instruction", "user", "text",
)  # fmt: skip
ID_NAMES = ("id", "task_id", "test_id", "case_id", "example_id", "question_id", "conversation_id")
EXPECTED_NAMES = (
    "expected", "ideal", "answer", "expected_output", "expected_answer", "reference_answer",
    "reference", "ground_truth", "output",
)  # fmt: skip
EXPECTED = "expected"
GUESSES = {"input": INPUT_NAMES, "id": ID_NAMES, EXPECTED: EXPECTED_NAMES}
OURS = frozenset(GoldenTask.model_fields)
COLUMNS = OURS | {EXPECTED}
"""What a column of theirs may be."""
OF_METADATA = ("category", "tags", "critical", "incident")
"""Keys of a test's metadata that golden tasks have themselves."""
ENDS = ("prefix", "suffix")
PER_CASE = 1_000
"""What a test costs, in characters of `Work`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafter:
    """Makes drafts of golden tasks, and says what they have not."""

    harvest: Harvest
    columns: Mapping[str, str] = field(default_factory=dict)
    """Which variable or column of theirs is ours, as the user says."""
    template: Template | None = None
    """What makes the input where no column is named; None: a column is guessed."""
    folder: Path | None = None
    """Where `file://` may lead."""
    root: Any = None
    """promptfoo's configuration; None where there is a table alone, whose columns are guessed."""
    work: Work = field(default_factory=Work)
    names: set[str] = field(default_factory=set)
    """Of all variables or columns so far."""

    def take(self, case: Case) -> None:
        """Add a draft for each combination of a test's variables."""
        self.names.update(case.variables)
        for each in case.each(self.harvest):
            self.work.spend(PER_CASE)
            try:
                self.harvest.add(self._draft(each))
            except LeftOut as left:
                self.harvest.lose(each.place, "test", left.why)

    def _draft(self, case: Case) -> Draft:
        renderer = Renderer(case.variables, self.work)
        if self.root is not None:
            renderer = renderer.composed()
            case = replace(case, variables=dict(renderer.variables))
        columns = dict(self.columns)
        if self.template is None:
            columns = {**self._guessed(case), **columns}
        asked, beside = self._input(case, columns, renderer)
        carrier = Carrier(
            renderer,
            self.folder,
            self.harvest,
            self.root,
            is_transformed=any(case.options.get(key) for key in TRANSFORMS),
        )
        held = carrier.carry(case.assertions)
        own = {
            ours: _as_ours(ours, case.variables.get(theirs))
            for ours, theirs in columns.items()
            if ours in OURS - {"id", "input"}
        }
        held["checks"] = [
            *_listed(own.pop("checks", None)),
            *held["checks"],
            *self._expected(case.variables.get(columns.get(EXPECTED, ""))),
        ]
        metadata = {**_told(case, columns), **beside, **_mapped(own.pop("metadata", None))}
        of_metadata = {key: case.metadata[key] for key in OF_METADATA if key in case.metadata}
        values = {"input": self._whole(case, asked, renderer), **of_metadata, **held, **own}
        name = _first(case.variables.get(columns.get("id", "")), case.metadata.get("id"))
        return Draft(
            {**values, "metadata": metadata},
            case.place,
            name=case.description if name is None else str(name),
            is_id=name is not None,
        )

    def _guessed(self, case: Case) -> dict[str, str]:
        """The columns that are ours by their names; of promptfoo's variables the input alone."""
        names = list(case.variables)
        is_table = self.root is None
        found = {ours: ours for ours in OURS if is_table and ours in names}
        for ours, likely in GUESSES.items() if is_table else [("input", ("prompt", *INPUT_NAMES))]:
            taken = {*self.columns.values(), *found.values()} - {found.get(ours)}
            theirs = guessed([name for name in names if name not in taken], likely)
            if theirs is not None:
                found[ours] = theirs
        if "input" not in found and len(names) == 1:
            found["input"] = names[0]
        for ours in ("input", EXPECTED):
            if ours in found and ours not in self.columns:
                self.harvest.note(f"{ours} is the column {cut(found[ours])!r}")
        return found

    def _input(
        self, case: Case, columns: Mapping[str, str], renderer: Renderer
    ) -> tuple[Any, dict[str, Any]]:
        """The input, and what a conversation has beside it."""
        if "input" in columns:
            value = case.variables.get(columns["input"])
            if is_conversation(value):
                return self._conversation(case, value)
            if is_empty(value):
                raise LeftOut("test", f"it has no {cut(columns['input'])}")
            text = as_text(value, columns["input"])
            return text if self.root is None else renderer.text(text), {}
        if self.template is not None:
            return self.template.input(renderer), {}
        names = cut(", ".join(case.variables))
        raise LeftOut("test", f"which is the input: {names}? Say --column input=NAME")

    def _whole(self, case: Case, asked: Any, renderer: Renderer) -> Any:
        """The input between the test's prefix and suffix."""
        ends = {key: str(case.options[key]) for key in ENDS if case.options.get(key)}
        if isinstance(asked, str):
            before, after = (renderer.text(ends.get(key, "")) for key in ENDS)
            return f"{before}{asked}{after}"
        for key in ends:
            self.harvest.lose(case.place, f"{key} of a test", "the input is a conversation")
        return asked

    def _conversation(self, case: Case, messages: Any) -> tuple[Any, dict[str, Any]]:
        chat = conversation_of(messages)
        for what, why in chat.dropped:
            self.harvest.lose(case.place, what, why)
        found: dict[str, Any] = {}
        if chat.answer is not None:
            found["reference"] = chat.answer
        if chat.tools:
            check = {"type": "trajectory:tool-used", "value": list(chat.tools)}
            found["suggested_checks"] = [check]
            self.harvest.note(
                "the tools that a conversation called are in metadata.suggested_checks: move to "
                "checks what must hold"
            )
        return chat.input, found

    def _expected(self, value: Any) -> list[dict[str, Any]]:
        """What a column of expected answers asserts: that the output holds them."""
        texts = [str(each) for each in _listed(value) if not is_empty(each)]
        if not texts:
            return []
        self.harvest.note("expected answers became icontains: the output must hold them")
        if isinstance(value, list):
            return [{"type": "icontains-any", "value": texts}]
        return [{"type": "icontains", "value": texts[0]}]


def guessed(names: Iterable[str], likely: Iterable[str]) -> str | None:
    """The first of the likely names that is there, however it is written."""
    there = {_plain(name): name for name in names}
    return next((there[_plain(name)] for name in likely if _plain(name) in there), None)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _as_ours(key: str, value: Any) -> Any:
    """A cell in the type that a golden task's key has; what does not fit is refused later."""
    if not isinstance(value, str):
        return value
    if key == "tags":
        return [part.strip() for part in value.split(",") if part.strip()]
    if key in ("category", "incident", "expect_stop_reason"):
        return value
    kinds: Mapping[str, Any] = {"int": int, "float": float, "bool": lambda text: text[0] in "tT"}
    try:
        return kinds.get(reads_as(value.strip()), str)(value.strip())
    except ValueError:  # digits without end
        return value


def is_empty(value: Any) -> bool:
    """Whether a cell or a key says nothing."""
    return value is None or (isinstance(value, str) and not value.strip())


def _told(case: Case, columns: Mapping[str, str]) -> dict[str, Any]:
    """What is known of a test beside what golden tasks have keys for."""
    described = {"description": case.description} if case.description else {}
    theirs = {k: v for k, v in case.metadata.items() if k not in (*OF_METADATA, "id")}
    variables = {
        name: value
        for name, value in case.variables.items()
        if name not in columns.values() and not is_empty(value)
    }
    return {**described, **theirs, **variables}


def _first(*values: Any) -> str | int | None:
    """The first that can be an id."""
    return next((v for v in values if isinstance(v, str | int) and not is_empty(v)), None)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _mapped(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return {} if is_empty(value) else {"metadata": value}
