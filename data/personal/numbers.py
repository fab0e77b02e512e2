"""Documents, telephones, cards and accounts: numbers that shape, check digit or the words around give away.

A number alone is not personal: prices, dates and order numbers must survive. So a candidate needs either a form that
is hardly chance (a mobile of nine digits, a valid check digit) or a word beside it that says what it is.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import phonenumbers

from data.personal.check_digits import dni_check_characters, is_luhn, is_ruc
from data.personal.kinds import Kind, Span

_WORDS: dict[Kind | None, str] = {
    Kind.DNI: r"d\.?n\.?i\.?|documento(?: de identidad)?|doc\.? de identidad",
    Kind.RUC: r"r\.?u\.?c\.?|factur\w{1,5} (?:al?|para)",
    Kind.DOCUMENT: r"carn[eé](?:t)?(?: de)? (?:extranjer[ií]a|ext\.?)|c\.?\s?e\.?|pasaporte|ptp|cpp|extranjer[ií]a",
    Kind.PHONE: r"cel(?:u|ular|ulares|\.)?|tel[eé]fonos?|tel(?:f|ef)?\.?|fonos?|fijo|anexo|n[uú]mero de contacto"
    r"|mi n[uú]mero|ll[aá]m(?:ar|ame|enme|eme|en|o al)|whats?app?|wsp|wasap|guasap|yape(?:o|ar|é|en|ame)?"
    r"|plin(?:eo|ear)?|cont[aá]ct\w{0,6}|marc(?:ar|ame|o|a)|escr[ií]b\w{0,6}|comun[ií]\w{0,8}",
    Kind.CARD: r"tarjeta(?: de (?:cr[eé]dito|d[eé]bito))?|visa|mastercard|amex|american express|diners",
    Kind.ACCOUNT: r"cuenta(?: (?:de ahorros?|corriente|sueldo))?|cta\.?|c\.?c\.?i\.?|interbancario"
    r"|abon\w{1,5}|deposit\w{1,6}|transfer\w{1,6}",
    None: r"pedidos?|[oó]rden|ticket|boleta|factura|comprobante|c[oó]digo|c[oó]d\.?|lote|reclamo|compra|transacci[oó]n"
    r"|operaci[oó]n|gu[ií]a|tracking|cup[oó]n|serie|barras|sku|registro|r\.?s\.?|ean|caso|reserva|vale|hoja|libro|s/\.?|soles|sorteo"
    r"|referencia|ref\.?",
}
"""What the word beside a number says it is; None: something that is not personal."""

_NAMES = list(_WORDS)
_CONTEXT = re.compile(
    "|".join(rf"(?P<k{place}>(?<!\w)(?:{words})(?!\w))" for place, words in enumerate(_WORDS.values())), re.IGNORECASE
)
_REACH = 40
_AFTER = re.compile(
    r"[\s,]{0,2}(?:\(|(?:es|era|de)\s)?\s?(?:(?:mi|su|el)\s)?(dni|ruc|cel(?:ular)?|whats?app?|tel[eé]fono)\b",
    re.IGNORECASE,
)
_LIST_GAP = re.compile(r"\s?(?:[,/y-]|o|y el|,? o al)?\s{0,2}\(?\+?", re.IGNORECASE)
_GROUP = re.compile(
    r"(?:(?<![\w.,])|(?<=[.,])(?<!\d[.,])|(?<=\bdni)|(?<=\bruc)|(?<=\bcel)|(?<=\btel))(?:\((?=\+?\d{1,3}\)))?\+?(?=\d)",
    re.IGNORECASE,
)
_BEHIND_PERSON = re.compile(re.escape(Kind.PERSON.placeholder) + r"[\s,.:;()-]{0,4}$")
_PASSPORT = re.compile(r"\b(?:pasaporte|c\.?e\.?)[\s:n°º.]{1,6}(?P<place>[a-z]{1,3}\d{6,9})(?!\w)", re.IGNORECASE)
_IS_DNI = re.compile(r"\s?(?:,|es|\()\s?(?:es\s)?(?:(?:mi|su|el)\s)?dni\b", re.IGNORECASE)
_DIGITS = re.compile(r"\d+(?:[.,-]\d+)*")
_UNDECIDED = "undecided"


class _Seen(NamedTuple):
    digits: str
    written: str
    said: Kind | str | None


class _Shape(NamedTuple):
    kind: Kind
    form: re.Pattern[str]
    holds: Callable[[_Seen], bool]


def _free(seen: _Seen, kind: Kind) -> bool:
    return seen.said in (kind, Kind.PERSON, _UNDECIDED)


def _is_card(seen: _Seen) -> bool:
    if seen.said == Kind.CARD:
        return True
    return (_free(seen, Kind.CARD) or seen.said == Kind.ACCOUNT) and seen.digits[0] in "3456" and is_luhn(seen.digits)


def _is_dni(seen: _Seen) -> bool:
    if seen.said in (Kind.DNI, Kind.PERSON):
        return True
    return (
        _free(seen, Kind.DNI)
        and seen.written[8:9] == "-"
        and seen.written[-1].upper() in dni_check_characters(seen.digits[:8])
    )


def _is_mobile(seen: _Seen) -> bool:
    # People "transfer to" and "deposit at" a mobile: Yape and Plin are tied to one.
    return _free(seen, Kind.PHONE) or seen.said == Kind.ACCOUNT


def _is_valid_phone(seen: _Seen) -> bool:
    if not _free(seen, Kind.PHONE):
        return False
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(seen.written, "PE"))
    except phonenumbers.NumberParseException:
        return False


_END = r"(?![\w]|[.,]\d)"
_SHAPES = (
    _Shape(
        Kind.RUC,
        re.compile(r"(?:10|15|16|17|20)(?:[ -]?\d){9}" + _END),
        lambda seen: seen.said == Kind.RUC or (_free(seen, Kind.RUC) and is_ruc(seen.digits)),
    ),
    _Shape(
        Kind.ACCOUNT,
        re.compile(r"\d{3}-\d{7,8}-\d-\d{2}|\d{3}[- ]\d{3}[- ]\d{12}[- ]\d{2}" + _END),
        lambda seen: seen.said is not None,
    ),
    _Shape(Kind.ACCOUNT, re.compile(r"\d(?:[ -]?\d){9,19}" + _END), lambda seen: seen.said == Kind.ACCOUNT),
    _Shape(Kind.CARD, re.compile(r"\d(?:[ .-]?\d){12,18}" + _END), _is_card),
    _Shape(Kind.DNI, re.compile(r"\d{8}(?:-[\dA-Ka-k])?" + _END + r"|\d{2}([. ])\d{3}\1\d{3}" + _END), _is_dni),
    _Shape(Kind.DOCUMENT, re.compile(r"\d{7,12}" + _END), lambda seen: seen.said == Kind.DOCUMENT),
    _Shape(Kind.PHONE, re.compile(r"\(?(?:\+?51\)?[ -]?)?9(?:[ .-]?\d){8}" + _END), _is_mobile),
    _Shape(Kind.PHONE, re.compile(r"\+\d(?:[ .()-]{0,2}\d){7,14}" + _END), _is_valid_phone),
    _Shape(Kind.PHONE, re.compile(r"\(?0[1-8]\d?\)?[ -]{0,3}\d(?:[ -]?\d){5,6}" + _END), _is_valid_phone),
    _Shape(Kind.PHONE, re.compile(r"\d(?:[ -]?\d){5,8}" + _END), lambda seen: seen.said == Kind.PHONE),
)


def find_numbers(text: str) -> Iterator[Span]:
    """Yields the spans of personal numbers, none over another."""
    for passport in _PASSPORT.finditer(text):
        yield Span(*passport.span("place"), Kind.DOCUMENT)
    end = 0
    said: Kind | str | None = _UNDECIDED
    for group in _GROUP.finditer(text):
        start = group.start()
        if start < end:
            continue
        digits = _DIGITS.match(text, group.end())
        stop = digits.end() if digits else group.end()
        said = _say(text, start, end, said)
        if said == _UNDECIDED and _IS_DNI.match(text, stop):
            said = Kind.DNI
        found = _first_shape(text, start, said)
        if found:
            yield found
            said = found.kind
        end = found.end if found else stop


def _first_shape(text: str, start: int, said: Kind | str | None) -> Span | None:
    for kind, form, holds in _SHAPES:
        match = form.match(text, start)
        if match:
            written = match[0]
            digits = "".join(char for char in written if char.isdecimal())
            if holds(_Seen(digits, written, said)):
                return Span(start, match.end(), kind)
    return None


def _say(text: str, start: int, previous_end: int, previous: Kind | str | None) -> Kind | str | None:
    """What the nearest word before `start` says; in a list, what the number before was."""
    begin = max(previous_end, start - _REACH)
    window = text[begin:start]
    if previous_end and _LIST_GAP.fullmatch(window):
        return previous
    if _BEHIND_PERSON.search(window):
        return Kind.PERSON
    words = [match.lastgroup for match in _CONTEXT.finditer(window)]
    return _NAMES[int(words[-1][1:])] if words and words[-1] else _UNDECIDED
