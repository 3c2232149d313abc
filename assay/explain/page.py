"""The explanation as one page of plain Markdown, to be pasted into an incident's channel."""

from collections.abc import Iterator

from assay.explain.cells import Group
from assay.explain.decomposition import Share
from assay.explain.explanation import ERROR, Explanation, What
from assay.report.escaping import markdown_text
from assay.wording import one_line

MAX_NAME_CHARS = 60
MAX_NOTES = 9
MAX_NOTE_CHARS = 220
MAX_LINES = 40


def explanation_page(found: Explanation) -> str:
    """At most `MAX_LINES` lines; names are bounded, and mean nothing to Markdown."""
    lines = [
        f"**{_text(headline(found), 400)}**",
        "```",
        _side("before", found.cells.before),
        _side("after", found.cells.after),
        "",
        *_table(found),
        "```",
        *(f"- {_text(note, MAX_NOTE_CHARS)}" for note in _notes(found)),
    ]
    return "\n".join(lines[:MAX_LINES]) + "\n"


def headline(found: Explanation) -> str:
    """What it was, in a sentence."""
    blamed = "; and ".join(_blame(found, what) for what in found.blamed)
    if found.cannot_tell:
        besides = f" Of it, {blamed}." if blamed else ""
        return f"The data cannot tell what it was: {found.cannot_tell[0]}.{besides}"
    if not blamed:
        return "No change is shown: what there is may be chance."
    return f"It was {blamed}."


def amount(metric: str, value: float, *, signed: bool = False) -> str:
    """A figure in its unit."""
    unit, digits = "", 0 if "tokens" in metric else 2
    if metric == "spend":
        unit, digits = "$", 2 if abs(value) >= 1 else 4
    shown = round(value, digits)  # first, for next to nothing has no sign of its own
    sign = "-" if shown < 0 else "+" if signed else ""
    return f"{sign}{unit}{abs(shown):,.{digits}f}"


def _blame(found: Explanation, what: What) -> str:
    effects = ", ".join(
        f"{metric} {amount(metric, value, signed=True)}"
        for metric, value in found.clear(what).items()
    )
    unless = ""
    if what in (What.PROMPT, What.ENVIRONMENT) and what not in found.shown:
        unless = " (unless something unrecorded changed at the same moment)"
    name = "something that is not recorded" if what is What.OTHER else f"the {what}"
    return f"{name}: {effects} a run{unless}"


def _side(name: str, group: Group) -> str:
    words = f"{name + ':':<8}{group.runs:,} runs {_plain(group.words, 100)}"
    if group.prompt_id not in group.words:
        words += f", {_plain(group.prompt_id, MAX_NAME_CHARS)}"
    return words + (f" ({group.left_out:,} of others left out)" if group.left_out else "")


def _table(found: Explanation) -> Iterator[str]:
    """Fixed width, for a block of code: tables are shown by few chats."""
    shown = f"{100 * (1 - ERROR):.0f} % together"
    yield f"{'per run':<22}{'before':>10}{'after':>10}{'change':>10}   surely within ({shown})"
    for metric, change in found.changes.items():
        figures = (amount(metric, change.before), amount(metric, change.after))
        yield _row(metric, figures, metric, change.total)
        parts = {found.parts[part]: share for part, share in change.parts.items()}
        for what in What:
            if what in parts:
                yield _row(f"  {what}", ("", ""), metric, parts[what])


def _row(name: str, figures: tuple[str, str], metric: str, share: Share) -> str:
    change, lower, upper = (
        amount(metric, each, signed=True) for each in (share.estimate, share.lower, share.upper)
    )
    return f"{name:<22}{figures[0]:>10}{figures[1]:>10}{change:>10}   {lower} to {upper}"


def _notes(found: Explanation) -> list[str]:
    return [*found.cannot_tell[1:], *_bill(found), *found.notes][:MAX_NOTES]


def _bill(found: Explanation) -> Iterator[str]:
    """What the prompt's part of the spend comes to over all runs after."""
    if found.cannot_tell or "spend" not in found.changes:
        return
    runs = found.cells.after.runs
    for part, share in found.changes["spend"].parts.items():
        if found.parts[part] is What.PROMPT:
            cost, lower, upper = (
                amount("spend", runs * each, signed=True)
                for each in (share.estimate, share.lower, share.upper)
            )
            yield f"the prompt's part over the {runs:,} runs after: {cost} ({lower} to {upper})"


def _plain(text: str, max_chars: int) -> str:
    """For a block of code, which nothing but a fence ends."""
    return one_line(text, max_chars=max_chars).replace("`", "'")


def _text(text: str, max_chars: int) -> str:
    return markdown_text(one_line(text, max_chars=max_chars), max_chars=max_chars)
