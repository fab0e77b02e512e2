import json

import pandas as pd
import pytest

from data.reading import read_cells
from data.validation import find_problems, read_feedback
from sazon.errors import DataError


def problems_of(path):
    return [(problem.row, problem.column) for problem in find_problems(read_cells(path))]


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"text": ""}, "text"),
        ({"text": "a" * 10_001}, "text"),
        ({"created_at": "31/31/2025"}, "created_at"),
        ({"created_at": "2025-02-30"}, "created_at"),
        ({"created_at": ""}, "created_at"),
        ({"region": "Lime"}, "region"),
        ({"region": "Ancash"}, "region"),
        ({"channel": "fax"}, "channel"),
        ({"rating": "6"}, "rating"),
        ({"rating": "4.5"}, "rating"),
        ({"sentiment": "happy"}, "sentiment"),
        ({"tastes": "picante|rico"}, "tastes"),
        ({"feedback_id": "f1"}, "feedback_id"),
        ({"feedback_id": ""}, "feedback_id"),
        ({"product": ""}, "product"),
    ],
)
def test_a_bad_cell_is_named_with_row_and_column(feedback_file, change, column):
    path = feedback_file({}, change)
    assert problems_of(path) == [(2, column)]
    with pytest.raises(DataError, match=rf"feedback.csv, row 2, column {column}: "):
        read_feedback(path)


def test_every_problem_is_found_in_one_pass(feedback_file):
    path = feedback_file({"text": "", "region": "Atlantis"}, {}, {"rating": "0"})
    assert problems_of(path) == [(1, "region"), (1, "text"), (3, "rating")]


def test_missing_columns_are_named(feedback_file):
    with pytest.raises(DataError, match="missing column region, tastes"):
        read_feedback(feedback_file({}, drop=("region", "tastes")))


def test_optional_cells_may_be_empty(feedback_file):
    rows = read_feedback(feedback_file({"rating": "", "sentiment": "", "tastes": ""}, {}))
    assert rows["rating"].isna().tolist() == [True, False]
    assert rows["tastes"].tolist() == [None, ("picante",)]


def test_an_empty_taste_cell_is_a_label_only_where_tastes_were_labelled(feedback_file):
    labelled = read_feedback(feedback_file({"tastes": ""}, {"tastes": "dulce"}))
    assert labelled["tastes"].tolist() == [(), ("dulce",)]
    unlabelled = read_feedback(feedback_file({"tastes": ""}, {"tastes": ""}))
    assert unlabelled["tastes"].tolist() == [None, None]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "binary"),
        ("a.csv", b"feedback_id,text\n", "holds no row"),
        ("a.jsonl", b"{]\n", "not readable as JSON lines"),
        ("a.jsonl", b"[1]\n", "row 1: .*is not an object"),
        ("a.parquet", b"PAR0", "not readable as parquet"),
        ("a.xml", b"<a/>", "ending"),
    ],
)
def test_unreadable_files_get_one_clear_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_cells(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_cells(tmp_path / "none.csv")


def test_all_formats_read_alike(tmp_path, good_row):
    rows = [{**good_row, "feedback_id": str(number)} for number in range(3)]
    table = pd.DataFrame(rows)
    table.to_csv(tmp_path / "a.csv", index=False)
    lists = [{**row, "rating": 5, "tastes": ["picante"]} for row in rows]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in lists), encoding="utf-8")
    pd.DataFrame(lists).to_parquet(tmp_path / "a.parquet")
    table.to_excel(tmp_path / "a.xlsx", index=False)
    table.to_csv(tmp_path / "a.tsv", index=False, sep=";", encoding="latin-1")
    first, *others = (read_feedback(tmp_path / f"a.{ending}") for ending in ("csv", "jsonl", "parquet", "xlsx", "tsv"))
    for other in others:
        pd.testing.assert_frame_equal(first, other)


def test_half_a_surrogate_pair_is_named(tmp_path, good_row):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({**good_row, "text": "rico \ud83d"}), encoding="utf-8")
    with pytest.raises(DataError, match="row 1: "):
        read_feedback(path)


def test_a_trailing_comma_shifts_no_column(tmp_path, good_row):
    path = tmp_path / "a.csv"
    path.write_text(",".join(good_row) + "\n" + ",".join(f'"{cell}"' for cell in good_row.values()) + ",\n")
    assert read_feedback(path)["region"].tolist() == ["Lima"]
