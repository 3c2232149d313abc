"""Files of OTLP requests in JSON, such as a collector's file exporter writes, as rows of runs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from assay.otlp.decoding import from_object
from assay.otlp.gathering import UNFINISHED_S
from assay.otlp.runs import OtlpRun, runs_of
from assay.otlp.span import Span

SIGNS = (b'"resourceSpans"', b'"resourceLogs"', b'"resourceMetrics"')
"""One file may hold all three."""
HEAD = 4096


def is_otlp(path: Path) -> bool:
    """Whether a file begins with an OTLP request."""
    with path.open("rb") as file:
        head = file.read(HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head[:1] == b"{" and head[1:].lstrip().startswith(SIGNS)


def rows_of(requests: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The runs that the requests of a file tell of.

    The file may be written on: a run whose own span has not come yet is left out while spans of
    the last minutes may still be followed by it. A prompt without `assay.prompt.id` is called
    by its name and version.
    """
    spans = [span for request in requests for span in from_object(request).spans]
    newest = max((span.end_ns for span in spans), default=0)
    runs = [run for group in _groups(spans) for run in runs_of(group, resolve=lambda ref: ref)]
    return [run.columns for run in runs if not _may_go_on(run, newest)]


def _may_go_on(run: OtlpRun, newest_ns: int) -> bool:
    return run.is_unfinished and newest_ns - run.end_ns < UNFINISHED_S * 1e9


def _groups(spans: Iterable[Span]) -> list[list[Span]]:
    """By trace; those without an agent's span by conversation."""
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    groups: dict[str, list[Span]] = {}
    for name, trace in traces.items():
        said = (span.text("conversation") for span in trace)
        conversation = next((each for each in said if each), None)
        has_agent = any(span.is_agent for span in trace)
        key = name if has_agent or conversation is None else f"conversation {conversation}"
        groups.setdefault(key, []).extend(trace)
    return list(groups.values())
