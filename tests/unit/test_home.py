import signal
import subprocess
import sys

import pytest

from sazon.home import atomic_directory, remove_partials, write_atomically


def test_a_directory_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "made"
    with pytest.raises(ZeroDivisionError), atomic_directory(target) as staging:
        (staging / "half").write_text(str(1 / 0))
    assert list(tmp_path.iterdir()) == []
    with atomic_directory(target) as staging:
        (staging / "whole").write_text("x")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["whole"]


def test_a_killed_writer_leaves_nothing_that_counts(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from sazon.home import atomic_directory\n"
        "with atomic_directory(Path(sys.argv[1])) as staging:\n"
        "    (staging / 'half').write_text('x'); print('ready', flush=True); time.sleep(60)"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "7")], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert not (tmp_path / "7").exists()
    assert not any(path.name.isdigit() for path in tmp_path.iterdir())
    remove_partials(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a" / "b.txt"
    write_atomically(path, "one")
    write_atomically(path, "two")
    assert path.read_text() == "two"
    assert [item.name for item in path.parent.iterdir()] == ["b.txt"]
