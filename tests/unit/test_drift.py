"""What people count on when they ask whether live feedback still looks like what was trained on."""

import html.parser
import json
import sys

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from data.drift.comparison import compare, look_alpha
from data.drift.page import describe_change
from data.drift.retraining import retrain
from data.drift.two_sample import compare_embeddings, compare_mix, compare_order, compare_share, compare_words, holm
from data.drift.windows import read_window
from data.store import FeedbackStore
from sazon.cli.main import app
from sazon.errors import DataError, UserError
from sazon.settings import DriftSettings

_WORDS = [
    "rico",
    "feo",
    "caro",
    "fresco",
    "lento",
    "salado",
    "dulce",
    "pan",
    "leche",
    "causa",
    "lima",
    "sopa",
    "arroz",
    "pollo",
    "jugo",
    "papa",
]


def make_rows(count, seed, **given):
    rng = np.random.default_rng(seed)
    draw = lambda *levels: rng.choice(levels, count).tolist()  # noqa: E731
    sentiment = draw("negative", "neutral", "positive")
    columns = {
        "feedback_id": [f"{seed}-{place}" for place in range(count)],
        "created_at": [f"2025-0{1 + place % 6}-{1 + place % 28:02d}T10:00:00Z" for place in range(count)],
        "text": [" ".join(rng.choice(_WORDS, rng.integers(4, 12))) for _ in range(count)],
        "product": draw("ceviche", "café"),
        "category": ["plato"] * count,
        "region": draw("Lima", "Puno", "Ica"),
        "channel": draw("app", "redes"),
        "rating": draw("", "1", "5"),
        "sentiment": sentiment,
        "tastes": draw("", "picante", "dulce|acido"),
    }
    return pl.DataFrame(columns | {name: values(rng, columns) for name, values in given.items()})


def more_negative(rng, columns):
    return np.where(rng.random(len(columns["text"])) < 0.5, "negative", columns["sentiment"]).tolist()


def generated(rng, columns):
    return ["generated"] * len(columns["text"])


@pytest.fixture
def window(tmp_path):
    def make(rows, name="rows.csv"):
        rows.write_csv(tmp_path / name)
        return read_window(tmp_path / name)

    return make


def found(reference, live, **settings):
    return {one.name for one in compare(reference, live, DriftSettings(**settings)).drifted}


def test_windows_of_the_same_kind_do_not_drift(window):
    assert found(window(make_rows(600, 1)), window(make_rows(200, 2))) == set()


def test_a_shift_is_found_where_it_is(window):
    reference = window(make_rows(600, 1))
    assert found(reference, window(make_rows(300, 2, sentiment=more_negative))) == {"labels: sentiment"}
    assert found(reference, window(make_rows(300, 2, region=lambda rng, columns: ["Lima"] * 300))) == {
        "features: region"
    }
    tasted = found(reference, window(make_rows(300, 2, tastes=lambda rng, columns: ["picante"] * 300)))
    assert tasted == {"labels: picante", "labels: dulce", "labels: acido"}


def test_new_words_show_in_the_text_alone(window):
    launched = make_rows(300, 2, text=lambda rng, columns: [f"{text[:-5]} kiwi" for text in columns["text"]])
    comparison = compare(window(make_rows(600, 1)), window(launched), DriftSettings())
    assert {one.name for one in comparison.drifted} >= {"text: unknown words", "text: new word"}
    said = {one.name: describe_change(one) for one in comparison.drifted}
    assert said["text: new word"] == 'Share of texts with "kiwi" from 0.0% to 100.0%'


def test_other_combinations_of_known_words_show_in_the_embedding(window):
    sweet = make_rows(300, 2, text=lambda rng, columns: [text.replace("pollo", "leche") for text in columns["text"]])
    assert found(window(make_rows(600, 1)), window(sweet)) == {"text: embedding"}


def test_predictions_count_where_both_windows_carry_them(window):
    as_labelled = {"predicted_sentiment": lambda rng, columns: columns["sentiment"]}
    reference = window(make_rows(600, 1, **as_labelled))
    live = make_rows(300, 2, predicted_sentiment=lambda rng, columns: more_negative(rng, columns))
    assert found(reference, window(live)) == {"predictions: sentiment"}
    assert found(reference, window(live.drop("predicted_sentiment"))) == set()


def test_rows_without_labels_are_not_taken_for_drift(window):
    bare = make_rows(200, 2, sentiment=lambda rng, columns: [""] * 200, tastes=lambda rng, columns: [""] * 200)
    comparison = compare(window(make_rows(600, 1)), window(bare), DriftSettings())
    assert not comparison.drifted
    assert "labels: sentiment: fewer than 50 rows have it" in comparison.skipped


def test_a_trifle_is_no_drift_however_sure(window):
    reference, live = window(make_rows(600, 1)), window(make_rows(300, 2, sentiment=more_negative))
    assert found(reference, live, min_effect=0.5) == set()


def test_too_few_rows_are_refused_with_a_remedy(window):
    with pytest.raises(UserError, match=r"live window: 20 rows \(want 50 or more; setting drift.min_rows"):
        compare(window(make_rows(600, 1)), window(make_rows(20, 2)), DriftSettings())


def test_a_prediction_of_another_label_set_is_refused(window):
    with pytest.raises(DataError, match='row 1, column predicted_sentiment: "POS" is no label'):
        window(make_rows(5, 1, predicted_sentiment=lambda rng, columns: ["POS"] * 5))


def test_daily_looks_share_the_rate_that_is_set():
    assert look_alpha(DriftSettings(false_alarm_rate=0.09, period_days=30)) == pytest.approx(0.003)


@pytest.mark.parametrize("kind", ["mix", "order", "share"])
def test_p_values_keep_their_promise(kind):
    rng = np.random.default_rng(3)
    test = {"mix": compare_mix, "order": compare_order, "share": compare_share}[kind]
    shares = [0.7, 0.3] if kind == "share" else [0.4, 0.3, 0.15, 0.1, 0.04, 0.01]
    p_values, _ = test(rng.multinomial(1500, shares, size=4000), rng.multinomial(150, shares, size=4000))
    for level in (0.2, 0.05, 0.01):
        assert (p_values <= level).mean() <= level + 3 * np.sqrt(level / 4000)


def test_three_rows_of_a_level_that_is_new_prove_nothing():
    p_value, _ = compare_mix(np.array([2000, 2000, 0]), np.array([100, 100, 3]))
    assert p_value > 0.5


def test_the_newest_of_many_rare_words_is_no_news():
    rng = np.random.default_rng(5)
    shares = rng.uniform(0.001, 0.02, 200)
    p_values, _, _ = compare_words(
        rng.binomial(1500, shares), rng.binomial(150, shares, (2000, 200)), 1500, np.full(2000, 150)
    )
    assert (p_values <= 0.05).mean() <= 0.05


def test_permutations_keep_their_promise_and_reach_far():
    rng = np.random.default_rng(4)
    draw = lambda rows: rng.standard_exponential((rows, 4)).astype(np.float32)  # noqa: E731
    p_values = np.array([compare_embeddings(draw(60), draw(20), 1e-3, rng)[0] for _ in range(300)])
    assert (p_values <= 0.1).mean() <= 0.1 + 3 * np.sqrt(0.1 / 300)
    p_value, effect = compare_embeddings(draw(60), draw(40) + 3, 1e-3, rng)
    assert p_value <= 1e-3 and effect > 0.5


def test_holm_is_taken_look_by_look():
    both = np.array([[0.01, 0.04, 0.03], [1.0, 0.5, 0.001]])
    assert holm(both).tolist() == [holm(one).tolist() for one in both]


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.images, self.outside, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.images += [given] if tag == "img" else []
        self.outside += [given] if tag in ("script", "link", "iframe") else []

    def handle_data(self, data):
        self.text += data


def check_page(shown):
    """It stands alone, says each plot in words, and what is synthetic."""
    page = Page()
    page.feed(shown)
    assert "<h1>Drift in 1 of" in shown
    assert not page.outside and "http" not in shown and "a<b>.csv" in page.text
    assert all(one["src"].startswith("data:image/svg+xml;base64,") and one["alt"] for one in page.images)
    assert page.images[0]["alt"].startswith("labels: sentiment. Largest change: negative, from")
    assert "300 of 900 rows" in page.text


@pytest.fixture
def command(tmp_path):
    out = tmp_path / "ran"
    return out, (sys.executable, "-c", f"open({str(out)!r}, 'a').write('x')")


def test_a_breach_starts_the_command_once_in_a_while(tmp_path, command):
    out, order = command
    assert retrain(tmp_path, order, 24, 200, 300) == "done"
    assert retrain(tmp_path, order, 24, 200, 300).startswith("not started: cooling down until")
    assert retrain(tmp_path, order, 0, 200, 300) == "done"
    assert out.read_text() == "xx"


def test_too_few_rows_start_nothing(tmp_path, command):
    out, order = command
    assert "199 live rows" in retrain(tmp_path, order, 24, 200, 199)
    assert not out.exists()


def test_a_command_that_fails_is_told_and_not_tried_again_at_once(tmp_path):
    assert retrain(tmp_path, (sys.executable, "-c", "exit(4)"), 24, 1, 5).startswith("failed: exit code 4")
    assert retrain(tmp_path, ("no-such-program",), 0, 1, 5) == "failed: no-such-program: No such file or directory"
    assert retrain(tmp_path, (sys.executable, "-c", ""), 24, 1, 5).startswith("not started: cooling down")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("SAZON_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        return CliRunner().invoke(app, ["drift", *map(str, arguments)])

    return call


def test_exit_codes_tell_drift_from_none_and_the_hook_runs(tmp_path, run, command, monkeypatch):
    out, order = command
    monkeypatch.setenv("SAZON_DRIFT__RETRAIN", json.dumps(order))
    make_rows(600, 1).write_csv(tmp_path / "a<b>.csv")
    make_rows(300, 2).write_csv(tmp_path / "same.csv")
    make_rows(300, 3, sentiment=more_negative, source=generated).write_csv(tmp_path / "other.csv")
    same = run("--reference", "a<b>.csv", "--live", "same.csv", "--json")
    assert same.exit_code == 0 and json.loads(same.stdout)["drift"] is False and not out.exists()
    other = run("--reference", "a<b>.csv", "--live", "other.csv", "--json", "--report", "page.html")
    assert other.exit_code == 3 and json.loads(other.stdout)["retraining"] == "done" and out.exists()
    check_page((tmp_path / "page.html").read_text())


def test_the_last_days_of_the_store_are_compared_with_those_before(tmp_path, run):
    from data.ingest.ingestion import ingest_file

    rows = make_rows(600, 1)
    late = make_rows(200, 2, created_at=lambda rng, columns: ["2025-08-01T00:00:00Z"] * 200, sentiment=more_negative)
    pl.concat([rows, late]).write_csv(tmp_path / "all.csv")
    ingest_file(FeedbackStore(tmp_path / "home" / "feedback"), tmp_path / "all.csv")
    shown = run("--window", 3)
    assert shown.exit_code == 3 and "drift in labels: sentiment" in shown.stdout


def test_what_was_trained_on_last_is_the_training_window(tmp_path, run):
    from data.versions import Versions

    make_rows(600, 1).write_csv(tmp_path / "trained.csv")
    make_rows(300, 2).write_csv(tmp_path / "same.csv")
    Versions(tmp_path / "home" / "versions").record(tmp_path / "trained.csv", trained=True)
    make_rows(120, 3, sentiment=more_negative).write_csv(tmp_path / "exported.csv")
    Versions(tmp_path / "home" / "versions").record(tmp_path / "exported.csv")
    shown = run("--live", "same.csv")
    assert shown.exit_code == 0 and "training: trained.csv (" in shown.stdout and "no drift in" in shown.stdout


def test_live_rows_that_were_trained_on_are_no_drift(tmp_path, run):
    rows = make_rows(900, 1)
    words = [f"{text} palabra{number}" for number, text in enumerate(rows["text"])]  # one that no other text holds
    rows = rows.with_columns(pl.Series("text", words))
    rows.write_csv(tmp_path / "all.csv")
    rows.sample(300, seed=2).write_csv(tmp_path / "live.csv")
    shown = run("--reference", "all.csv", "--live", "live.csv")
    assert shown.exit_code == 0 and "all.csv, 600 rows" in shown.stdout


def test_nothing_to_compare_is_wrong_input(run):
    assert isinstance(run().exception, UserError)
    assert isinstance(run("--live", "x.csv", "--window", 3).exception, UserError)
