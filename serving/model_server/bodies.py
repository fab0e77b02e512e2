"""Bodies of HTTP requests: read with a limit, unpacked with the same limit."""

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

MAX_BODY_BYTES: Final = 100 * 1024 * 1024

_GZIP: Final = 16 + zlib.MAX_WBITS


class ClientGoneError(ConnectionError):
    """The client hung up before its body was whole."""


class BodyTooLargeError(ValueError):
    """The body is over the limit."""


async def read_body(receive: Callable[[], Awaitable[MutableMapping[str, Any]]], limit: int = MAX_BODY_BYTES) -> bytes:
    """Collects the body of an ASGI request.

    Raises:
        BodyTooLargeError: over `limit` bytes; the rest is read and thrown away first, since a client that is still
            sending would not see the answer.
        ClientGoneError: the connection ended before the body.
    """
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        else:
            chunks.clear()
    if size > limit:
        raise BodyTooLargeError(f"Request body of {size} bytes is over the limit of {limit} bytes")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def unpack(body: bytes, encoding: bytes, limit: int = MAX_BODY_BYTES) -> bytes:
    """Undoes `Content-Encoding: gzip`.

    Returns:
        The plain body; nothing where the packed one is damaged or unpacks to over `limit` bytes, as TensorFlow
        Serving does (the client then reads that the document is empty).
    """
    if encoding != b"gzip":
        return body
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error:
        return b""
    return plain if unpacker.eof and len(plain) <= limit else b""
