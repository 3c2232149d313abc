"""An agent to be evaluated: a Python function.

It has no model: it stands in for yours, and follows its prompt as a model would, so that
the example runs anywhere. What it returns is all that Assay needs.
"""

PAGES = {
    "parcel": "Your tracking number is in the mail that we sent with the parcel.",
    "return": "You may return a lamp within 45 days of delivery.",
    "warranty": "The warranty on a lamp is three years.",
}


def run(input, *, system_prompt, budgets):
    """Answer one customer."""
    question = input if isinstance(input, str) else input[-1]["content"]
    fitting = [name for name in PAGES if name in question.lower()]
    wanted = list(PAGES) if "exhaustive" in system_prompt else fitting
    wanted = wanted[: budgets["max_tool_calls"]]
    output = " ".join(PAGES[name] for name in wanted)
    return {
        "output": output,
        "input_tokens": len((system_prompt + question).split()) * (len(wanted) + 1),
        "output_tokens": len(output.split()),
        "steps": len(wanted) + 1,
        "tool_calls": [{"tool": "read_page", "arguments": {"name": name}} for name in wanted],
    }
