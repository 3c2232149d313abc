"""The body of a request, no larger than it may be, whatever it claims and however it is packed."""

import asyncio
import zlib

from aiohttp import web

MAX_BYTES = 16 * 2**20
"""Unpacked."""
READ_S = 30.0
GZIP = 16 + zlib.MAX_WBITS


class Refused(Exception):
    """A request that gets an answer of 4xx."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


async def read_body(request: web.Request) -> bytes:
    """Read and unpack it.

    Raises:
        Refused: It is too large, too slow, or packed in another way than it says.
    """
    packing = request.headers.get("Content-Encoding", "identity").lower()
    if packing not in ("identity", "gzip"):
        raise Refused(415, "Content-Encoding is neither gzip nor identity")
    raw = bytearray()
    try:
        async with asyncio.timeout(READ_S):
            async for chunk in request.content.iter_chunked(64 * 2**10):
                raw += chunk
                if len(raw) > MAX_BYTES:
                    raise Refused(413, f"more than {MAX_BYTES} bytes")
    except TimeoutError:
        raise Refused(408, f"its body did not come within {READ_S:g} s") from None
    return bytes(raw) if packing == "identity" else _unpacked(bytes(raw))


def _unpacked(raw: bytes) -> bytes:
    unpacking = zlib.decompressobj(GZIP)
    try:
        body = unpacking.decompress(raw, MAX_BYTES + 1)
    except zlib.error:
        raise Refused(400, "its body is no gzip") from None
    if len(body) > MAX_BYTES:
        raise Refused(413, f"more than {MAX_BYTES} bytes when unpacked")
    if not unpacking.eof:
        raise Refused(400, "its gzip is cut off")
    return body
