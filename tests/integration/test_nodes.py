"""Two nodes, each a process of its own, learn what one learns, also when one is killed on the way.

Everything is real but the cluster: the Trainer's entry talks to the stand-in of the Kubernetes API, and `Controllers`
start what its TrainJob describes, on loopback.
"""

import functools
import json
import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from kubernetes_api import KubernetesApi

from models.inputs.example_store import ExampleStore, TokenisedRows
from models.training.state import newest_in
from models.training.store import ObjectStore
from sazon.settings import EncoderSettings, TrainSettings

pytestmark = pytest.mark.integration

SIZE = EncoderSettings(layers=2, hidden=32, heads=2, intermediate=64, vocabulary=60, max_tokens=32)
STEADY = {"epochs": 3, "least_steps": 0, "batch_size": 16, "dropout": 0.0, "learning_rate": 3e-3, "checkpoint_s": 0.0}
NAME = "taste-0123"


def trainer_of(folder, **settings):
    from models.training.fitting import Trainer

    stores = [ExampleStore(folder / name) for name in ("train", "eval")]
    return Trainer(*stores, 60, 4, SIZE, TrainSettings(**STEADY, **settings), note={"mlflow_run_id": "abc"})


def alone(folder: Path, result: Path) -> None:
    """The body of a child that trains without others."""
    fitted = trainer_of(folder).fit()
    result.write_text(json.dumps([vars(epoch) for epoch in fitted.epochs]))


def node(arguments: list[str], index: int, log: Path) -> None:
    """The body of a node."""
    from models.training.nodes import main

    os.environ["JOB_COMPLETION_INDEX"] = str(index)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    main(arguments[0], arguments[1:])


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Rows whose sentiment follows from a token; an odd number, so that shares are uneven."""
    folder = tmp_path_factory.mktemp("rows")
    for name, count in (("train", 201), ("eval", 60)):
        rng = np.random.default_rng(count)
        sentiment = rng.integers(0, 3, count)
        tokens = [np.array([2, 10 + label, *rng.integers(20, 60, rng.integers(2, 20)), 3]) for label in sentiment]
        tastes = rng.random((count, 10)) < 0.3
        ExampleStore.write(folder / name, [TokenisedRows(tokens, sentiment, tastes, np.ones(count, bool))])
    return folder


class Controllers(threading.Thread):
    """What a cluster does with a TrainJob: runs its nodes and says how they ended. At first, one is taken away."""

    def __init__(self, api, fork_server, store, logs):
        super().__init__(daemon=True)
        self.api, self.fork_server, self.store, self.logs = api, fork_server, store, logs
        self.ends = []

    def run(self):
        for attempt in range(2):
            children = self.start_nodes(self.wait_for_job(attempt))
            if attempt == 0:
                while not (newest_in(self.store) or {}).get("epoch") and all(one.is_alive() for one in children):
                    time.sleep(0.02)
                children[1].kill()
            for child in children:
                child.join(300)
            self.ends.append([child.exitcode for child in children])
            self.tell(not any(self.ends[-1]))

    def wait_for_job(self, attempt):
        while len([one for one in self.api.requests if one.verb == "create"]) <= attempt:
            time.sleep(0.02)
        return self.api.get("trainjobs", NAME)["spec"]["trainer"]

    def start_nodes(self, described):
        assert described["command"] == ["python", "-m", "models.training.nodes"]
        held = [socket.create_server(("127.0.0.1", 0)) for _ in range(described["numNodes"])]
        hosts = [f"127.0.0.1:{one.getsockname()[1]}" for one in held]
        for one in held:
            one.close()
        children = []
        for index in range(described["numNodes"]):
            arguments = ([described["args"][0], *hosts], index, self.logs / f"{index}.log")
            children.append(self.fork_server.Process(target=node, args=arguments))
            children[-1].start()
        return children

    def tell(self, well):
        for index, code in enumerate(self.ends[-1]):
            lost = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}
            status = {"phase": "Failed" if code else "Succeeded", "conditions": [lost] if code == -9 else []}
            metadata = {"name": f"{NAME}-node-0-{index}", "labels": {"jobset.sigs.k8s.io/jobset-name": NAME}}
            spec = {"containers": [{"name": "node", "image": "sazon/pipeline:0"}]}
            self.api.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status})
        condition = {"type": "Complete" if well else "Failed", "status": "True", "reason": "x", "message": ""}
        self.api.change("trainjobs", NAME, {"status": {"conditions": [condition]}})


def test_two_nodes_learn_what_one_learns_and_survive_a_preemption(rows, fork_server, tmp_path, monkeypatch, caplog):
    from models.training.fitting import Observer
    from models.training.run import TrainingJob
    from pipelines.nodes import run, train_job
    from pipelines.nodes.following import Following

    single = fork_server.Process(target=alone, args=(rows, tmp_path / "alone.json"))
    single.start()
    store, curve = ObjectStore(str(tmp_path / "trainings" / "0123")), []
    monkeypatch.setattr(train_job, "STATE_PATH", str(tmp_path))
    monkeypatch.setattr(run, "Following", functools.partial(Following, poll_s=0.1))
    monkeypatch.setenv("SAZON_KUBEFLOW", '{"gpus": 0}')
    trainer = trainer_of(rows, nodes=2)
    trainer.observer = Observer(on_epoch=curve.append)
    job = TrainingJob(SIZE, trainer.settings, None, None, "taste", {}, "0123", tmp_path / "scratch", store)
    with KubernetesApi() as api, caplog.at_level("INFO", "sazon"):
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "kubeconfig")))
        controllers = Controllers(api, fork_server, store, tmp_path)
        controllers.start()
        fitted = run.fit_on_nodes(job, trainer)
        assert "trainjobs" not in {plural for plural, *_ in api.store.objects}
    logs = [path.read_text()[-2000:] for path in tmp_path.glob("?.log")]
    assert controllers.ends[0][1] == -9 and controllers.ends[0][0], logs
    assert controllers.ends[1] == [0, 0], logs
    assert "node-0-1 lost its machine (TerminationByKubelet); goes on from epoch" in caplog.text
    assert [epoch.number for epoch in curve] == [1, 2, 3]
    single.join(120)
    unshared = json.loads((tmp_path / "alone.json").read_text())
    assert unshared[0]["loss"] - unshared[2]["loss"] > 0.05
    for ours, theirs in zip(unshared, fitted.epochs, strict=True):
        assert theirs.loss == pytest.approx(ours["loss"], abs=1e-3)
        assert theirs.eval_loss == pytest.approx(ours["eval_loss"], abs=1e-3)
