"""What both production clients must make of the same bytes: `clients/vectors.json`.

Rewrite it after a change that is meant: `uv run python -m tests.clients.vectors`.
"""

import json
from pathlib import Path
from typing import Any

from assay.errors import InputError
from assay.prompts import PromptVersion, normalize, parse_ref, prompt_id, system_prompt
from assay.prompts.routing import place

PATH = Path(__file__).resolve().parents[2] / "clients" / "vectors.json"
V12 = "Answer using KB. If unsure, ask a clarifying question."
V13 = "Answer using KB. Cite tool results. If unsure, ask a clarifying question."

TEXTS = [
    V12, V13, V13 + "\n", V13 + "\n\n", V13.replace(". ", ".\r\n") + "\r\n", "\ufeff" + V13,
    "\ufeff\ufeffa", "", "\n", "\r\n", "\r", "a\rb\r\nc\r", " \t\v\f\r\n a \t\v\f\r\n ",
    "\u00a0Answer.\u00a0", "\u2003\u2028Answer.\u2029", "a\ufeffb\ufeff", "\x1c\x85Answer.\x85",
    "Grüße, 你好, مرحبا, 🚲\u200d🧑🏽", "e\u0301 is not é", "Answer {prompt_id} as {} or $& or $1.",
    "\0nul\0", "line\u2028separator\u2029s", "tabs\tinside\tstay", "x" * 10_000,
]  # fmt: skip
NOT_UTF8 = [b"\xff", b"Caf\xe9", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"]
REFS = [
    "support:v14", "support-desk_2:v14.1-rc", "_:_", "0:1", "", "support", "support:", ":v14",
    "support:v14:x", "support:..", "../x:v1", "a/b:v1", "support:.v1", "-support:v1",
    "support:v1\n", "support :v1", "süpport:v1", "support:v\u0661", "support:v1\0", "a:b\u2028",
]  # fmt: skip
KEYS = [
    "", "0", "user-1", "User-1", "user-1 ", "ana@example.com", "Zoë", "Zoe\u0308", "用户-17", "🚲",
    "\U0010ffff", "\U00010000", "\ufeffuser", "a\0b", "line\nbreak", "\r\n", "\u2028", "\u00a0",
    "x" * 1_000, "support:v14:user-1", ":", "\ud83d", "\udeb2", "a\ud83d\ud83db", "\udeb2\ud83d",
    *(f"user-{number}" for number in range(100)),
]  # fmt: skip
CANARIES = ["support:v14", "support:v15", "billing-desk:v2.1"]


def vectors() -> dict[str, Any]:
    """All of them, as JSON holds them."""
    raws = [text.encode() for text in TEXTS] + NOT_UTF8
    places = [(ref, key) for ref in CANARIES for key in KEYS]
    return {
        "written_by": "python -m tests.clients.vectors",
        "texts": [_of_text(raw) for raw in raws],
        "refs": [{"ref": ref, "parts": _parts(ref)} for ref in REFS],
        "places": [{"canary": ref, "key": key, "place": place(ref, key)} for ref, key in places],
    }


def as_json() -> str:
    """As the file has it: one vector a line, in ASCII, so that no editor changes one."""
    lists = {name: value for name, value in vectors().items() if isinstance(value, list)}
    parts = [
        f'  "{name}": [\n' + ",\n".join(f"    {json.dumps(each)}" for each in value) + "\n  ]"
        for name, value in lists.items()
    ]
    head = f'  "written_by": {json.dumps(vectors()["written_by"])}'
    return "{\n" + ",\n".join([head, *parts]) + "\n}\n"


def _of_text(raw: bytes) -> dict[str, Any]:
    vector: dict[str, Any] = {"name": "support", "version": "v1", "bytes": raw.hex()}
    try:
        text = normalize(raw)
    except UnicodeDecodeError:
        return {**vector, "text": None}
    made = prompt_id(name="support", version="v1", text=text)
    whole = system_prompt(PromptVersion("support", "v1", text, made))
    return {**vector, "text": text, "prompt_id": made, "system_prompt": whole}


def _parts(ref: str) -> list[str] | None:
    try:
        return list(parse_ref(ref))
    except InputError:
        return None


if __name__ == "__main__":
    PATH.write_text(as_json(), encoding="ascii")
