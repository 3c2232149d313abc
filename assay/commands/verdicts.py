"""How a command ends that has a decision: what it prints, and its exit code."""

from pathlib import Path

from rich.console import Console

from assay.decision import Decision

EXIT_CODES = {"promote": 0, "reject": 1, "inconclusive": 3}


def report(decision: Decision, as_json: Path | None) -> int:
    """Print a decision, or write its JSON; the verdict's exit code.

    Args:
        decision: What was decided.
        as_json: Where its JSON goes; `-` is standard output, instead of the page.
    """
    from assay.report.table import decision_page

    text = decision.model_dump_json(indent=2)
    if as_json == Path("-"):
        print(text)
    else:
        Console(highlight=False).print(decision_page(decision))
        if as_json is not None:
            as_json.write_text(f"{text}\n", encoding="utf-8")
    return EXIT_CODES[decision.verdict]
