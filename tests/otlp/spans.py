"""Spans of a made-up agent, as OTLP's JSON has them."""

from typing import Any

AT = 1_790_000_000_000_000_000
"""Nanoseconds since 1970."""
S = 10**9
Json = dict[str, Any]


def value(held: object) -> Json:
    match held:
        case bool():
            return {"boolValue": held}
        case int():
            return {"intValue": str(held)}
        case float():
            return {"doubleValue": held}
        case list():
            return {"arrayValue": {"values": [value(each) for each in held]}}
    return {"stringValue": held}


def span(
    number: int, operation: str, *, parent: int | None = None, trace: int = 1, **more: Any
) -> Json:
    """A span that starts `number` seconds after the others and takes a second; `end` says else."""
    end = more.pop("end", number + 1)
    said = {"gen_ai.operation.name": operation, **more.pop("attributes", {})}
    return {
        "traceId": f"{trace:032x}",
        "spanId": f"{number + 1:016x}",
        **({} if parent is None else {"parentSpanId": f"{parent + 1:016x}"}),
        "startTimeUnixNano": str(AT + number * S),
        "endTimeUnixNano": str(AT + end * S),
        "attributes": [{"key": key, "value": value(held)} for key, held in said.items()],
        **more,
    }


def chat(number: int, *, parent: int | None = 0, tokens: int = 100, **more: Any) -> Json:
    said = {
        "gen_ai.response.model": "small-1",
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.response.finish_reasons": ["stop"],
        **more.pop("attributes", {}),
    }
    return span(number, "chat", parent=parent, attributes=said, **more)


def tool(number: int, name: str = "kb_search", *, parent: int | None = 0, **more: Any) -> Json:
    return span(
        number, "execute_tool", parent=parent, attributes={"gen_ai.tool.name": name}, **more
    )


def agent(number: int = 0, *, end: int = 9, **more: Any) -> Json:
    said = {"gen_ai.agent.name": "desk", "assay.prompt.id": "support:v13:50af3e26c3af"}
    return span(
        number, "invoke_agent", end=end, attributes=said | more.pop("attributes", {}), **more
    )


def a_run(trace: int = 1) -> list[Json]:
    """An agent that asks twice, calls a tool in between, and has a sub-agent that asks, too."""
    return [
        agent(trace=trace),
        chat(1, trace=trace, attributes={"gen_ai.response.finish_reasons": ["tool_calls"]}),
        tool(2, trace=trace),
        span(3, "invoke_agent", parent=2, trace=trace),
        chat(4, parent=3, trace=trace, tokens=40),
        chat(6, trace=trace, tokens=160),
    ]


def request(spans: list[Json]) -> Json:
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}
