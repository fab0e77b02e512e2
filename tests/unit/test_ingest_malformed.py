"""Whatever somebody hands in: every row is accounted for, or the file is refused in one line and nothing is kept."""

import pytest
from malformed_feedback import CASES

from data.ingest.ingestion import ingest_file
from data.store import FeedbackStore
from sazon.errors import DataError

PARTS = ("accepted", "duplicates", "quarantined", "rejected")


def test_the_corpus_is_large():
    assert len(CASES) >= 200
    assert len({(name, content) for name, _, content, _ in CASES}) == len(CASES)


@pytest.mark.parametrize(("file", "content", "outcome"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_rows_add_up(tmp_path, file, content, outcome):
    path, store = tmp_path / file, FeedbackStore(tmp_path / "store")
    path.write_bytes(content)
    try:
        counts = ingest_file(store, path, near=False).counts
    except DataError as caught:
        error = str(caught)
        assert isinstance(outcome, str) and outcome in error
        assert "\n" not in error
        assert store.batches() == [] and store.rows().collect().is_empty()
        return
    assert counts["rows"] == sum(counts[part] for part in PARTS)
    assert outcome == "any" or tuple(counts[part] for part in PARTS) == outcome
    assert store.rows().collect().height == counts["accepted"]
    bad = sum(1 for path in store.quarantine.glob("*.csv"))
    assert bad == (counts["quarantined"] + counts["rejected"] > 0)
