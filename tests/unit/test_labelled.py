import json

import pandas as pd
import pytest

from data.labelled import read_labelled
from sazon.errors import DataError


@pytest.fixture
def write(tmp_path):
    def write(table, name="tweets.csv"):
        path = tmp_path / name
        pd.DataFrame(table).to_csv(path, index=False)
        return path

    return write


def test_text_and_sentiment_are_enough(write):
    rows = read_labelled(write({"text": ["rico", "feo", "?"], "sentiment": ["positive", "negative", ""]}))
    assert rows["sentiment"].tolist() == ["positive", "negative", ""]
    assert rows["tastes_labelled"].tolist() == [0, 0, 0]


def test_tastes_and_any_other_column_are_kept_where_they_are(write):
    table = {"text": ["a", "b"], "sentiment": ["positive", ""], "tastes": ["dulce|picante", ""], "phenomenon": "irony"}
    rows = read_labelled(write(table))
    assert rows["tastes"].tolist() == [("dulce", "picante"), ()]
    assert rows["tastes_labelled"].tolist() == [1, 0]
    assert rows["phenomenon"].tolist() == ["irony", "irony"]


def test_json_lines_and_parquet_serve_as_well(tmp_path):
    records = [{"text": "rico", "sentiment": "positive"}, {"text": "feo", "sentiment": None}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    pd.DataFrame(records).to_parquet(tmp_path / "a.parquet")
    for ending in ("jsonl", "parquet"):
        assert read_labelled(tmp_path / f"a.{ending}")["sentiment"].tolist() == ["positive", ""]


def test_a_file_of_the_contract_is_checked_in_full_and_keeps_its_further_columns(feedback_file):
    path = feedback_file({"phenomenon": "irony"}, {"phenomenon": "slang"})
    assert read_labelled(path)["phenomenon"].tolist() == ["irony", "slang"]
    with pytest.raises(DataError, match="row 1, column region"):
        read_labelled(feedback_file({"region": "Atlantis"}))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"text": ["a"]}, "tweets.csv: missing column sentiment (found: text)"),
        ({"tweet": ["a"], "label": ["P"]}, "tweets.csv: missing column text, sentiment (found: tweet, label)"),
        (
            {"text": ["a", "b"], "sentiment": ["positive", "POS"]},
            'tweets.csv, row 2, column sentiment: "POS" is not a sentiment (want negative, neutral, positive)',
        ),
        (
            {"text": ["a", "b", "c"], "sentiment": ["P", "N", ""]},
            "tweets.csv, column sentiment: labels N, P (want negative, neutral, positive, or nothing)",
        ),
        (
            {"text": ["a"], "sentiment": ["positive"], "tastes": ["rico"]},
            'tweets.csv, row 1, column tastes: "rico" is not a set of tastes (want, joined by |: dulce,',
        ),
        ({"text": ["", "b"], "sentiment": "positive"}, 'tweets.csv, row 1, column text: "" is empty'),
        ({"text": ["a"], "sentiment": [""]}, "tweets.csv: no row has a sentiment or tastes, nothing to measure"),
        ({"text": [], "sentiment": []}, "holds no row"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(write, table, message):
    with pytest.raises(DataError) as caught:
        read_labelled(write(table))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
