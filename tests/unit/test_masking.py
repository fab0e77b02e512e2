import numpy as np
import pytest

from models.pretraining.masking import WordMasker
from models.text.tokeniser import Tokeniser
from models.text.wordpiece import SPECIAL_TOKENS

TOKENISER = Tokeniser((*SPECIAL_TOKENS, "aji", "##ci", "##to", "rico", "muy", ",", *(f"w{n}" for n in range(989))))
CLS, SEP, MASK = TOKENISER.cls_id, TOKENISER.sep_id, TOKENISER.mask_id
AJI, CI, TO, RICO, MUY, COMMA = range(5, 11)
TEXT = [CLS, MUY, RICO, COMMA, AJI, CI, TO, SEP]


def packed(*texts):
    return np.concatenate(texts).astype(np.int32)


def masker(share=0.15):
    return WordMasker.of(TOKENISER, share)


def test_pieces_of_a_word_share_its_number_and_special_tokens_have_none():
    tokens = packed(TEXT, [CLS, CI, TO, TOKENISER.unk_id, RICO, SEP])
    assert masker().number_words(tokens).tolist() == [-1, 0, 1, 2, 3, 3, 3, -1, -1, 4, 4, -1, 5, -1]


def test_a_word_is_hidden_whole_or_not_at_all():
    tokens = packed(*[TEXT] * 500)
    masked = masker().mask(tokens, np.random.default_rng(0))
    words = masker().number_words(tokens)
    chosen = np.isin(words, words[masked.reads])
    assert np.array_equal(np.flatnonzero(chosen), masked.reads)
    hidden = masked.tokens == MASK
    for word in np.unique(words[hidden]):
        assert hidden[words == word].all()


def test_shares_are_those_of_bert():
    tokens = packed(*[TEXT] * 5000)
    masked = masker().mask(tokens, np.random.default_rng(0))
    words = masker().number_words(tokens)
    assert len(np.unique(words[masked.reads])) == 0.15 * 4 * 5000
    seen = masked.tokens[masked.reads]
    hidden, kept = seen == MASK, seen == masked.targets
    assert hidden.mean() == pytest.approx(0.8, abs=0.02)
    assert kept.mean() == pytest.approx(0.1, abs=0.02)
    assert (~hidden & ~kept).mean() == pytest.approx(0.1, abs=0.02)


def test_what_is_not_to_be_guessed_stays_and_targets_are_what_stood_there():
    tokens = packed(*[TEXT] * 200)
    before = tokens.copy()
    masked = masker(0.5).mask(tokens, np.random.default_rng(3))
    assert np.array_equal(tokens, before)
    others = np.setdiff1d(np.arange(len(tokens)), masked.reads)
    assert np.array_equal(masked.tokens[others], tokens[others])
    assert np.array_equal(masked.targets, tokens[masked.reads])
    assert not np.isin(masked.targets, [CLS, SEP]).any()
    swapped = masked.tokens[(masked.tokens != tokens) & (masked.tokens != MASK)]
    assert len(swapped) and swapped.min() >= len(SPECIAL_TOKENS)


def test_the_same_seed_hides_the_same_words():
    tokens = packed(*[TEXT] * 20)
    one, same, other = (masker().mask(tokens, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.tokens, same.tokens) and not np.array_equal(one.reads, other.reads)


@pytest.mark.parametrize(("text", "guessed"), [([CLS, RICO, SEP], 1), ([CLS, TOKENISER.unk_id, SEP], 0), ([], 0)])
def test_even_the_shortest_text_has_a_word_to_guess_if_it_has_a_word(text, guessed):
    assert len(masker().mask(np.array(text, np.int32), np.random.default_rng(0)).reads) == guessed
