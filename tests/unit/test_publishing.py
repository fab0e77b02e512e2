import pytest

from sazon.errors import ServingError
from serving.rollout.publishing import roll_out, verify


class FakeRegistry:
    """Aliases in a dict; the real registry is in the integration tests."""

    def __init__(self):
        self.aliases, self.log = {}, []

    def with_alias(self, alias):
        number = self.aliases.get(alias)
        return type("Version", (), {"number": number}) if number else None

    def set_alias(self, alias, number):
        self.aliases[alias] = number

    def drop_alias(self, alias):
        self.aliases.pop(alias)

    def log_promotion(self, key, entry):
        self.log.append((entry["version"], entry["from"]))


@pytest.fixture
def saved_model(tmp_path):
    folder = tmp_path / "export"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"weights")
    return folder


def test_rolling_out_publishes_and_moves_the_aliases(saved_model, tmp_path):
    registry, served = FakeRegistry(), tmp_path / "served"
    for version in (1, 2):
        folder = roll_out(saved_model, version, served, registry, keep_versions=3)
    assert folder == served / "taste" / "2"
    assert (folder / "saved_model.pb").read_bytes() == b"graph"
    assert registry.aliases == {"champion": 2, "previous": 1}


def test_it_can_be_repeated(saved_model, tmp_path):
    registry = FakeRegistry()
    for _ in range(3):
        roll_out(saved_model, 4, tmp_path / "served", registry, keep_versions=3)
    assert registry.aliases == {"champion": 4}
    assert registry.log == [(4, None)]


def test_leftovers_of_a_killed_rollout_are_removed(saved_model, tmp_path):
    leftover = tmp_path / "served" / "taste" / ".1.abc.partial"
    leftover.mkdir(parents=True)
    roll_out(saved_model, 1, tmp_path / "served", FakeRegistry(), keep_versions=3)
    assert not leftover.exists()


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_a_damaged_directory_is_noticed_and_replaced(saved_model, tmp_path, damage):
    registry = FakeRegistry()
    folder = roll_out(saved_model, 1, tmp_path / "served", registry, keep_versions=3)
    if damage == "changed":
        (folder / "saved_model.pb").write_bytes(b"other")
    elif damage == "missing":
        (folder / "variables" / "variables.index").unlink()
    else:
        (folder / "new").write_text("x")
    with pytest.raises(ServingError, match="checksums"):
        verify(folder)
    roll_out(saved_model, 1, tmp_path / "served", registry, keep_versions=3)
    verify(folder)


def test_going_back_to_an_older_version_unpublishes_the_newer_one(saved_model, tmp_path):
    registry, served = FakeRegistry(), tmp_path / "served"
    for version in (1, 2, 1):
        roll_out(saved_model, version, served, registry, keep_versions=3)
    assert registry.aliases == {"champion": 1, "previous": 2}
    assert [path.name for path in (served / "taste").iterdir()] == ["1"]


def test_old_versions_go_but_never_the_champion(saved_model, tmp_path):
    registry, served = FakeRegistry(), tmp_path / "served"
    for version in range(1, 6):
        roll_out(saved_model, version, served, registry, keep_versions=2)
    assert sorted(path.name for path in (served / "taste").iterdir()) == ["4", "5"]
