"""The endpoint, on a real port: what is sent, what is answered, what is in the log."""

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Tracer

from assay.otlp import body, decoding
from assay.otlp.gathering import Bounds, Gathering
from assay.otlp.listening import Listener
from assay.prompts.run_log import RunLog
from tests.otlp.spans import AT, Json, a_run, chat, request, span

ID = "support:v13:50af3e26c3af"
JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}


class Endpoint:
    """A listener at work."""

    def __init__(self, folder: Path, *, token: str | None = None, **bounds: Any) -> None:
        self.folder, self.now = folder, 0.0
        gathering = Gathering(resolve=lambda _: None, bounds=Bounds(**bounds))
        self.listener = Listener(gathering, RunLog(folder), token=token, clock=lambda: self.now)
        self.runner = self.listener.runner()
        self.url = ""

    async def start(self) -> None:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        host, port = self.runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def post(self, data: bytes | Json, **headers: str) -> tuple[int, bytes]:
        raw = data if isinstance(data, bytes) else json.dumps(data).encode()
        async with (
            aiohttp.ClientSession() as client,
            client.post(
                f"{self.url}/v1/traces", data=io.BytesIO(raw), headers=JSON | headers
            ) as answer,
        ):
            return answer.status, await answer.read()

    def rows(self) -> list[Json]:
        """What is in the log once all has settled."""
        self.now += 1e4
        self.listener.write()
        files = sorted(self.folder.glob("runs-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.fixture
async def endpoint(tmp_path: Path) -> AsyncIterator[Endpoint]:
    here = Endpoint(tmp_path)
    await here.start()
    yield here
    await here.runner.cleanup()


def trace_a_run(tracer: Tracer) -> None:
    about = {"gen_ai.operation.name": "invoke_agent", "assay.prompt.id": ID}
    with tracer.start_as_current_span("invoke_agent desk", attributes=about):
        asks = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "small-1"}
        for tokens in (300, 500):
            with tracer.start_as_current_span("chat small-1", attributes=asks) as asked:
                asked.set_attribute("gen_ai.usage.input_tokens", tokens)
                asked.set_attribute("gen_ai.usage.output_tokens", 50)
                asked.set_attribute("gen_ai.response.finish_reasons", ["stop"])
        calls = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "kb_search"}
        with tracer.start_as_current_span("execute_tool kb_search", attributes=calls):
            pass


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_the_exporter_of_opentelemetry_is_understood(
    endpoint: Endpoint, compression: Compression
) -> None:
    """Nobody writes requests by hand: this is what production sends, in protobuf."""
    exporter = OTLPSpanExporter(f"{endpoint.url}/v1/traces", compression=compression)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    await asyncio.to_thread(trace_a_run, provider.get_tracer("desk"))
    await asyncio.to_thread(provider.shutdown)
    (row,) = endpoint.rows()
    assert (row["event"], row["prompt_id"], row["model"]) == ("agent_end", ID, "small-1")
    assert (row["input_tokens"], row["total_tokens"], row["steps"]) == (800, 900, 2)
    assert (row["tool_calls_by_tool"], row["stop_reason"]) == ({"kb_search": 1}, "finish")


async def test_json_says_the_same_as_protobuf(endpoint: Endpoint) -> None:
    """The two encodings are two ways into one log."""
    assert await endpoint.post(request(a_run(1))) == (200, b"{}")
    assert (await endpoint.post(gzip.compress(json.dumps(request(a_run(1))).encode()),
            **{"Content-Encoding": "gzip"}))[0] == 200  # fmt: skip
    message = ExportTraceServiceRequest()
    for each in decoding.from_object(request(a_run(2))).spans:
        sent = message.resource_spans.add().scope_spans.add().spans.add()
        sent.trace_id, sent.span_id = bytes.fromhex(each.trace_id), bytes.fromhex(each.span_id)
        sent.parent_span_id = bytes.fromhex(each.parent_id or "")
        sent.start_time_unix_nano, sent.end_time_unix_nano = each.start_ns, each.end_ns
        for key, held in each.attributes.items():
            kept = sent.attributes.add(key=key).value
            if isinstance(held, tuple):
                for text in held:
                    kept.array_value.values.add(string_value=text)
            else:
                setattr(kept, "int_value" if isinstance(held, int) else "string_value", held)
    status, answer = await endpoint.post(message.SerializeToString(), **PROTOBUF)
    assert (status, ExportTraceServiceResponse.FromString(answer)) == (
        200, ExportTraceServiceResponse(),
    )  # fmt: skip
    first, second = endpoint.rows()
    assert first.pop("run_id") != second.pop("run_id")
    assert first == second


async def test_what_is_no_span_is_said_and_the_rest_is_taken(endpoint: Endpoint) -> None:
    """An exporter must learn of it, and must not send the good ones again."""
    nonsense: list[Any] = [
        7, {}, span(1, "chat") | {"traceId": "00" * 16}, span(1, "chat") | {"spanId": 5},
        span(1, "chat") | {"startTimeUnixNano": "soon"}, chat(2) | {"traceId": "zz" * 16},
    ]  # fmt: skip
    status, answer = await endpoint.post(request([*nonsense, *a_run()]))
    assert status == 200
    assert json.loads(answer)["partialSuccess"]["rejectedSpans"] == "6"
    assert endpoint.listener.status()["spans rejected"] == 6
    assert len(endpoint.rows()) == 1


async def test_wrong_types_are_taken_for_not_there(endpoint: Endpoint) -> None:
    """A value that is nonsense costs one column of one run."""
    odd = {"key": "gen_ai.usage.input_tokens", "value": {"stringValue": "many"}}
    worse = [odd, {"key": 5}, "no", {"key": "gen_ai.usage.output_tokens", "value": [1]}]
    one = chat(1) | {"attributes": [*chat(1)["attributes"], *worse], "status": 3, "flags": "x"}
    huge = [{"key": f"key-{n}", "value": {"stringValue": "x"}} for n in range(10_000)]
    assert (await endpoint.post(request([a_run()[0] | {"attributes": [
        *a_run()[0]["attributes"], *huge]}, one])))[0] == 200  # fmt: skip
    (row,) = endpoint.rows()
    assert (row["input_tokens"], row["output_tokens"], row["total_tokens"]) == (None, 10, None)


DEEP = b'{"resourceSpans":' + b"[" * 100_000
BOMB = gzip.compress(bytes(body.MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"\xff\xfe", {}, 400),
        (DEEP, {}, 400),
        (b"\x0a\xff", PROTOBUF, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Encoding": "br"}, 415),
        (b"{}", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"{}")[:-4], {"Content-Encoding": "gzip"}, 400),
        (BOMB, {"Content-Encoding": "gzip"}, 413),
        (bytes(body.MAX_BYTES + 1), {}, 413),
        (b"{}", {"Host": "evil.example"}, 403),
    ],
    ids=[
        "cut-off", "no-object", "no-text", "deep", "no-message", "content-type", "packing",
        "no-gzip", "gzip-cut-off", "bomb", "large", "rebound-host",
    ],
)  # fmt: skip
async def test_what_is_no_request_gets_4xx_and_is_counted(
    endpoint: Endpoint, data: bytes, headers: dict[str, str], status: int
) -> None:
    """Whoever can reach the port can send anything; the next request is served as ever."""
    got, answer = await endpoint.post(data, **headers)
    assert got == status
    assert b"message" in answer or headers == PROTOBUF
    assert endpoint.listener.status()[f"requests refused with {status}"] == 1
    assert (await endpoint.post(request(a_run())))[0] == 200
    assert len(endpoint.rows()) == 1


async def test_a_token_is_asked_for_where_there_is_one(tmp_path: Path) -> None:
    """Beyond this machine anybody could write runs into the log, and end a canary with them."""
    here = Endpoint(tmp_path, token="t" * 16)
    await here.start()
    assert (await here.post(request(a_run())))[0] == 401
    assert (await here.post(request(a_run()), Authorization="Bearer wrong"))[0] == 401
    assert (await here.post(request(a_run()), Authorization=f"Bearer {'t' * 16}"))[0] == 200
    await here.runner.cleanup()
    assert len(here.rows()) == 1  # written at the end, though nothing had settled


async def test_its_status_says_what_came(endpoint: Endpoint) -> None:
    """Whoever looks into a hole in the data starts here."""
    await endpoint.post(request([*a_run(), *a_run(), {"startTimeUnixNano": str(AT)}]))
    endpoint.rows()
    async with aiohttp.ClientSession() as client, client.get(f"{endpoint.url}/status") as answer:
        said = await answer.json()
    assert (said["spans"], said["spans that came again"], said["runs"]) == (13, 6, 1)
    assert (said["spans rejected"], said["traces waiting"]) == (1, 0)
