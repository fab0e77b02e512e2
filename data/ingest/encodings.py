"""Which bytes a file has and in which encoding it is written, found in one pass."""

import codecs
import hashlib
from dataclasses import dataclass
from typing import BinaryIO, Final

_BLOCK_BYTES: Final = 1 << 20
_SAMPLE_BYTES: Final = 1 << 16
_SETTLED: Final = 10_000
_STRAY: Final = "sazon.stray_bytes"

_MARKS: Final = (
    (codecs.BOM_UTF8, "UTF-8 with a byte order mark", "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "UTF-32", "utf-32"),
    (codecs.BOM_UTF32_BE, "UTF-32", "utf-32"),
    (codecs.BOM_UTF16_LE, "UTF-16", "utf-16"),
    (codecs.BOM_UTF16_BE, "UTF-16", "utf-16"),
)
# Encodings of one byte a character in which Spanish is found: today's Windows, DOS, old Macs.
_SINGLE_BYTE: Final = {"cp1252": "Windows-1252", "cp850": "DOS code page 850", "mac_roman": "Mac OS Roman"}


@dataclass(frozen=True)
class Encoding:
    """How to decode a file, and how to call that."""

    name: str
    codec: str
    errors: str = "replace"


@dataclass(frozen=True)
class Examined:
    """What one pass over a file tells."""

    digest: str
    size: int
    head: bytes
    encoding: Encoding


def examine(stream: BinaryIO) -> Examined:
    """Reads a stream from its start to its end, and rewinds it."""
    digest, size, head, utf8 = hashlib.sha256(), 0, b"", _Utf8()
    stream.seek(0)
    while block := stream.read(_BLOCK_BYTES):
        head = head or block[:_SAMPLE_BYTES]
        digest.update(block)
        size += len(block)
        utf8.read(block)
    stream.seek(0)
    return Examined(digest.hexdigest(), size, head, _decide(head, utf8))


class _Utf8:
    """Counts what is UTF-8 beyond ASCII in a stream, and what is not."""

    def __init__(self) -> None:
        self.good = self.stray = 0
        self.sample = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")(_STRAY)

    def read(self, block: bytes) -> None:
        if self.stray > _SETTLED or block.isascii():
            return
        for start in range(0, len(block), _SAMPLE_BYTES):  # an incremental decoder keeps the rest of a character
            part = block[start : start + _SAMPLE_BYTES]
            before = _stray_bytes.count
            text = self._decoder.decode(part)
            stray = _stray_bytes.count - before
            self.stray += stray
            self.good += max(0, len(part) - len(text))
            if stray and len(self.sample) < _SAMPLE_BYTES:
                self.sample += part
            if self.stray > _SETTLED:
                return


def _decide(head: bytes, utf8: _Utf8) -> Encoding:
    for mark, name, codec in _MARKS:
        if head.startswith(mark):
            return Encoding(name, codec, _STRAY if codec == "utf-8-sig" else "replace")
    if (wide := _unmarked_utf16(head)) is not None:
        return wide
    if not utf8.stray:
        return Encoding("UTF-8" if utf8.good else "ASCII", "utf-8", _STRAY)
    if utf8.good > utf8.stray:
        return Encoding("UTF-8 with some bytes of Windows-1252", "utf-8", _STRAY)
    return _single_byte(utf8.sample)


def _unmarked_utf16(head: bytes) -> Encoding | None:
    """Mostly ASCII in UTF-16 has a zero in every other byte."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(1, len(head) // 2)
    if odd > 0.4 * half and even < 0.05 * half:
        return Encoding("UTF-16 without a byte order mark", "utf-16-le")
    if even > 0.4 * half and odd < 0.05 * half:
        return Encoding("UTF-16 without a byte order mark", "utf-16-be")
    return None


def _single_byte(sample: bytes) -> Encoding:
    """That in which most bytes beyond ASCII are letters of Spanish; detectors for all languages fail on few letters."""
    codec = max(_SINGLE_BYTE, key=lambda codec: _spanish_letters(sample, codec))  # the first of equals
    if codec == "cp1252" and not any(0x80 <= byte < 0xA0 for byte in sample):
        return Encoding("Latin-1", "cp1252", _STRAY)
    return Encoding(_SINGLE_BYTE[codec], codec, _STRAY)


def _spanish_letters(sample: bytes, codec: str) -> int:
    """Small letters count twice: they are commoner, and are capitals in another encoding."""
    text = sample.decode(codec, "ignore")
    return sum(2 * text.count(letter) for letter in "áéíóúüñ¿¡") + sum(text.count(letter) for letter in "ÁÉÍÓÚÜÑ")


class _StrayBytes:
    """Error handler: bytes that are not of the encoding are read as Windows-1252, or Latin-1 where that has none."""

    count = 0

    def __call__(self, error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        wrong = error.object[error.start : error.end]
        self.count += len(wrong)
        return "".join(_LATIN[byte] for byte in wrong), error.end


_LATIN: Final = [bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256)]
_stray_bytes = _StrayBytes()
codecs.register_error(_STRAY, _stray_bytes)
