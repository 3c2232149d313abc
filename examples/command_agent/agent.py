"""The same agent in Python, as a process for each run: one JSON in, one JSON out."""

import json
import sys

PAGES = {
    "parcel": "Your tracking number is in the mail that we sent with the parcel.",
    "return": "You may return a lamp within 45 days of delivery.",
    "warranty": "The warranty on a lamp is three years.",
}


def answer(told):
    """Answer one customer."""
    said = told["input"]
    question = said if isinstance(said, str) else said[-1]["content"]
    fitting = [name for name in PAGES if name in question.lower()]
    wanted = list(PAGES) if "exhaustive" in told["system_prompt"] else fitting
    output = " ".join(PAGES[name] for name in wanted)
    return {
        "output": output,
        "input_tokens": len((told["system_prompt"] + question).split()) * (len(wanted) + 1),
        "output_tokens": len(output.split()),
        "tool_calls": [{"tool": "read_page", "arguments": {"name": name}} for name in wanted],
    }


json.dump(answer(json.load(sys.stdin)), sys.stdout)
