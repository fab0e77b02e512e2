"""Words that the model read, found again in what a person typed."""

import pytest

from serving.gateway.alignment import align
from serving.gateway.explanations import explain_words


def found(text: str, *words: str) -> list[str | None]:
    """The parts of the text that the words were found at."""
    return [text[span.start : span.end] if span else None for span in align(text, words)]


@pytest.mark.parametrize(
    ("text", "words", "parts"),
    [
        ("¡Qué RICO!", ["¡", "que", "rico", "!"], ["¡", "Qué", "RICO", "!"]),
        ("Riqu\u00edsima, riqui\u0301sima", ["riquisima", ",", "riquisima"], ["Riquísima", ",", "riqui\u0301sima"]),
        ("El año del PIÑÓN", ["el", "año", "del", "piñon"], ["El", "año", "del", "PIÑÓN"]),
        ("El año del PIÑÓN", ["el", "ano", "del", "pinon"], ["El", "año", "del", "PIÑÓN"]),
        ("El año del PIÑÓN", ["El", "año", "del", "PIÑÓN"], ["El", "año", "del", "PIÑÓN"]),
        ("no, no y NO", ["no", ",", "no", "y", "no"], ["no", ",", "no", "y", "NO"]),
        ("Riiiiicooo...", ["riiiiicooo", ".", ".", "."], ["Riiiiicooo", ".", ".", "."]),
        ("rico😋 👩‍🍳!", ["rico😋", "👩🍳", "!"], ["rico😋", "👩‍🍳", "!"]),
        ("pollo ❤️ rico", ["pollo", "❤\ufe0f", "rico"], ["pollo", "❤️", "rico"]),
        ("a\u200bjí\x07 si\xa0no", ["aji", "si", "no"], ["a\u200bjí\x07", "si", "no"]),
        ("s/25+IGV", ["s", "/", "25", "+", "igv"], ["s", "/", "25", "+", "IGV"]),
        ("ΟΔΟΣ", ["οδοσ"], ["ΟΔΟΣ"]),
    ],
)
def test_words_are_found_however_the_tokeniser_folds(text, words, parts):
    assert found(text, *words) == parts


def test_an_unknown_word_reaches_to_the_next_space_or_punctuation():
    assert found("Un ✨rocoto✨, caro", "un", "[UNK]", ",", "caro") == ["Un", "✨rocoto✨", ",", "caro"]
    assert found("ñato 辣辣!", "[UNK]", "[UNK]", "[UNK]", "!") == ["ñato", "辣", "辣", "!"]


def test_a_text_that_was_cut_and_a_word_that_is_not_there():
    assert found("causa rellena de pollo", "causa", "rell") == ["causa", "rell"]
    assert found("la causa limeña", "la", "papa", "causa", "limeña") == ["la", None, "causa", "limeña"]
    assert found("hola", "\u0301", "hola", "[UNK]", "fin") == [None, "hola", None, None]
    assert found("", "[UNK]", "x") == [None, None]


def test_spans_hold_for_any_text_whatever_the_words():
    strange = "İstanbul ﬁno ʼn 각 \ud7ff \x00\u202e ÅÅ ½ 🇵🇪🌶️ ß \u0301\u0301 x"
    for words in (["istanbul", "fino", "[UNK]", "각", "ß", "x"], list(strange), ["[UNK]"] * 50):
        spans = [span for span in align(strange, words) if span]
        assert all(0 <= span.start < span.end <= len(strange) for span in spans)
        assert spans == sorted(spans)


def test_pieces_are_joined_and_scaled_to_the_strongest_word():
    tokens = ["[CLS]", "muy", "cr", "##emo", "##sa", "pero", "[UNK]", "[SEP]", "", ""]
    words = explain_words("Muy CREMOSA pero kara", tokens, [0.0, 0.5, 1.0, 0.5, 0.5, 0.0, -4.0, 0.0, 0.0, 0.0])
    assert [(word.word, word.start, word.end, word.strength, word.attribution) for word in words] == [
        ("Muy", 0, 3, 0.125, 0.5),
        ("CREMOSA", 4, 11, 0.5, 2.0),
        ("pero", 12, 16, 0.0, 0.0),
        ("kara", 17, 21, -1.0, -4.0),
    ]


def test_a_text_that_moves_nothing_has_no_strong_word():
    assert [word.strength for word in explain_words("ya ya", ["[CLS]", "ya", "ya", "[SEP]"], [0.0] * 4)] == [0.0, 0.0]
    assert explain_words("\u200b", ["[CLS]", "[SEP]"], [0.0, 0.0]) == []
