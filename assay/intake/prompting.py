"""promptfoo's prompts: what they ask in a test's name, and the instructions before it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.documents import decode, parse_yaml
from assay.errors import InputError
from assay.intake.conversations import as_input, conversation_of, is_conversation
from assay.intake.files import ELSEWHERE, PROGRAMS, content, is_reference, referred
from assay.intake.harvest import Found, Harvest, LeftOut
from assay.intake.templates import TAG, Renderer
from assay.validation import Place
from assay.wording import cut

_FILE = re.compile(r"\S+\.(?:txt|md|json|ya?ml|csv|j2)")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with the places of its variables."""

    place: Place
    messages: tuple[dict[str, str], ...]
    """Of user and assistant; the last is the user's."""
    system: str = ""
    dropped: tuple[tuple[str, str], ...] = ()

    def input(self, renderer: Renderer) -> str | list[dict[str, str]]:
        """A golden task's input.

        Raises:
            LeftOut: It cannot be rendered with these variables.
        """
        texts = [(each["role"], renderer.text(each["content"])) for each in self.messages]
        return as_input(tuple({"role": role, "content": text} for role, text in texts))

    def parted(self) -> "Template | None":
        """The same with its instructions in `system`; None where they cannot be told.

        A text is parted where it ends with its only variable.
        """
        if self.system:
            return None if TAG.search(self.system) else self
        text = self.messages[0]["content"].rstrip()
        tags = list(TAG.finditer(text))
        if len(self.messages) > 1 or len(tags) != 1 or tags[0].end() != len(text):
            return None
        if not (instructions := text[: tags[0].start()].strip()):
            return None
        message = {"role": "user", "content": tags[0][0]}
        return replace(self, messages=(message,), system=instructions)


def templates_of(prompts: Found | None, harvest: Harvest, *, folder: Path) -> list[Template]:
    """The prompts that can be read, in order; the others are said to be left out."""
    if prompts is None:
        return []
    found = []
    for given in prompts.items():
        try:
            found += [template_in(text, place) for text, place in _texts(given, folder)]
        except LeftOut as left:
            harvest.lose(given.place, "prompt", left.why)
    return found


def _texts(given: Found, folder: Path) -> Iterator[tuple[str, Place]]:
    value = given.value
    if isinstance(value, dict):
        value = value.get("raw") or value.get("id")
    if not isinstance(value, str):
        raise LeftOut("prompt", "it is no text")
    is_inline = "\n" in value or "{{" in value
    if not is_inline and (ELSEWHERE.match(value) or PROGRAMS.search(value)):
        raise LeftOut("prompt", f"{cut(value)} is a program or elsewhere, and is not read")
    if is_reference(value) or (not is_inline and _FILE.fullmatch(value)):
        for path in referred(value, folder=folder):
            yield from _in_file(path)
    else:
        yield value, given.place


def _in_file(path: Path) -> Iterator[tuple[str, Place]]:
    if path.suffix.lower() == ".csv":
        raise LeftOut("prompt", f"{cut(path.name)}: prompts in tables are not read")
    try:
        text = decode(content(path), path=path)
    except InputError as wrong:
        raise LeftOut("prompt", str(wrong).partition("\n")[0]) from None
    line = 1
    for part in re.split(r"(?<=\n)---\r?\n", text):
        if part.strip():
            yield part.strip(), Place(path=path, line=line)
        line += part.count("\n") + 1


def template_in(text: str, place: Place) -> Template:
    """A text, or chat messages in JSON or YAML.

    Raises:
        LeftOut: They are chat messages of which none is the user's.
    """
    messages = _messages_in(text)
    if messages is None:
        return Template(place, ({"role": "user", "content": text},))
    chat = conversation_of(messages)
    return Template(place, chat.messages, chat.system, chat.dropped)


def _messages_in(text: str) -> Any:
    text = text.strip()
    try:
        if text.startswith(("[", "{")):
            value = json.loads(text)
        elif text.startswith("- role:"):
            value = parse_yaml(text.encode(), path=Path("prompt")).value
        else:
            return None
    except (ValueError, RecursionError, InputError):
        return None
    return value if is_conversation(value) else None
