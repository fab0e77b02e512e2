import pytest

from data.preparation import prepare_dataset
from sazon.errors import DataError
from sazon.settings import SplitSettings


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


def test_a_file_of_another_label_set_is_refused_in_one_line(feedback_file, tmp_path):
    path = feedback_file(*rows(200, ["P", "N", "NEU"]))
    with pytest.raises(DataError) as caught:
        prepare_dataset(path, tmp_path / "datasets", SplitSettings())
    assert str(caught.value) == (
        "feedback.csv, column sentiment: labels N, NEU, P (want negative, neutral, positive, or nothing)"
    )
    assert caught.value.problems == ()
