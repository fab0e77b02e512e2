import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from models.text.tokeniser import Tokeniser
from models.text.wordpiece import SPECIAL_TOKENS, library_tokeniser
from sazon.errors import UserError

TEXTS = [
    "El ceviche estuvo buenazo pero demasiado picante",
    "¡Qué rico el ají de gallina, pe! Cremosito.",
    "No pica nada, le falta sal...",
    "año tras año la ñaña compra piñas",
    "RICOOOO 🤤🤤 el anticucho",
    "la causa está fresquita; el tacu-tacu (con huevo) también",
] * 3
HARD = [
    *TEXTS[:6],
    "",
    "   ",
    unicodedata.normalize("NFD", "¡Qué AJÍ, señorita Ñuñez! El pingüino comió piñas"),
    "AÑO ano Año n\u0303 N\u0303 ñ\u0301 a\u0301\u0308 u\u0308",
    "👍🏽 rico 👩🏿‍🍳👨‍👩‍👧 pe 🇵🇪 ❤️ ☕️ 1️⃣ 🤤🤤🤤",
    "buenaaaaaaaazoooooo jajajajajaja " + "ja" * 60 + " ñ" * 3 + "ñ" * 99 + " " + "é" * 100 + " " + "é" * 101,
    "x" * 100 + " " + "x" * 101 + "!" + "😋" * 100 + "." + "😋" * 101,
    "mira https://ejemplo.pe/menú?x=1&y=dos#tres @chef_limeño #ceviche S/25.50 50% ok_ok a+b=c <b>`~^|$",
    "bueno… “muy” «rico» — o no… ¿no? ´tal` ˆcual˜ 5€ 3° n°1 ½ª",
    "con\x00trol\x07 y\x1b[0m tab\tsalto\nretorno\r fin\x85\x7f",
    "a\u200bb\u200dc\ufeffd\u00ade \u2028f\u2029g\u3000h\u00a0i\ufffdj\ud7ff",
    "寿司 sushi寿司con ají すし 초밥 суши ΣΟΦΟΣ σοφος İstanbul ŒUVRE ﬁn Ǆ ß ẞ",
    "字" * 150,
    "a\ue000b \ue001 \ue002 c",
    "word" * 10 + "-" * 120 + "word" * 30,
]
FORMS = {
    "cased": (False, "keep"),
    "uncased": (True, "strip"),
    "uncased with accents": (True, "keep"),
    "ours": (True, "fold"),
}


def _vocabulary() -> tuple[str, ...]:
    """In an order that is not the usual one, with pieces of every form."""
    pieces = dict.fromkeys(("[MASK]", "[PAD]", "[EOS]", "[UNK]", "[CLS]", "[SEP]"))
    for text in [*HARD, unicodedata.normalize("NFD", "áéíóúüñÁÑ")]:
        for form in (
            text,
            text.lower(),
            unicodedata.normalize("NFD", text).lower(),
            unicodedata.normalize("NFC", text),
        ):
            pieces.update(dict.fromkeys(character for character in form if not character.isspace()))
    pieces.update({f"##{piece}": None for piece in list(pieces)[6::2]})
    pieces.update(dict.fromkeys(["año", "ano", "rico", "que", "qué", "##azo", "ja", "##ja", "El", "el"]))
    return tuple(piece for piece in pieces if unicodedata.category(piece[-1]) not in {"Cc", "Co"})


def _ids(tokeniser: Tokeniser, texts: list[str] | list[bytes], max_tokens: int) -> list[list[int]]:
    return tokeniser.tokenise(tf.constant(texts), max_tokens).to_list()


@pytest.fixture(params=FORMS, scope="module")
def tokeniser(request: pytest.FixtureRequest) -> Tokeniser:
    return Tokeniser(_vocabulary(), *FORMS[request.param])


@pytest.fixture(scope="module")
def graph(tokeniser: Tokeniser) -> Callable[[tf.Tensor], tf.RaggedTensor]:
    return tf.function(
        lambda texts: tokeniser.tokenise(texts, 4000), input_signature=[tf.TensorSpec([None], tf.string)]
    )


def test_the_graph_equals_transformers_on_hard_texts(tokeniser: Tokeniser, tmp_path: Path):
    tokeniser.write(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    reference = AutoTokenizer.from_pretrained(tmp_path)
    for text, ids in zip(HARD, _ids(tokeniser, HARD, 4000), strict=True):
        assert ids == reference(text)["input_ids"], text
    cut = reference(HARD, max_length=16, truncation=True)["input_ids"]
    assert _ids(tokeniser, HARD, 16) == cut
    assert reference.pad_token_id == tokeniser.pad_id == 1
    assert reference.mask_token_id == tokeniser.mask_id == 0


def _known_since_long(character: str) -> bool:
    """The libraries know different editions of Unicode; they agree on what was in it by 2002, and on emoji."""
    old = unicodedata.ucd_3_2_0.category(character)
    return old == unicodedata.category(character) or 0x1F300 <= ord(character) < 0x1FA00


CHARACTERS = st.one_of(
    st.characters(exclude_categories=["Cs", "Cn"]).filter(_known_since_long),
    st.sampled_from("aeiouAEIOUnNñÑáÉ\u0301\u0303\u0308\u0323ΣσçÇ \t\n.,¡…😋🏽\u200d\x00"),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(CHARACTERS, max_size=140), min_size=1, max_size=20))
def test_the_graph_equals_the_library_on_any_text(tokeniser: Tokeniser, graph: Callable, texts: list[str]):
    reference = library_tokeniser(tokeniser.vocabulary, tokeniser.lowercase, tokeniser.accents)
    texts = [text for text in texts if not any(token in text for token in SPECIAL_TOKENS)]
    assert graph(tf.constant(texts, tf.string)).to_list() == [reference.encode(text).ids for text in texts]


def test_accents_fold_and_enye_stays():
    folded = Tokeniser(SPECIAL_TOKENS).normalise(tf.constant(["AJÍ", "pin\u0303a", "Ñuño", "pingüino"]))
    assert [text.decode() for text in folded.numpy()] == ["aji", "piña", "ñuño", "pinguino"]


def test_the_files_bring_back_the_same_tokeniser(tokeniser: Tokeniser, tmp_path: Path):
    tokeniser.write(tmp_path)
    assert Tokeniser.read(tmp_path) == tokeniser
    assert Tokeniser.read(tmp_path).digest == tokeniser.digest
    assert replace(tokeniser, lowercase=not tokeniser.lowercase).digest != tokeniser.digest


@pytest.mark.parametrize(
    ("config", "form"),
    [
        ({"do_lower_case": False}, (False, "keep")),
        ({"do_lower_case": True}, (True, "strip")),
        ({"do_lower_case": True, "strip_accents": None}, (True, "strip")),
        ({"do_lower_case": True, "strip_accents": False}, (True, "keep")),  # BETO uncased
        ({"tokenizer_class": "BertTokenizer"}, (True, "strip")),
        (None, (True, "strip")),
    ],
)
def test_the_config_of_a_hub_checkpoint_decides_the_form(config: dict | None, form: tuple, tmp_path: Path):
    (tmp_path / "vocab.txt").write_text("\n".join(_vocabulary()), encoding="utf-8")
    if config is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert Tokeniser.read(tmp_path) == Tokeniser(_vocabulary(), *form)


def test_hostile_texts_pass():
    tokeniser = Tokeniser.learn(TEXTS, 200)
    hostile = [b"", b"\xff\xfe\x00", "\u200d\u0007".encode(), b"a" * 10_000, ("ya " * 500).encode(), b"rico \xe9 rico"]
    rows = _ids(tokeniser, hostile, 32)
    assert all(row[0] == tokeniser.cls_id and row[-1] == tokeniser.sep_id for row in rows)
    assert max(map(len, rows)) == 32
    assert rows[0] == rows[1] == rows[2] == [tokeniser.cls_id, tokeniser.sep_id]
    assert rows[3] == [tokeniser.cls_id, tokeniser.unk_id, tokeniser.sep_id]
    assert rows[5] == _ids(tokeniser, ["rico rico"], 32)[0]
    assert tokeniser.tokenise(tf.constant([], tf.string), 32).nrows() == 0


def test_the_vocabulary_depends_on_the_texts_alone():
    tokeniser = Tokeniser.learn(iter(TEXTS), 300)
    assert tokeniser == Tokeniser.learn(reversed(TEXTS), 300)
    assert tokeniser.vocabulary[:5] == SPECIAL_TOKENS
    assert len(tokeniser.vocabulary) == len(set(tokeniser.vocabulary)) <= 300
    assert "año" in tokeniser.vocabulary


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no tokeniser"),
        ({"tokenizer.json": "{"}, "cannot be read as JSON"),
        ({"tokenizer.json": '{"model": {"type": "BPE", "vocab": {}}}'}, "describes BPE"),
        ({"vocab.txt": "[PAD]\n[UNK]\nhola\n"}, r"lacks \[CLS\], \[SEP\], \[MASK\]"),
    ],
)
def test_what_is_no_tokeniser_of_bert_is_named(files: dict[str, str], message: str, tmp_path: Path):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        Tokeniser.read(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_emoji_is_a_word_of_its_own_in_our_presets():
    tokeniser = Tokeniser.learn(["buenazo ceviche", "buenazo ceviche"], 60)
    import tensorflow as tf

    alone, glued = tokeniser.tokenise(tf.constant(["buenazo", "buenazo😋"]), 16).to_list()
    assert glued == [*alone[:-1], tokeniser.unk_id, tokeniser.sep_id]
