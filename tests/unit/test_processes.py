"""Child processes: what they are started with."""

import os
import sys

from waiting import wait_until

from sazon.processes import GIVES_WAY, Processes


def test_a_model_server_gives_way_and_others_do_not(tmp_path):
    processes = Processes(tmp_path)
    for name, niceness in (("plain", 0), ("model-server", GIVES_WAY)):
        processes.start(name, [sys.executable, "-c", "import os; print(os.nice(0))"], {}, niceness)
    logs = [tmp_path / f"{name}.log" for name in ("plain", "model-server")]
    wait_until(lambda: all(log.read_text().strip() for log in logs))
    processes.stop()
    assert [int(log.read_text()) for log in logs] == [os.nice(0), os.nice(0) + GIVES_WAY]
