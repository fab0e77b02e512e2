"""What people who label, and those who train on their labels, count on."""

import numpy as np
import polars as pl
import pytest
from malformed_feedback import as_csv, good

from data.export import export_feedback
from data.ingest.ingestion import ingest_file
from data.labelling.adjudication import State, decide
from data.labelling.agreement import measure_agreement
from data.labelling.book import Annotation, Item, Label, LabelBook, name_task
from data.labelling.classifiers import Jury, ServedAnswers
from data.labelling.gold import add_gold
from data.labelling.queueing import fill_queue
from data.labelling.ranking import measure_disagreement, measure_uncertainty
from data.labelling.review import Review
from data.store import FeedbackStore
from sazon.schema import SENTIMENTS

TEXTS = {
    "sure": "Qué rico el ceviche de la esquina, volveremos pronto",
    "unsure": "El lomo saltado de ayer, no sabría decir qué tal estuvo",
    "starred": "Pedimos anticuchos para la familia entera el domingo",
    "copy": "El lomo saltado de ayer, no sabría decir qué tal estuvo la verdad",
    "known": "La mazamorra morada estaba dulce y espesa como siempre",
}


class Stub:
    """Sure of a positive sentiment, but of a text that says `no sabría`."""

    def predict(self, texts):
        probs = np.array([[0.3, 0.4, 0.3] if "no sabría" in text else [0.01, 0.01, 0.98] for text in texts])
        names = [SENTIMENTS[place] for place in probs.argmax(axis=1)]
        return ServedAnswers(names, probs, [("acido",)] * len(texts), np.full((len(texts), 10), 0.05))


def vote(task, annotator, sentiment="positive", *tastes):
    return Annotation(task, annotator, Label.of(sentiment, tastes))


@pytest.fixture
def book(tmp_path):
    return LabelBook(tmp_path / "labelling" / "labels.db")


@pytest.fixture
def store(tmp_path):
    store = FeedbackStore(tmp_path / "feedback")
    rows = [
        good(number, feedback_id=name, text=text, sentiment="", tastes="", rating="1" if name == "starred" else "5")
        for number, (name, text) in enumerate(TEXTS.items())
    ]
    rows.append(good(9, feedback_id="labelled", text=TEXTS["known"] + ", gracias", tastes="dulce"))
    path = tmp_path / "a.csv"
    path.write_text(as_csv(*rows))
    ingest_file(store, path)
    return store


def fill(store, book, size=10, annotators=2):
    return fill_queue(store, book, Jury("7", Stub()), size=size, pool=100, annotators=annotators)


def test_the_queue_prefers_what_teaches_and_never_asks_twice(store, book):
    added = fill(store, book)
    names = [item.feedback_id for item in added]
    assert set(names[:2]) - {"copy"} <= {"unsure", "starred"}
    assert names[-1] == "sure"
    assert len({"unsure", "copy"} & set(names)) == 1, "one of two that are nearly the same"
    assert "known" not in names, "nearly a labelled text"
    assert (added[-1].model, added[-1].guess) == ("7", Label("positive", ("acido",)))
    assert fill(store, book) == []
    assert [item.feedback_id for item in Review.of(LabelBook(book.path)).waiting()] == names


def test_the_queue_is_filled_up_to_its_size(store, book):
    assert len(fill(store, book, size=1)) == 1
    assert fill(store, book, size=1) == []
    assert len(fill(store, book, size=2)) == 1


def test_without_a_model_novelty_ranks(store, book):
    added = fill_queue(store, book, None, size=10, pool=100, annotators=1)
    assert {item.uncertainty for item in added} == {None}
    assert all(item.novelty and item.guess is None for item in added)


def test_uncertainty_and_disagreement_span_0_to_1():
    flat, sure = np.full((1, 3), 1 / 3), np.array([[0.0, 0.0, 1.0]])
    unsure = ServedAnswers(["neutral"], flat, [()], np.full((1, 10), 0.5))
    certain = ServedAnswers(["positive"], sure, [()], np.zeros((1, 10)))
    opposite = ServedAnswers(["negative"], sure[:, ::-1], [()], np.zeros((1, 10)))
    assert measure_uncertainty(unsure) == pytest.approx(1)
    assert measure_uncertainty(certain) == pytest.approx(0, abs=1e-6)
    assert measure_disagreement(certain, [5], None) == pytest.approx(0)
    assert measure_disagreement(certain, [1], None) == pytest.approx(1)
    assert measure_disagreement(certain, [None], None) == pytest.approx(0)
    assert measure_disagreement(certain, [5], opposite) == pytest.approx(1)


def test_alpha_is_what_a_hand_computes():
    # Sentiment: 8 values in 4 pairs, 3 positive, 3 negative, 2 neutral; one pair differs.
    # Observed 2/8; expected (8² - 3² - 3² - 2²) / (8 · 7) = 42/56; alpha = 1 - (1/4) / (3/4) = 2/3.
    # picante: 3 named, 5 not; one pair differs. Expected (64 - 9 - 25) / 56; alpha = 1 - (1/4) · 56/30 = 8/15.
    said = {
        "a": [("positive", "picante"), ("positive", "picante")],
        "b": [("negative",), ("negative",)],
        "c": [("positive", "picante"), ("negative",)],
        "d": [("neutral",), ("neutral",)],
        "alone": [("negative", "dulce")],
    }
    agreement = measure_agreement(
        [vote(task, str(number), *what) for task, whats in said.items() for number, what in enumerate(whats)]
    )
    assert agreement.texts == 4
    assert agreement.sentiment == pytest.approx(2 / 3)
    assert agreement.tastes["picante"] == pytest.approx(8 / 15)
    assert agreement.tastes["dulce"] is None, "nobody named it: nothing to agree on"


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ([("positive",)], State.WAITING),
        ([("positive",), ("negative",)], State.TIED),
        ([("positive", "dulce"), ("positive",)], State.TIED),
        ([("positive", "dulce"), ("positive", "acido"), ("negative", "dulce")], State.SETTLED),
    ],
)
def test_the_majority_decides_and_a_tie_waits(said, state):
    outcome = decide([vote("t", str(number), *what) for number, what in enumerate(said)], wanted=2)
    assert outcome.state is state
    assert (outcome.label == Label("positive", ("dulce",))) == (state is State.SETTLED)


def test_an_adjudicator_has_the_last_word():
    votes = [vote("t", "ana"), vote("t", "beto"), vote("t", "rosa", "negative")]
    assert decide(votes, 2, {"rosa"}).label == Label("negative", ())
    assert decide(votes, 2, {"rosa"}).by == "rosa"


def test_a_tie_goes_back_to_the_front_for_somebody_else(store, book):
    tied = fill(store, book)[-1].task
    book.annotate([vote(tied, "ana"), vote(tied, "beto", "negative")])
    review = Review.of(book)
    assert review.waiting()[0].task == tied
    assert review.tasks(None, 0, "carla")[0].task == tied
    assert tied not in {item.task for item in review.tasks(None, 0, "ana")}
    book.annotate([vote(tied, "carla", "negative")])
    assert Review.of(book).outcomes[tied].label == Label("negative", ())


def test_settled_labels_reach_the_next_training(store, book, tmp_path):
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    export_feedback(store, before, book)
    fill(store, book)
    task = name_task("starred")
    book.annotate([vote(task, "ana", "negative", "picante", "salado"), vote(task, "beto", "negative", "salado")])
    export_feedback(store, after, book)
    assert after.read_bytes() == before.read_bytes(), "picante is tied"
    book.annotate([vote(task, "carla", "negative", "salado")])
    export_feedback(store, after, book)
    rows = {row["feedback_id"]: row for row in pl.read_csv(after, infer_schema=False).to_dicts()}
    old = {row["feedback_id"]: row for row in pl.read_csv(before, infer_schema=False).to_dicts()}
    changed = rows.pop("starred")
    assert (changed["sentiment"], changed["tastes"]) == ("negative", "salado")
    assert old.pop("starred") | {"sentiment": "negative", "tastes": "salado"} == changed
    assert rows == old


def test_gold_questions_show_who_errs_and_leaving_out_takes_the_vote(store, book, tmp_path):
    path = tmp_path / "gold.csv"
    path.write_text(
        as_csv(*[{"text": f"Muy rico, soy Juan {n}, 987654321", "sentiment": "positive"} for n in range(6)])
    )
    assert add_gold(book, path) == add_gold(book, path) == 6
    queued = fill(store, book, annotators=1)
    gold = Review.of(book).gold
    assert all(item.model == "7" for item in gold), "none tells itself by lack of a guess"
    assert not any("987654321" in item.text for item in gold)
    tasks = Review.of(book).tasks(None, 0.5)
    assert sum(item.is_gold for item in tasks) == -(-len(queued) // 2)
    answers = [vote(item.task, "careless", "negative") for item in gold]
    book.annotate([*answers, vote(queued[0].task, "careless"), *[vote(item.task, "careful") for item in gold]])
    standings = {one.name: one for one in Review.of(book).standings()}
    assert (standings["careless"].accuracy, standings["careless"].flagged) == (0.0, True)
    assert (standings["careful"].accuracy, standings["careful"].flagged) == (1.0, False)
    assert Review.of(book).labels()
    book.leave_out(["careless"])
    assert Review.of(book).labels() == {}


def test_a_book_that_is_not_there_reads_as_empty_and_is_not_made(book):
    review = Review.of(book)
    assert (review.waiting(), review.labels(), review.agreement().sentiment) == ([], {}, None)
    assert not book.path.parent.exists()


def test_putting_an_item_again_keeps_its_place(book):
    first, second = (Item(name, name, name, "", 1) for name in "ab")
    book.put([first, second])
    book.put([first])
    assert [item.task for item in book.items()] == ["a", "b"]
