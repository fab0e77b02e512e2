"""Postal addresses in Peruvian forms, and number plates.

A street alone is a place, not an address: it takes a house number, or block and lot (Mz., Lt.), or somebody who says
that he lives there.
"""

import re
from collections.abc import Iterator

from data.personal.kinds import Kind, Span

_STREET = (
    r"(?<![\w.'’])(?:av(?:\.|da\.?|enida)?|jr\.?|jir[oó]n|calle|ca\.|psje\.?|psj\.?|pje\.?|pasaje|prol\.|prolongaci[oó]n"
    r"|alameda|malec[oó]n|carretera)"
)
_CAPITALISED = r"[A-ZÁÉÍÓÚÑ]\w{1,20}"
_NO_NAME = (
    r"(?!(?:cuadras?|cdra|paradero|km|kil[oó]metro|y|o|u|a|en|con|por|que|q|me|mi|se|si|no|es|est[aá]n?|hay|piso|son|fue|"
    r"cobr\w+|llen[ao]|todo|pero|para|frente|cerca|tengo|sin|desde|hasta|dpto|depto|mz|mza|lt|lote|nro|num|n|urb|int)\b)"
)
_NAME = (
    rf"(?:[ ]{{1,2}}{_NO_NAME}"
    r"(?:\d{1,2}[ ](?=de\b)|\d{1,2}(?=[ ]{1,2}(?:n|mz|#))|[^\W\d_][\w'’]{0,20}\.?)){1,5}"
)
_NUMBER = (
    r"[ ]?,?[ ]?(?:n(?:[°º]|ro\.?|\.?[°º])[ ]?|#[ ]?|n[uú]mero[ ])?\d{2,5}(?:-?[a-z](?!\w))?(?![\w:%/]|[.,]\d)"
    r"(?![ ]?(?:soles|minutos?|min|horas?|hrs?|años|personas|cuadras|veces|am|pm|metros|kil[oó]metros|km|d[ií]as)\b)"
)
_LOT = r"(?:mz|mza|manzana)\.?[ ]?[a-z]{1,2}\d?['’]?[ ]?,?[ ]?(?:lt|lte|lote)\.?[ ]?\d{1,3}[a-z]?(?!\w)"
_TAIL = (
    r"(?:[ ]?[,-]?[ ]?(?:d(?:pto|epto|ep|p)|departamento|int|interior|oficina|of|piso|block|torre)\.?[ ]?"
    r"(?:n?[°º][ ]?)?(?:\d{1,4}[a-z]?|[a-z])(?!\w)"
    r"|[ ](?:urb|aa\.?hh|asoc|coop|res|urbanizaci[oó]n|asociaci[oó]n|residencial)\.?"
    rf"(?-i:(?:[ ](?:de[ ]|la[ ]|los[ ]|las[ ])?{_CAPITALISED}){{1,3}})){{0,4}}"
)
_ADDRESS = re.compile(rf"(?:{_STREET}{_NAME}(?:{_NUMBER}|[ ]?,?[ ]?{_LOT})|(?<!\w){_LOT}){_TAIL}", re.IGNORECASE)
_HOME = re.compile(
    rf"\b(?:vivo|vivimos|mi casa (?:est[aá]|queda)|mi direcci[oó]n es|direcci[oó]n:)[ ](?:en[ ])?(?:la[ ]|el[ ])?"
    rf"(?P<place>{_STREET}(?-i:(?:[ ](?:de[ ]|la[ ]|los[ ]|las[ ])*{_CAPITALISED}){{1,3}}))",
    re.IGNORECASE,
)
_PLATE = re.compile(
    r"\bplacas?(?:[ ](?:de[ ]rodaje|n[°º]|nro\.?|es))?[ :]{1,2}"
    r"(?P<place>(?=[a-z-]{0,4}\d)[a-z\d]{2,4}[- ]?(?=[a-z]{0,3}\d)[a-z\d]{2,4})(?!\w)",
    re.IGNORECASE,
)


def find_addresses(text: str) -> Iterator[Span]:
    """Yields the spans of addresses and of plates; they may overlap."""
    for match in _ADDRESS.finditer(text):
        yield Span(match.start(), match.end(), Kind.ADDRESS)
    for form, kind in ((_HOME, Kind.ADDRESS), (_PLATE, Kind.PLATE)):
        for match in form.finditer(text):
            yield Span(*match.span("place"), kind)
