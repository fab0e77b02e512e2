"""Bad HTTP: encodings, sizes, headers, methods, paths; and bytes that are no HTTP at all."""

import gzip
import zlib

from tests.integration.model_server.bad_cases import CLOSED, PREDICT, Case, post, raw

GOOD = b'{"instances": ["a"]}'
REFUSED = ("400",)
CUT_OFF = ("400", CLOSED)
GZIP = {"Content-Encoding": "gzip"}
PACKED = gzip.compress(GOOD)


def encoded(text: str, encoding: str) -> bytes:
    """`["…"]` with that text, in that encoding."""
    return f'{{"instances": ["{text}"]}}'.encode(encoding)


ENCODINGS = {
    "UTF-8 with a byte order mark": (encoded("a", "utf-8-sig"), {}, REFUSED),
    "UTF-16": (encoded("ají", "utf-16"), {}, REFUSED),
    "UTF-16 little endian": (encoded("ají", "utf-16-le"), {}, REFUSED),
    "UTF-16 big endian": (encoded("ají", "utf-16-be"), {}, REFUSED),
    "UTF-32": (encoded("ají", "utf-32"), {}, REFUSED),
    "UTF-7": (b"+AHsAIgBpAG4AcwB0AGEAbgBjAGUAcwAi-", {}, REFUSED),
    "EBCDIC": (encoded("a", "cp037"), {}, REFUSED),
    "stray byte in a key": (b'{"instances\xff": ["a"]}', {}, REFUSED),
    "stray byte before": (b"\xff" + GOOD, {}, REFUSED),
    "stray byte in a signature's name": (b'{"signature_name": "\xff", "instances": ["a"]}', {}, REFUSED),
    "stray byte in an input's name": (b'{"instances": [{"\xff": "a"}]}', {}, REFUSED),
    "stray byte in base64": (b'{"instances": [{"b64": "\xff"}]}', {}, REFUSED),
    # The model's own strings are bytes, and so these reach it, as with TensorFlow Serving.
    "stray byte in a text": (b'{"instances": ["a\xff"]}', {}, ("200",)),
    "cut character in a text": (b'{"instances": ["aj\xc3"]}', {}, ("200",)),
    "overlong character in a text": (b'{"instances": ["\xc0\xaf"]}', {}, ("200",)),
    "surrogate's bytes in a text": (b'{"instances": ["\xed\xa0\x80"]}', {}, ("200",)),
    "Latin-1, and said so": (
        encoded("ají", "latin-1"),
        {"Content-Type": "application/json; charset=iso-8859-1"},
        ("200",),
    ),
    "a charset that does not exist": (GOOD, {"Content-Type": "application/json; charset=x-none"}, ("200",)),
    "gzip without its header": (PACKED, {}, REFUSED),
    "gzip that is none": (GOOD, GZIP, REFUSED),
    "gzip of nothing": (gzip.compress(b""), GZIP, REFUSED),
    "gzip, and no byte": (b"", GZIP, REFUSED),
    "gzip cut off": (PACKED[:-9], GZIP, REFUSED),
    "gzip without its check": (PACKED[:-8], GZIP, REFUSED),
    "gzip with a wrong check": (PACKED[:-8] + b"\0" * 8, GZIP, REFUSED),
    "gzip with a damaged middle": (PACKED[:14] + b"\xff\xff" + PACKED[16:], GZIP, REFUSED),
    "gzip twice": (gzip.compress(PACKED), GZIP, REFUSED),
    "zlib called gzip": (zlib.compress(GOOD), GZIP, REFUSED),
    "gzip called deflate": (PACKED, {"Content-Encoding": "deflate"}, REFUSED),
    "an encoding that nobody knows": (PACKED, {"Content-Encoding": "br"}, REFUSED),
    "gzip of bad JSON": (gzip.compress(b"{"), GZIP, REFUSED),
}


def bomb(mebibytes: int) -> bytes:
    """Zeros, a thousand to one."""
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    head = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (mebibytes - 1) + packer.flush()


def request(head: str, body: bytes = b"", target: str = PREDICT, method: str = "POST") -> bytes:
    """The bytes of an HTTP request that ask for the connection's end."""
    lines = f"{method} {target} HTTP/1.1\r\nHost: m\r\nConnection: close\r\n{head}\r\n"
    return lines.encode("latin-1") + body


SIZES = {
    "no body": (request(""), REFUSED),
    "a body of no length": (request("Content-Length: 0\r\n"), REFUSED),
    "shorter than it says": (request("Content-Length: 100\r\n", GOOD), CUT_OFF),
    "longer than it says": (request("Content-Length: 5\r\n", GOOD), REFUSED),
    "negative length": (request("Content-Length: -1\r\n", GOOD), REFUSED),
    "length no number": (request("Content-Length: abc\r\n", GOOD), REFUSED),
    "length in hexadecimal": (request("Content-Length: 0x14\r\n", GOOD), REFUSED),
    "length with a sign": (request("Content-Length: +20\r\n", GOOD), REFUSED),
    "length over 2^64": (request(f"Content-Length: {2**64 + 20}\r\n", GOOD), REFUSED),
    "two lengths": (request("Content-Length: 20\r\nContent-Length: 21\r\n", GOOD), REFUSED),
    "length and chunks": (
        request("Content-Length: 20\r\nTransfer-Encoding: chunked\r\n", b"14\r\n" + GOOD + b"\r\n0\r\n\r\n"),
        REFUSED,
    ),
    "chunk size no number": (request("Transfer-Encoding: chunked\r\n", b"xyz\r\n" + GOOD), CUT_OFF),
    "chunk size negative": (request("Transfer-Encoding: chunked\r\n", b"-1\r\n" + GOOD), CUT_OFF),
    "chunk size over 2^64": (request("Transfer-Encoding: chunked\r\n", b"f" * 17 + b"\r\n" + GOOD), CUT_OFF),
    "chunk longer than its size": (request("Transfer-Encoding: chunked\r\n", b"3\r\n" + GOOD), CUT_OFF),
    "chunk shorter than its size": (request("Transfer-Encoding: chunked\r\n", b"ff\r\n" + GOOD), CUT_OFF),
    "no last chunk": (request("Transfer-Encoding: chunked\r\n", b"14\r\n" + GOOD + b"\r\n"), CUT_OFF),
    "chunks, then another coding": (request("Transfer-Encoding: chunked, gzip\r\n", GOOD), CUT_OFF),
    "unknown coding": (request("Transfer-Encoding: zip\r\n", GOOD), CUT_OFF),
    "a header of a megabyte": (request(f"X: {'a' * 2**20}\r\n"), ("431", CLOSED)),
    "20,000 headers": (request("".join(f"X-{n}: {'a' * 40}\r\n" for n in range(20_000))), ("431", CLOSED)),
    "a header without end": (request("")[:-2] + b"X: " + b"a" * 2**20, ("431", CLOSED)),
    "a path of a megabyte": (request("", target="/v1/models/" + "a" * 2**20), ("431", CLOSED)),
    "a path of 20 kB": (request("", target=f"/v1/models/{'a' * 20_000}:predict"), REFUSED),
}

HEADERS = {
    "no colon": (request("Content-Length\r\n"), REFUSED),
    "space before the colon": (request("Content-Length : 0\r\n"), REFUSED),
    "no name": (request(": a\r\n"), REFUSED),
    "name with a space": (request("A B: c\r\n"), REFUSED),
    "folded line": (request("A: b\r\n c\r\n"), REFUSED),
    "NUL": (request("A: b\0c\r\n"), REFUSED),
    "bare carriage return": (request("A: b\rc\r\n"), REFUSED),
    "bytes beyond ASCII": (request("A: \xff\xfe\r\nContent-Length: 0\r\n"), REFUSED),
    "no Host": (b"POST " + PREDICT.encode() + b" HTTP/1.1\r\nConnection: close\r\n\r\n", REFUSED),
    "two Hosts": (request("Host: n\r\nContent-Length: 0\r\n"), REFUSED),
    "websocket": (request("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: a\r\n"), REFUSED),
    "h2c": (request("Upgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: AAMAAABk\r\n"), REFUSED),
    "expects what it wants": (request("Expect: cake\r\nContent-Length: 0\r\n"), ("400", "417")),
    "a preflight without origin": (request("", method="OPTIONS"), REFUSED),
    "a preflight from nowhere": (request("Origin: null\r\n", method="OPTIONS"), REFUSED),
}

METHODS = {
    **{
        method: (request("Content-Length: 0\r\n", method=method), REFUSED)
        for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "LINK", "PROPFIND", "post", "FOO", "P" * 9999)
    },
    "CONNECT": (request("", target="m:80", method="CONNECT"), REFUSED),
    "PRI": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", REFUSED),
    "everything": (request("", target="*", method="OPTIONS"), ("400", "404")),
    "HTTP/0.9": (b"GET /v1/models/m\r\n\r\n", ("200",)),
    "HTTP/9.9": (b"GET /v1/models/m HTTP/9.9\r\n\r\n", REFUSED),
    "no version": (b"GET /v1/models/m HTTP/\r\n\r\n", REFUSED),
    "another protocol": (b"GET /v1/models/m FTP/1.1\r\n\r\n", REFUSED),
    "no method": (b" /v1/models/m HTTP/1.1\r\n\r\n", REFUSED),
    "no path": (b"GET  HTTP/1.1\r\n\r\n", REFUSED),
    "TLS": (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(range(150)), REFUSED),
    "SSH": (b"SSH-2.0-OpenSSH_9.6\r\n", REFUSED),
    "bytes": (bytes(range(256)) * 8, REFUSED),
    "empty lines": (b"\r\n" * 1000, (CLOSED,)),
    "nothing": (b"", (CLOSED,)),
}

PATHS = {
    "/": "404",
    "/v1": "404",
    "/v2/models/m": "404",
    "/../etc/passwd": "404",
    "/v1/../../etc/passwd": "400",
    "/v1/models/../../../etc/passwd": "400",
    "/v1/models/..": "404",
    "/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd": "404",
    "/v1/models/m%00": "404",
    "/v1/models/%ff%fe": "404",
    "/v1/models/%zz": "404",
    "/v1/models/m%2Fversions%2F1": "404",
    "/v1/models/": "400",
    "/v1//models/m": "400",
    "/v1/models/m/": "400",
    "/v1/models/m/versions": "400",
    "/v1/models/m/versions/": "400",
    "/v1/models/m/versions/-1": "400",
    "/v1/models/m/versions/1.0": "400",
    "/v1/models/m/versions/0x1": "400",
    "/v1/models/m/versions/1e0": "400",
    "/v1/models/m/versions/latest": "400",
    "/v1/models/m/versions/%31": "400",
    "/v1/models/m/versions/0": "404",
    "/v1/models/m/versions/99": "404",
    f"/v1/models/m/versions/{2**63 - 1}": "404",
    f"/v1/models/m/versions/{2**63}": "400",
    f"/v1/models/m/versions/{'9' * 5000}": "400",
    "/v1/models/m/versions/1/labels/stable": "400",
    "/v1/models/m/labels/": "400",
    "/v1/models/m/labels/L/metadata": "400",
    "/v1/models/m/labels/%00/metadata": "400",
    "/v1/models/m/labels/..%2f/metadata": "400",
    "/v1/models/m/metadata/more": "400",
    "/v1/models/m?a=b": "404",
    "/v1/models/m:predict": "400",
    "/v1/models/m:": "400",
    "/v1/models/m:explode": "400",
    "/v1/models/m|cat": "404",
    "http://elsewhere/v1/models/q": "404",
    "//v1/models/m": "404",
    "v1/models/m": "400",
    "/v1/models/caf\xe9": "400",
}


def cases() -> list[Case]:
    """All of them."""
    wire = {"sizes": SIZES, "headers": HEADERS, "methods": METHODS}
    return [
        *(
            Case("encodings", name, post(body, headers=headers), expected)
            for name, (body, headers, expected) in ENCODINGS.items()
        ),
        # A busy machine takes longer over it than the REST timeout.
        Case("encodings", "a gzip bomb", post(bomb(300), headers=GZIP), ("400", "504")),
        Case("sizes", "blanks of a megabyte", post(b" " * 2**20), REFUSED),
        Case("sizes", "a name of a megabyte", post(b'{"' + b"a" * 2**20 + b'": 1}'), REFUSED),
        Case("sizes", "a bad text of a megabyte", post(b'{"instances": "' + b"a" * 2**20 + b'"}'), REFUSED),
        Case("sizes", "100,000 bad rows", post(b'{"instances": [' + b"1," * 99_999 + b"1]}"), REFUSED),
        *(
            Case(group, name[:40], raw(data), expected)
            for group, table in wire.items()
            for name, (data, expected) in table.items()
        ),
        *(
            Case("paths", path[:60], raw(request("", target=path, method="GET")), (status,))
            for path, status in PATHS.items()
        ),
    ]
