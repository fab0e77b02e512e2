"""Whatever bytes and cells come in, every row is in exactly one part, and the second time adds nothing."""

import os

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from malformed_feedback import ALL_GOOD, COLUMNS, as_csv, good

from data.ingest.ingestion import ingest_file
from data.store import FeedbackStore
from sazon.errors import DataError

EXAMPLES = int(os.environ.get("INGEST_EXAMPLES", "25"))
PARTS = ("accepted", "duplicates", "quarantined", "rejected")

cells = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["", '"', "\n", ",", ";", "\t", "Lima", "2025-07-28", "5", "picante", "=1", "\x00", "Ã©", "\ufeff", "12345678"]
)
changes = st.dictionaries(st.sampled_from(COLUMNS), cells, max_size=3)
tables = st.lists(changes, min_size=1, max_size=6).map(
    lambda rows: as_csv(*(good(number, **change) for number, change in enumerate(rows))).encode("utf-8", "replace")
)
cuts = st.tuples(st.integers(0, len(ALL_GOOD)), st.integers(0, 40), st.binary(max_size=12)).map(
    lambda cut: ALL_GOOD.encode()[: cut[0]] + cut[2] + ALL_GOOD.encode()[cut[0] + cut[1] :]
)
lines = st.lists(cells.map(str.encode) | st.just(ALL_GOOD.splitlines()[1].encode()), max_size=6).map(
    lambda rest: b"\n".join([ALL_GOOD.splitlines()[0].encode(), *rest])
)


@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(tables | cuts | lines | st.binary(max_size=200))
@example(b"\x00")
def test_rows_add_up_whatever_comes(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    path, store = folder / "a.csv", FeedbackStore(folder / "store")
    path.write_bytes(content)
    try:
        first = ingest_file(store, path)
    except DataError as caught:
        error = str(caught)
        assert "\n" not in error and store.rows().collect().is_empty()
        return
    assert first.counts["rows"] == sum(first.counts[part] for part in PARTS)
    stored = store.rows().collect()
    assert stored.height == first.counts["accepted"] and stored["feedback_id"].is_unique().all()
    path.write_bytes(content + b"\n")  # another file with the same rows
    try:
        again = ingest_file(store, path)
    except DataError:
        return  # bytes of UTF-16, say, are cut elsewhere now
    assert again.counts["rows"] == sum(again.counts[part] for part in PARTS)
    if again.counts["rows"] == first.counts["rows"]:
        assert store.rows().collect().height == stored.height or b"\0" in content
