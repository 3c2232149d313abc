"""OTLP requests, JSON or protobuf, as spans.

A request that is none raises; a span in it that is none is counted and left out. What has the
wrong type is taken for not there, as deep as that goes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from assay.otlp.span import KEPT, MAX_ITEMS, MAX_TEXT, Span, Value

MAX_NS = 2**63 - 1
ERROR = 2
"""Status code of a span that failed."""
REMOTE = 0x300
"""Flags of a span whose parent is known to be in another process."""
UNSET = {"0" * 16, ""}


class NotOtlp(ValueError):
    """What came is no request of the protocol."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The spans of a request, and how many of it are none."""

    spans: tuple[Span, ...]
    rejected: int


def from_json(raw: bytes) -> Decoded:
    """Read `{"resourceSpans": [...]}`.

    Raises:
        NotOtlp: It is no JSON, nested too deeply, or no object.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as bad:
        raise NotOtlp(f"not valid JSON: {str(bad)[:100]}") from None
    if not isinstance(value, dict):
        raise NotOtlp("not a JSON object")
    return from_object(value)


def from_object(request: Mapping[str, Any]) -> Decoded:
    """The same of a request that is parsed already."""
    found = list(_spans(request))
    spans = tuple(span for span in found if span is not None)
    return Decoded(spans, len(found) - len(spans))


def from_protobuf(raw: bytes) -> Decoded:
    """Read an ExportTraceServiceRequest.

    Raises:
        NotOtlp: It is none.
    """
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(raw)
    except DecodeError:
        raise NotOtlp("not a protobuf ExportTraceServiceRequest") from None
    found = [
        _from_message(span, _known(of_resource.resource.attributes))
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]
    spans = tuple(span for span in found if span is not None)
    return Decoded(spans, len(found) - len(spans))


def _spans(request: Mapping[str, Any]) -> Iterator[Span | None]:
    for of_resource in _objects(request.get("resourceSpans")):
        resource = of_resource.get("resource")
        shared = _attributes(resource.get("attributes") if isinstance(resource, dict) else None)
        for of_scope in _objects(of_resource.get("scopeSpans")):
            spans = of_scope.get("spans")
            for span in spans if isinstance(spans, list) else ():
                yield _from_json(span, shared) if isinstance(span, dict) else None


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def _from_json(span: Mapping[str, Any], shared: Mapping[str, Value]) -> Span | None:
    status, flags = span.get("status"), span.get("flags")
    code = status.get("code") if isinstance(status, dict) else None
    return _span(
        ids=(span.get("traceId"), span.get("spanId"), span.get("parentSpanId") or ""),
        times=(_integer(span.get("startTimeUnixNano")), _integer(span.get("endTimeUnixNano"))),
        is_error=code in (ERROR, "STATUS_CODE_ERROR"),
        flags=flags if isinstance(flags, int) else 0,
        attributes={**shared, **_attributes(span.get("attributes"))},
    )


def _from_message(span: Any, shared: Mapping[str, Value]) -> Span | None:
    return _span(
        ids=(span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()),
        times=(span.start_time_unix_nano, span.end_time_unix_nano),
        is_error=span.status.code == ERROR,
        flags=span.flags,
        attributes={**shared, **_known(span.attributes)},
    )


def _span(
    *,
    ids: tuple[object, object, object],
    times: tuple[int | None, int | None],
    is_error: bool,
    flags: int,
    attributes: dict[str, Value],
) -> Span | None:
    """A span, if it has its ids and a time."""
    trace_id, span_id = _hex(ids[0], 32), _hex(ids[1], 16)
    start_ns = times[0]
    if trace_id is None or span_id is None or start_ns is None or not 0 < start_ns <= MAX_NS:
        return None
    end_ns = min(max(times[1] or 0, start_ns), MAX_NS)
    parent = None if ids[2] in UNSET or flags & REMOTE == REMOTE else _hex(ids[2], 16)
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent,
        start_ns=start_ns,
        end_ns=end_ns,
        is_error=is_error,
        attributes=attributes,
    )


def _hex(value: object, digits: int) -> str | None:
    if not isinstance(value, str) or len(value) != digits:
        return None
    try:
        return value.lower() if any(bytes.fromhex(value)) else None
    except ValueError:
        return None


def _integer(value: object) -> int | None:
    """64-bit numbers are texts in OTLP's JSON; a number is taken, too."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _attributes(value: object) -> dict[str, Value]:
    known: dict[str, Value] = {}
    for each in _objects(value):
        key, held = each.get("key"), each.get("value")
        if isinstance(key, str) and key in KEPT and isinstance(held, dict):
            _keep(known, key, _value(held))
    return known


def _value(held: Mapping[str, Any]) -> object:
    """Of `{"intValue": "12"}` and its like."""
    if "intValue" in held:
        return _integer(held["intValue"])
    if "arrayValue" in held:
        inner = held["arrayValue"]
        values = inner.get("values") if isinstance(inner, dict) else None
        return [each.get("stringValue") for each in _objects(values)]
    return next(
        (held[name] for name in ("stringValue", "doubleValue", "boolValue") if name in held), None
    )


def _known(attributes: Any) -> dict[str, Value]:
    """The same of protobuf's."""
    known: dict[str, Value] = {}
    for each in attributes:
        if each.key in KEPT:
            kind = each.value.WhichOneof("value")
            held: Any = getattr(each.value, kind) if kind else None
            if kind == "array_value":
                held = [item.string_value for item in held.values[:MAX_ITEMS]]
            _keep(known, each.key, held)
    return known


def _keep(known: dict[str, Value], key: str, value: object) -> None:
    if isinstance(value, list):
        texts = (each for each in value[:MAX_ITEMS] if isinstance(each, str) and each)
        known[key] = tuple(text[:MAX_TEXT] for text in texts)
    elif isinstance(value, str):
        known[key] = value[:MAX_TEXT]
    elif isinstance(value, int | float):
        known[key] = value
