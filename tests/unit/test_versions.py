"""Bytes are kept by their digest, whatever happens to cache, remote or process."""

import hashlib
import shutil

import pytest

from data.versions import Versions
from sazon.errors import DataError, SazonError, UserError


@pytest.fixture
def versions(tmp_path):
    return Versions(tmp_path / "versions")


@pytest.fixture
def recorded(versions, tmp_path):
    """A file, and its version."""
    path = tmp_path / "datos.csv"
    path.write_bytes("text\r\n¡Qué rico!\n".encode("latin-1"))
    return path, versions.record(path, rows=1)


def test_recorded_bytes_come_back_before_and_after_dvc_has_them(versions, recorded, tmp_path):
    path, version = recorded
    assert version.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    versions.checkout(version, tmp_path / "before.csv")
    assert versions.push() == 1
    assert versions.pending() == []
    versions.checkout(version, tmp_path / "after.csv")
    shutil.rmtree(tmp_path / "versions" / ".dvc" / "cache")
    versions.checkout(version, tmp_path / "remote.csv")
    for name in ("before", "after", "remote"):
        assert (tmp_path / f"{name}.csv").read_bytes() == path.read_bytes()
    assert versions.push() == 0


def test_a_damaged_cache_is_passed_over_and_a_damaged_remote_is_said(versions, recorded, tmp_path):
    path, version = recorded
    versions.push()
    spoil(tmp_path / "versions" / ".dvc" / "cache")
    versions.checkout(version, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()
    spoil(tmp_path / "versions" / "remote")
    with pytest.raises(SazonError, match="are damaged"):
        versions.checkout(version, tmp_path / "never.csv")
    shutil.rmtree(tmp_path / "versions" / "remote")
    with pytest.raises(SazonError, match="DVC in"):
        versions.checkout(version, tmp_path / "never.csv")
    assert not list(tmp_path.glob("*never.csv*"))


def spoil(folder):
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.parent.name == "md5":
            path.chmod(0o644)
            path.write_bytes(b"spoilt")


def test_a_remote_that_is_away_loses_nothing(recorded, tmp_path):
    _, version = recorded
    (tmp_path / "file").touch()
    with pytest.raises(SazonError, match=r"remote .*/file/no"):
        Versions(tmp_path / "versions", str(tmp_path / "file" / "no")).push()
    back = Versions(tmp_path / "versions", str(tmp_path / "elsewhere"))
    back.checkout(version, tmp_path / "meanwhile.csv")
    assert back.push() == 1
    assert any(path.is_file() for path in (tmp_path / "elsewhere").rglob("*"))


def test_the_same_bytes_are_one_version_with_all_its_names(versions, recorded, tmp_path):
    path, version = recorded
    twin = shutil.copy(path, tmp_path / "otro.csv")
    assert versions.record(tmp_path / "otro.csv", batches=["b1"]).digest == version.digest
    (only,) = versions.all()
    assert (only.sources, only.rows, only.batches) == (("datos.csv", "otro.csv"), 1, ("b1",))
    assert versions.record(path) == only
    assert versions.resolve(version.digest[:6].upper()) == only
    assert twin


def test_unclear_digests_are_refused_in_one_line(versions, recorded, tmp_path):
    path, version = recorded
    with pytest.raises(UserError, match="is not a digest"):
        versions.resolve("../etc")
    with pytest.raises(UserError, match="no such data is recorded"):
        versions.resolve("0" * 64)
    # Two notes that begin alike.
    note = tmp_path / "versions" / f"{version.digest}.json"
    twin = version.digest[:-1] + ("0" if version.digest[-1] != "0" else "1")
    note.with_stem(twin).write_text(note.read_text().replace(version.digest, twin))
    with pytest.raises(UserError, match="2 digests begin so"):
        versions.resolve(version.digest[:8])
    with pytest.raises(UserError, match="exists already"):
        versions.checkout(version, path)


def test_a_file_that_changed_after_it_was_read_is_not_recorded(versions, recorded):
    path, version = recorded
    path.write_text("other")
    with pytest.raises(DataError, match="changed while it was read"):
        versions.record(path, version.digest)
    assert len(versions.all()) == 1
