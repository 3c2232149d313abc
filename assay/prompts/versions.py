"""Prompt versions: `prompts/NAME/VERSION.md`, the id of a text, the system prompt made of it."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from assay.errors import InputError
from assay.prompt_lock import LOCK_NAME, extend_lock, read_lock

# Python's bare strip() and JavaScript's trim() differ on others; the id's text must not.
_ASCII_SPACE = " \t\n\r\v\f"
_WORD = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_REF = re.compile(rf"({_WORD}):({_WORD})")
_PROMPT_ID = re.compile(rf"({_WORD}:{_WORD}):[0-9a-f]{{12}}")
_SYSTEM_PROMPT = (
    "You are a production agent. You must follow tool policies and budgets.\n"
    "Always stop with a stop_reason.\n"
    "\n"
    "[prompt_id={prompt_id}]\n"
)


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """One version of a prompt, with its text."""

    name: str
    version: str
    text: str
    """As `normalize` gives it."""
    prompt_id: str
    """`name:version:` and the first 12 hex digits of the text's sha256."""

    @property
    def ref(self) -> str:
        """`name:version`, as users type it and `assay.yaml` holds it."""
        return f"{self.name}:{self.version}"


def parse_ref(ref: str) -> tuple[str, str]:
    """Split `support:v14` into name and version, both safe as parts of a path.

    Raises:
        InputError: It is not NAME:VERSION of ASCII letters, digits, `.`, `_` and `-`, each
            beginning with a letter, a digit or `_`.

    >>> parse_ref("support:v14")
    ('support', 'v14')
    """
    match = _REF.fullmatch(ref)
    if match is not None:
        return match[1], match[2]
    as_id = _PROMPT_ID.fullmatch(ref)
    if as_id is not None:
        raise InputError(f"{ref!r} is a prompt_id, not a version", mend=f"write {as_id[1]}")
    raise InputError(
        f"{ref!r} is not a prompt version",
        mend="write NAME:VERSION, such as support:v14 (letters, digits, '.', '_' and '-')",
    )


def normalize(raw: bytes) -> str:
    """The text of a prompt file, the same whichever editor or checkout wrote it.

    A byte-order mark is removed, CRLF becomes LF, one final newline is removed.

    Raises:
        UnicodeDecodeError: The bytes are not UTF-8.
    """
    text = raw.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    return text.removesuffix("\n")


def prompt_id(*, name: str, version: str, text: str) -> str:
    """The id that every run and every log line bears.

    >>> prompt_id(name="a", version="v1", text="Answer.")
    'a:v1:6afada2c7cf0'
    """
    return f"{name}:{version}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def system_prompt(prompt: PromptVersion) -> str:
    """The system prompt, byte for byte what the JavaScript client makes of it."""
    return _SYSTEM_PROMPT.format(prompt_id=prompt.prompt_id) + prompt.text.strip(_ASCII_SPACE)


def load_prompt(directory: Path, ref: str) -> PromptVersion:
    """Read version `ref` (`support:v14`) from `directory/support/v14.md`.

    Raises:
        InputError: There is no such version, or it is empty or not UTF-8.
    """
    name, version = parse_ref(ref)
    path = _path(directory, name, version)
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise _no_such_version(directory, ref) from None
    except OSError as refused:
        raise InputError(f"cannot be read: {refused.strerror}", path=path) from None
    text = _decode(raw, path)
    if not text.strip(_ASCII_SPACE):
        raise InputError("the prompt is empty", path=path, mend="write its text, or delete it")
    return PromptVersion(name, version, text, prompt_id(name=name, version=version, text=text))


def verify_lock(directory: Path, prompt: PromptVersion) -> None:
    """Check that `prompt` still has the text that was locked; one not locked yet passes.

    Raises:
        InputError: Its text has changed, or the lock is broken.
    """
    lock = read_lock(directory)
    locked = lock.get(prompt.ref)
    if locked is None or locked.prompt_id == prompt.prompt_id:
        return
    free = _free_version(directory, prompt, lock)
    raise InputError(
        f"{prompt.ref} was locked as {locked.prompt_id}, "
        f"but {_path(directory, prompt.name, prompt.version)} now makes it {prompt.prompt_id}",
        path=directory / LOCK_NAME,
        line=locked.line,
        mend=f"save the new text as {_path(directory, prompt.name, free)}, and restore the old one",
    )


def lock_prompts(directory: Path, prompts: Iterable[PromptVersion]) -> None:
    """Lock the texts of `prompts`, durably; a version locked already keeps its entry.

    Raises:
        InputError: One of them is locked with another text, or the lock is broken.
        CannotEvaluate: The folder cannot be written.
    """
    prompts = tuple(prompts)
    extend_lock(directory, {prompt.ref: prompt.prompt_id for prompt in prompts})
    # After, not before: two evaluations may lock two texts of one version at the same time.
    for prompt in prompts:
        verify_lock(directory, prompt)


def _path(directory: Path, name: str, version: str) -> Path:
    return directory / name / f"{version}.md"


def _decode(raw: bytes, path: Path) -> str:
    try:
        return normalize(raw)
    except UnicodeDecodeError as bad:
        raise InputError(
            f"byte 0x{raw[bad.start]:02x} is not UTF-8",
            path=path,
            line=raw.count(b"\n", 0, bad.start) + 1,
            mend="save the file as UTF-8",
        ) from None


def _no_such_version(directory: Path, ref: str) -> InputError:
    import difflib  # only to help with a mistake

    name, version = parse_ref(ref)
    refs = refs_in(directory)
    if not refs:
        mend = f"there are no prompts in {directory}: write this file, or set prompts.directory"
    else:
        close = difflib.get_close_matches(ref, refs, n=1)
        guess = f"did you mean {close[0]}? " if close else ""
        listed = [other for other in refs if other.startswith(f"{name}:")] or refs
        more = f"{len(listed) - 10} more and " if len(listed) > 10 else ""
        mend = f"{guess}there are {more}{', '.join(listed[-10:])}"
    return InputError("no such prompt version", path=_path(directory, name, version), mend=mend)


def refs_in(directory: Path) -> list[str]:
    """Every version there is, v2 before v10."""
    found = (f"{path.parent.name}:{path.stem}" for path in directory.glob("*/*.md"))
    return sorted((ref for ref in found if _REF.fullmatch(ref)), key=_natural)


def _natural(ref: str) -> list[tuple[str, int]]:
    return [(rest, int(digits or 0)) for rest, digits in re.findall(r"(\D*)(\d*)", ref)]


def _free_version(directory: Path, prompt: PromptVersion, lock: Iterable[str]) -> str:
    """The number after the highest with the same stem: v16 where v15 is the last."""
    stem = prompt.version.rstrip("0123456789")
    if stem == prompt.version:
        stem += "-"
    pattern = re.compile(re.escape(f"{prompt.name}:{stem}") + "([0-9]+)")
    taken = (pattern.fullmatch(ref) for ref in (*refs_in(directory), *lock))
    return f"{stem}{max((int(match[1]) for match in taken if match), default=1) + 1}"
