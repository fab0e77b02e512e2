"""Personal data: what must go, what must stay, and what holds for any text."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.personal import find_redacted, read_comments, score
from data.personal import Kind, redact, redact_all
from data.personal.check_digits import dni_check_characters, is_luhn, is_ruc

KINDS = [kind.value for kind in Kind]
PIECES = [
    *(
        "soy ",
        "Sra. ",
        "don ",
        "Jorge",
        "Rosa",
        "Flores",
        " de la ",
        "Cruz",
        "san ",
        "DNI ",
        "pedido ",
        "cel ",
        "ruc ",
        "tarjeta ",
        "placa ",
    ),
    *(
        "Av. ",
        "Mz. ",
        "Lt. ",
        "Calle Los Pinos ",
        "@",
        "a@b.pe",
        "arroba gmail",
        ".com/",
        "12345678",
        "999000111",
        "4111111111111111",
    ),
    *(
        "20123456786",
        "-",
        " ",
        ", ",
        ". ",
        "[PERSONA]",
        "[DNI]",
        "[",
        "]",
        "ABC-123",
        "S/ 20.50",
        "\n",
        "ñ",
        "İ",
        "ﬁ",
        "٣٤٥",
        "gracias ",
    ),
]
mixtures = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=25).map("".join)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Me atendió Jorge Quispe, un crack", "Me atendió [PERSONA], un crack"),
        ("la señorita rosa no me dio boleta", "la señorita [PERSONA] no me dio boleta"),
        ("soy José Luis de la Cruz, DNI: 12345678.", "soy [PERSONA], DNI: [DNI]."),
        ("Sra. Ñaupari-", "Sra. [PERSONA]-"),
        ("12345678-1 es mi documento", "[DNI] es mi documento"),
        ("llámenme al +51 999-000-111 o (01) 555-0143", "llámenme al [TELEFONO] o [TELEFONO]"),
        ("juan.perez@correo.pe / juanp arroba gmail punto com", "[CORREO] / [CORREO]"),
        ("Av. Los Pinos 123 dpto. 402, Lince", "[DIRECCION], Lince"),
        ("vivo en Mz. B Lt. 14", "vivo en [DIRECCION]"),
        ("mi tarjeta 4111 1111 1111 1111", "mi tarjeta [TARJETA]"),
        ("12345678 es mi DNI", "[DNI] es mi DNI"),
        ("mi dni (12345678), cel999000111 (llamar)", "mi dni ([DNI]), cel[TELEFONO] (llamar)"),
        ("factura al 20123456786", "factura al [RUC]"),
        ("ruc 20123456786", "ruc [RUC]"),
        ("@come_rico y facebook.com/nadie.inventado", "[USUARIO] y [ENLACE]"),
    ],
)
def test_replaces(text, redacted):
    assert redact(text).text == redacted


@pytest.mark.parametrize(
    "text",
    [
        "pedido 987654321, S/ 1,250.50, 12/03/2024, 10/10, 3 de 5 a las 8:30",
        "Inka Kola, turrón de Doña Pepa, San Martín, Rosa Náutica, Lomo Saltado",
        "amig@s, una arroba de papas en la Av. Larco",
        "El señor amable, la señora linda, soy limeña y soy fan",
        "código 7750001234562, boleta B001-00012345",
    ],
)
def test_leaves_what_only_looks_personal(text):
    assert redact(text).text == text
    assert redact(text).counts == {}


def test_counts_by_kind_and_keeps_nothing_else():
    texts, counts = redact_all(["soy Ana, 999000111 y 999000112", "rico", "dni 12345678"])
    assert texts == ["soy [PERSONA], [TELEFONO] y [TELEFONO]", "rico", "dni [DNI]"]
    assert counts == {"PERSONA": 1, "TELEFONO": 2, "DNI": 1}
    assert not any(char.isdigit() for char in json.dumps(texts))


@pytest.mark.parametrize("check", [("1", "E")])
def test_check_digits(check):
    assert dni_check_characters("12345678") == "".join(check)
    assert is_ruc("20123456786") and not is_ruc("20123456787")
    assert is_luhn("5555555555554444") and not is_luhn("5555555555554445")


@settings(max_examples=200, deadline=None)
@given(mixtures | st.text())
def test_twice_is_once(text):
    done = redact(text)
    again = redact(done.text)
    assert again.text == done.text
    assert again.counts == {}
    assert set(done.counts) <= set(KINDS)


@settings(max_examples=100, deadline=None)
@given(mixtures)
def test_without_findings_the_text_is_the_same(text):
    done = redact(text)
    assert done.counts or done.text == text
    assert sum(done.text.count(f"[{kind}]") for kind in KINDS) == sum(done.counts.values()) + sum(
        text.count(f"[{kind}]") for kind in KINDS
    )


@settings(max_examples=75, deadline=None)
@given(st.integers(0, 99_999_999), st.sampled_from(["{}", "{}.", "({})", "{}!", "{} gracias", "{},", "\n{}\n"]))
def test_no_digit_of_a_dni_or_phone_stays(number, around):
    phone = f"9{number:08}"
    for written in (
        f"{phone[:3]} {phone[3:6]} {phone[6:]}",
        phone,
        f"+51{phone}",
        f"{phone[:3]}-{phone[3:6]}-{phone[6:]}",
    ):
        assert not any(char.isdigit() for char in redact("mi cel es " + around.format(written)).text)
    assert not any(char.isdigit() for char in redact("mi dni es " + around.format(f"{number:08}")).text)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "piece",
    [
        "1 ",
        "1-",
        "01 ",
        "a.a@",
        "@",
        "arroba gmail",
        "Ana ",
        "soy Ana y ",
        "de la ",
        "Av. A ",
        "Mz A ",
        "dni 12345678 ",
    ],
)
def test_no_text_makes_it_hang(piece):
    done = redact(piece * (10_000 // len(piece)))
    assert redact(done.text).text == done.text


def test_development_comments_stay_found():
    comments = read_comments("development")
    every = score(comments, [find_redacted(comment.text) for comment in comments])["all"]
    assert every["precision"] > 0.95 and every["recall"] > 0.95
