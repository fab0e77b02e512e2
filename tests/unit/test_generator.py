"""The generator of synthetic feedback and market trends."""

import hashlib
import random
import re
import subprocess
import sys
from datetime import UTC, datetime

import pandas as pd
import pytest

from data.catalogue import CATEGORY_OF
from data.generator import feedback as feedback_module
from data.generator.families import load_skeletons
from data.generator.feedback import generate_feedback
from data.generator.grammar import Agreement, expand, inflect
from data.generator.intent import draw_intent
from data.generator.lexicon import load_lexicon
from data.generator.market import generate_market
from data.generator.products import load_products
from data.generator.realisation import Writer
from data.generator.semantics import Clause, Mode, sentiment_of, tastes_of
from data.generator.shifts import CONTROLS, SHIFTS, Shift, realised, truth
from data.generator.surface import add_surface_noise
from data.validation import find_problems
from sazon.schema import FEEDBACK_REQUIRED, MARKET_REQUIRED, REGIONS, TASTES
from sazon.text import normalise_for_grouping

ROWS = 2200
_DENIAL = re.compile(
    r"\b(no|sin|nada|ni|cero|falta|faltó|perdi|perdió|dejó|poquita|poco|olvidaron|brilla|quitaron|dizque)\b"
)


@pytest.fixture(scope="module")
def feedback() -> pd.DataFrame:
    return generate_feedback(ROWS, seed=3)


@pytest.fixture(scope="module")
def market() -> pd.DataFrame:
    return generate_market(seed=3)


def _digest(table: pd.DataFrame) -> str:
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()


def test_same_seed_gives_the_same_bytes_in_another_process() -> None:
    program = (
        "import hashlib; from data.generator.feedback import generate_feedback as make;"
        "print(hashlib.sha256(make(120, 5).to_csv(index=False).encode()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == _digest(generate_feedback(120, 5))
    assert _digest(generate_feedback(120, 6)) != _digest(generate_feedback(120, 5))


def test_rows_follow_the_contract(feedback: pd.DataFrame) -> None:
    assert list(feedback.columns) == [*FEEDBACK_REQUIRED, "source", "family", "split"]
    assert find_problems(feedback) == []
    assert (feedback["category"] == feedback["product"].map(CATEGORY_OF)).all()
    assert len(feedback) == ROWS and feedback["feedback_id"].iloc[0] == "g-000001"


def test_no_text_twice(feedback: pd.DataFrame) -> None:
    assert not feedback["text"].map(normalise_for_grouping).duplicated().any()


def test_no_markup_is_left_in_the_texts(feedback: pd.DataFrame) -> None:
    assert not feedback["text"].str.contains(r"[{}<>\[\]|@~$%\\]").any()


def test_families_and_time_part_the_splits(feedback: pd.DataFrame) -> None:
    assert (feedback.groupby("family")["split"].nunique() == 1).all()
    at = pd.to_datetime(feedback["created_at"], utc=True)
    assert at[feedback["split"] != "test"].max() < at[feedback["split"] == "test"].min()
    assert at.max() < pd.Timestamp("2026-01-01", tz="UTC")


def test_no_skeleton_is_shared() -> None:
    skeletons = load_skeletons()
    bare = [re.sub(r"<([a-z]+)[^>]*>", r"<\1>", skeleton.template.lower()) for skeleton in skeletons]
    by_split: dict[str, set[str]] = {}
    for template, skeleton in zip(bare, skeletons, strict=True):
        by_split.setdefault(skeleton.split, set()).add(template)
    assert not by_split["train"] & by_split["test"]
    assert not by_split["train"] & by_split["eval"]
    assert not by_split["eval"] & by_split["test"]
    assert len({skeleton.family for skeleton in skeletons}) >= 40


def test_train_never_uses_a_reserved_phrase() -> None:
    lexicon = load_lexicon()
    for taste in TASTES:
        for sign in (1, -1):
            assert all(not p.held_out for p in lexicon.find(taste, Mode.PRESENT, sign, "vca", (), held_out=False))
    share = sum(phrase.held_out for phrase in lexicon.phrases) / len(lexicon.phrases)
    assert 0.15 <= share <= 0.25


def test_label_noise_has_its_rate(feedback: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = feedback.attrs["label_noise"]
    train = (feedback["split"] == "train").sum()
    for key, rate in (("sentiment_rows", 0.02), ("taste_rows", 0.02)):
        assert 0.5 * rate * train < noise[key] < 1.6 * rate * train
    monkeypatch.setattr(feedback_module, "SENTIMENT_NOISE", 0.0)
    assert generate_feedback(200, 3).attrs["label_noise"]["sentiment_rows"] == 0


@pytest.mark.parametrize(
    "clauses",
    [
        [Clause("no pica nada", -1, taste="picante", mode=Mode.DENIED)],
        [Clause("le falta sal", -1, taste="salado", mode=Mode.DENIED)],
        [Clause("ya no estaba crocante", -1, taste="crocante", mode=Mode.DENIED), Clause("qué pena", -1)],
        [Clause("sin una gota de grasa", 1, taste="grasoso", mode=Mode.DENIED)],
        [Clause("la cuenta salió salada", -1, taste="salado", mode=Mode.FIGURATIVE)],
        [Clause("ojalá fuera más dulce", 0, taste="dulce", mode=Mode.WISHED)],
        [Clause("¿es muy picante?", 0, taste="picante", mode=Mode.ASKED)],
        [Clause("el de mi mamá sí es cremoso, este no", -1, taste="cremoso", mode=Mode.ELSEWHERE)],
        [Clause("trae limón y ají", 0, taste="acido", mode=Mode.INGREDIENT)],
    ],
)
def test_only_what_is_there_sets_a_label(clauses: list[Clause]) -> None:
    assert tastes_of(clauses) == ()
    assert tastes_of([*clauses, Clause("llegó crocante", 1, taste="crocante", mode=Mode.PRESENT)]) == ("crocante",)


def test_the_part_that_wins_decides_the_sentiment() -> None:
    assert sentiment_of([Clause("rico", 1, 0.4), Clause("pero carísimo", -1)]) == "negative"
    assert sentiment_of([Clause("demoró", -1, 0.4), Clause("igual vuelvo", 1, 1.5)]) == "positive"
    assert sentiment_of([Clause("rico", 1), Clause("chiquito", -1)]) == "neutral"


def test_the_words_say_what_the_writer_means() -> None:
    rng = random.Random(4)
    skeletons = tuple(skeleton for skeleton in load_skeletons() if skeleton.split == "train")
    writer = Writer(load_lexicon(), skeletons, held_out=False)
    for _ in range(300):
        intent = draw_intent(rng, datetime(2025, 2, 1, tzinfo=UTC))
        draft = writer.write(intent, rng)
        assert sentiment_of(draft.clauses) == {-1: "negative", 0: "neutral", 1: "positive"}[intent.polarity], draft.text
        allowed = {mention.taste for mention in intent.mentions if mention.mode is Mode.PRESENT}
        assert set(tastes_of(draft.clauses)) <= allowed, draft.text


def test_denied_entries_deny_and_are_plenty() -> None:
    rng = random.Random(0)
    for taste in TASTES:
        denied = [p for p in load_lexicon().phrases if p.taste == taste and p.mode is Mode.DENIED]
        present = [p for p in load_lexicon().phrases if p.taste == taste and p.mode is Mode.PRESENT]
        assert len(denied) >= 8 and len(present) >= 20
        for phrase in denied:
            text = inflect(expand(phrase.entry, rng), Agreement(feminine=False, plural=False))
            assert _DENIAL.search(text), text


def test_regions_by_population_and_names_in_the_catalogue(feedback: pd.DataFrame) -> None:
    assert set(feedback["region"]) == set(REGIONS)
    assert feedback["region"].value_counts().index[0] == "Lima"
    assert tuple(load_products()) == tuple(CATEGORY_OF)


def test_ratings_follow_the_sentiment_but_not_always(feedback: pd.DataFrame) -> None:
    rated = feedback[feedback["rating"] != ""]
    sign = rated["sentiment"].map({"negative": -1, "neutral": 0, "positive": 1})
    assert 0.5 < rated["rating"].astype(int).corr(sign) < 0.95
    assert 0.1 < (feedback["rating"] == "").mean() < 0.2
    assert ((rated["rating"] == "5") & (rated["sentiment"] == "negative")).any()


@pytest.mark.parametrize("shift", [s for s in SHIFTS if s.product is None or s.region is None], ids=lambda s: s.name)
def test_planted_shifts_come_true(feedback: pd.DataFrame, shift: Shift) -> None:
    counted = realised(shift, feedback)
    if shift.factor > 1:
        assert counted["share_after"] > counted["share_before"]
    else:
        assert counted["share_after"] < counted["share_before"]


def test_truth_tells_all(feedback: pd.DataFrame, market: pd.DataFrame) -> None:
    told = truth(feedback, market)
    assert len(SHIFTS) >= 8 and len(CONTROLS) >= 4
    assert [entry["name"] for entry in told["shifts"]] == [shift.name for shift in SHIFTS]  # type: ignore[attr-defined]
    assert told["label_noise"] == feedback.attrs["label_noise"]


def test_market_is_weekly_whole_and_small(market: pd.DataFrame) -> None:
    assert tuple(market.columns) == MARKET_REQUIRED
    assert market.groupby(["product", "region"]).size().eq(78).all() and set(market["region"]) == set(REGIONS)
    assert market["search_index"].between(0, 100).all() and (market["price_pen"] > 0).all()
    assert len(market.to_csv(index=False).encode()) < 1_900_000
    for event in market.attrs["events"]:
        rises = event["mean_after"] > event["mean_before"]
        assert rises == (event["factor"] > 1), event["name"]


def test_surface_noise_keeps_negations() -> None:
    rng = random.Random(1)
    for _ in range(300):
        noisy = add_surface_noise("No pica nada, sin gracia. Ya no vuelvo.", -1, "redes", rng)
        words = normalise_for_grouping(noisy).split()
        assert words.count("no") == 2 and "sin" in words
