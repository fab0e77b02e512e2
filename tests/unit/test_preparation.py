import hashlib
from itertools import combinations

import pandas as pd
import pytest

from data.preparation import prepare_dataset
from sazon.errors import DataError
from sazon.schema import SPLITS
from sazon.settings import SplitSettings
from sazon.text import normalise_for_grouping


def rows(count, sentiments):
    return [
        {"text": f"texto número {number} de la gente", "sentiment": sentiments[number % len(sentiments)]}
        for number in range(count)
    ]


def test_a_file_with_one_class_only_is_refused_before_anything_is_written(feedback_file, tmp_path):
    path = feedback_file(*rows(200, ["positive"]))
    with pytest.raises(DataError, match=r"^feedback.csv: all labelled training rows are positive; two sentiments"):
        prepare_dataset(path, tmp_path / "datasets", SplitSettings())
    assert not (tmp_path / "datasets").exists()


def test_a_text_on_two_sides_of_the_files_own_split_is_held_out_and_said(feedback_file, tmp_path, caplog):
    marked = [
        {**row, "split": ("train", "train", "eval", "test")[number % 4]}
        for number, row in enumerate(rows(240, ["positive", "positive", "positive", "positive", "negative"]))
    ]
    # The first is dropped as a duplicate of the test row, not the other way round; the second is of another product.
    twins = [
        {**marked[3], "text": marked[3]["text"].upper() + "!", "split": "train"},
        {**marked[2], "text": f"¡{marked[2]['text']}!", "split": "train", "product": "causa"},
    ]
    with caplog.at_level("INFO", logger="sazon"):
        dataset = prepare_dataset(feedback_file(*twins, *marked), tmp_path / "datasets", SplitSettings())
    assert (dataset.moved, dataset.duplicates_dropped) == (2, 1)
    assert dataset.rows == {"train": 120, "eval": 61, "test": 60}
    assert "feedback.csv: 2 rows moved to the split where their text is held out" in caplog.text
    texts = {name: set(pd.read_parquet(dataset.parquet(name))["text"].map(normalise_for_grouping)) for name in SPLITS}
    assert not any(texts[one] & texts[other] for one, other in combinations(SPLITS, 2))


def test_a_dataset_names_the_bytes_it_was_made_of(feedback_file, tmp_path):
    path = feedback_file(*rows(200, ["positive", "negative"]))
    plain, other = (
        prepare_dataset(path, tmp_path / "datasets", SplitSettings(eval_share=share)) for share in (0.1, 0.2)
    )
    assert plain.digest == other.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert plain.name != other.name


def test_a_file_of_another_label_set_is_refused_in_one_line(feedback_file, tmp_path):
    path = feedback_file(*rows(200, ["P", "N", "NEU"]))
    with pytest.raises(DataError) as caught:
        prepare_dataset(path, tmp_path / "datasets", SplitSettings())
    assert str(caught.value) == (
        "feedback.csv, column sentiment: labels N, NEU, P (want negative, neutral, positive, or nothing)"
    )
    assert caught.value.problems == ()
