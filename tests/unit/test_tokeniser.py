import tensorflow as tf
from tokenizers import BertWordPieceTokenizer

from models.tokeniser import CLS_ID, SEP_ID, SPECIAL_TOKENS, UNK_ID, learn_vocabulary, normalise, tokenise

TEXTS = [
    "El ceviche estuvo buenazo pero demasiado picante",
    "¡Qué rico el ají de gallina, pe! Cremosito.",
    "No pica nada, le falta sal...",
    "año tras año la ñaña compra piñas",
    "RICOOOO 🤤🤤 el anticucho",
    "la causa está fresquita; el tacu-tacu (con huevo) también",
] * 3


def test_accents_fold_and_enye_stays():
    assert normalise(tf.constant(["AJÍ", "pin\u0303a", "Ñuño", "pingüino"])).numpy().tolist() == [
        b"aji",
        "piña".encode(),
        "ñuño".encode(),
        b"pinguino",
    ]


def test_the_vocabulary_begins_with_the_special_tokens_and_has_no_doubles():
    vocabulary = learn_vocabulary(TEXTS, 300)
    assert tuple(vocabulary[:5]) == SPECIAL_TOKENS
    assert len(vocabulary) == len(set(vocabulary)) <= 300


def test_the_graph_cuts_words_as_the_reference_does():
    vocabulary = learn_vocabulary(TEXTS, 200)
    reference = BertWordPieceTokenizer(
        vocab={token: index for index, token in enumerate(vocabulary)},
        lowercase=False,
        strip_accents=False,
        clean_text=False,
    )
    extra = ["", "   ", "rocoto!!! relleno?? 😋", "supercalifragilistico " * 3, "El precio: S/25.50"]
    for text in [*TEXTS[:6], *extra]:
        ids = tokenise(tf.constant([text]), vocabulary, 64).to_list()[0]
        folded = normalise(tf.constant([text])).numpy()[0].decode()
        assert ids == [*reference.encode(folded).ids[: len(ids) - 1], SEP_ID]


def test_hostile_texts_pass():
    vocabulary = learn_vocabulary(TEXTS, 200)
    hostile = tf.constant([b"", b"\xff\xfe\x00", "\u200d\u0007".encode(), b"a" * 5000, ("ya " * 500).encode()])
    rows = tokenise(hostile, vocabulary, 32).to_list()
    assert [row[0] for row in rows] == [CLS_ID] * 5
    assert [row[-1] for row in rows] == [SEP_ID] * 5
    assert max(map(len, rows)) == 32
    assert rows[3] == [CLS_ID, UNK_ID, SEP_ID]
    assert tokenise(tf.constant([], tf.string), vocabulary, 32).nrows() == 0
