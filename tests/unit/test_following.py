"""A TrainJob is followed to its result, whatever happens; the cluster is the stand-in, its controllers are a script."""

from pathlib import Path

import pytest
import yaml
from kubernetes_api import KubernetesApi

from models.training.store import ObjectStore
from pipelines.nodes import following
from pipelines.nodes.following import Following
from pipelines.nodes.train_job import make_train_job
from pipelines.nodes.train_jobs import TrainJobs
from sazon import kubernetes_api
from sazon.errors import ClusterError, PipelineError, StoreError
from sazon.kubernetes_api import Cluster
from sazon.settings import load_settings

NAME = "taste-0123"
SCHEMA = Path(__file__).parents[1] / "fixtures" / "custom_resources" / "TrainJob.yaml"
ROLES = Path(__file__).parents[2] / "k8s" / "base" / "roles.yaml"


class World:
    """Store, cluster, and what happens in them whenever the Trainer waits."""

    def __init__(self, api, cluster, store):
        self.api, self.store, self.events, self.seen = api, store, [], []
        manifest = make_train_job(NAME, "s3://bucket/0123", 2, load_settings().kubeflow)
        jobs = TrainJobs(cluster, lambda _: self.events.pop(0)())
        self.following = Following(jobs, manifest, store, 1, 60.0, self.seen.append)

    def run(self, *events):
        self.events = list(events)
        self.following.run()
        assert not self.events

    def checkpoint(self, epoch, batch=0):
        self.store.put_json("state.json", {"object": "x", "epoch": epoch, "batch": batch, "epochs": [], "note": {}})

    def condition(self, kind, reason="", message=""):
        condition = {"type": kind, "status": "True", "reason": reason or kind, "message": message}
        self.api.change("trainjobs", NAME, {"status": {"conditions": [condition]}})

    def complete(self):
        self.store.put_json("result/result.json", {})
        self.condition("Complete")

    def fail(self, message="jobset failed"):
        self.condition("Failed", "FailedJobs", message)

    def pod(self, number, status):
        labels = {"jobset.sigs.k8s.io/jobset-name": NAME}
        spec = {"containers": [{"name": "node", "image": "sazon/trainer-gpu:0"}]}
        metadata = {"name": f"{NAME}-node-0-{number}", "labels": labels}
        self.api.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status})

    def made(self):
        return [request.verb for request in self.api.requests if request.verb in ("create", "delete")]


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(kubernetes_api, "_FIRST_PAUSE_S", 0.001)
    with KubernetesApi() as api:
        spec = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["spec"]
        api.store.custom_schemas["trainjobs"] = {"properties": {"spec": spec}}
        token = api.account("pipeline", shipped_rules("pipeline"))
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "kubeconfig", token)))
        yield World(api, Cluster.connect("sazon"), ObjectStore((tmp_path / "store").as_uri()))


def shipped_rules(name):
    documents = yaml.safe_load_all(ROLES.read_text(encoding="utf-8"))
    (role,) = [one for one in documents if one["kind"] == "Role" and one["metadata"]["name"] == name]
    return role["rules"]


def ended(code, reason="Error"):
    state = {"terminated": {"exitCode": code, "reason": reason}}
    status = {"name": "node", "ready": False, "restartCount": 0, "image": "i", "imageID": "i", "state": state}
    return {"phase": "Failed", "containerStatuses": [status]}


def waits(reason, message):
    status = {"name": "node", "ready": False, "restartCount": 0, "image": "i", "imageID": "i"}
    waiting = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{**status, "state": waiting}]}


PREEMPTED = {
    "phase": "Failed",
    "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}],
}


def test_from_nothing_to_a_result(world):
    world.run(lambda: world.checkpoint(1), world.complete)
    world.following.finish()
    assert [one["epoch"] for one in world.seen] == [1, 1]
    assert world.made() == ["create", "delete"] and not world.api.store.objects


def test_a_result_that_is_there_starts_nothing(world):
    world.store.put_json("result/result.json", {})
    world.run()
    assert world.made() == []


def test_preemptions_go_on_as_long_as_there_is_progress(world, caplog):
    def preempt(epoch):
        world.checkpoint(epoch, 4)
        world.pod(0, ended(1))
        world.pod(1, PREEMPTED)
        world.fail()

    with caplog.at_level("INFO", "sazon"):
        world.run(*(lambda epoch=epoch: preempt(epoch) for epoch in range(5)), world.complete)
    assert world.made() == ["create", "delete"] * 5 + ["create"]
    assert "taste-0123-node-0-1 lost its machine (PreemptionByScheduler); goes on from epoch 3, batch 4" in caplog.text


def test_a_failure_that_repeats_ends_it_and_stays_to_be_looked_at(world):
    def fail():
        world.pod(1, ended(137, "OOMKilled"))
        world.api.logs[f"{NAME}-node-0-1"] = "one\nResourceExhausted: out of memory\n\n"
        world.fail()

    with pytest.raises(PipelineError) as error:
        world.run(fail, fail)
    assert str(error.value) == (
        "TrainJob taste-0123 failed 2 times without a new checkpoint: taste-0123-node-0-1 ended with exit code 137 "
        "(OOMKilled): ResourceExhausted: out of memory (it is kept: kubectl describe trainjob taste-0123 -n sazon)"
    )
    assert world.api.get("trainjobs", NAME)
    world.run(world.complete)  # started by a person: the failed one makes room
    assert world.made() == ["create", "delete", "create", "create", "delete", "create"]


def test_a_trainer_that_was_itself_restarted_adopts_what_runs(world):
    world.api.put(world.following.manifest)
    world.run(world.complete)
    assert world.made() == ["create"]  # refused with 409


def test_one_with_other_nodes_makes_room(world):
    other = make_train_job(NAME, "s3://bucket/0123", 3, load_settings().kubeflow)
    world.api.put(other)
    world.run(world.complete)
    assert world.api.get("trainjobs", NAME)["spec"]["trainer"]["numNodes"] == 2


def test_an_answer_that_was_lost_makes_no_second_one(world):
    world.api.fail(500, after_acting=True)
    world.run(world.complete)
    assert world.made() == ["create", "create"]


def test_an_api_server_that_is_away_is_waited_for(world, caplog):
    with caplog.at_level("INFO", "sazon"):
        world.run(lambda: world.api.fail(503, 5), lambda: None, world.complete)
    assert "TrainJob taste-0123 is waited for: Kubernetes at" in caplog.text


def test_an_api_server_that_is_away_when_one_is_made_or_deleted_is_waited_for(world, monkeypatch):
    delete, answers = TrainJobs.delete, [ClusterError("away", 503), ClusterError("away")]

    def late(jobs, name):
        if answers:
            raise answers.pop()
        delete(jobs, name)

    monkeypatch.setattr(TrainJobs, "delete", late)
    world.api.fail(503, 5)
    world.run(lambda: None, lambda: (world.checkpoint(1), world.fail()), lambda: None, lambda: None, world.complete)
    assert world.made() == ["create", "delete", "create"] and not answers


def test_one_that_cannot_be_deleted_in_the_end_is_named(world, monkeypatch):
    def refuse(*_):
        raise ClusterError("may not delete", 403)

    monkeypatch.setattr(TrainJobs, "delete", refuse)
    world.following.timeout_s = -1.0
    with pytest.raises(PipelineError, match=r"at the start; it may hold GPUs still.*\(may not delete\)"):
        world.run()


def test_a_store_that_is_away_is_waited_for(world, caplog):
    answer, away = world.store.get_json, [2]

    def get_json(name):
        if world.seen and away[0]:
            away[0] -= 1
            raise StoreError("the store is away")
        return answer(name)

    world.store.get_json = get_json
    with caplog.at_level("INFO", "sazon"):
        world.run(lambda: world.checkpoint(1), lambda: None, lambda: None, lambda: None, world.complete)
    assert "TrainJob taste-0123 is waited for: the store is away" in caplog.text
    assert world.made() == ["create"]


def test_who_may_not_is_told_so(world, tmp_path, monkeypatch):
    token = world.api.account("nobody", [])
    monkeypatch.setenv("KUBECONFIG", str(world.api.kubeconfig(tmp_path / "other", token)))
    world.following.jobs = TrainJobs(Cluster.connect("sazon"))
    with pytest.raises(ClusterError, match=r"cannot create resource .*trainjobs.*want a Role that grants it"):
        world.run()


def test_a_cluster_without_trainer_is_told_so(world, monkeypatch):
    import kubernetes_api as stand_in

    known = tuple(item for item in stand_in.RESOURCES if item.plural != "trainjobs")
    monkeypatch.setattr(stand_in, "RESOURCES", known)
    with pytest.raises(ClusterError, match=r"install Kubeflow Trainer 2\.2 or later, or set train\.nodes to 1"):
        world.run()


def test_a_runtime_that_is_missing_is_not_tried_again(world):
    with pytest.raises(PipelineError, match=r"no runtime.*apply k8s/components/several-nodes"):
        world.run(lambda: world.condition("Failed", "TrainingRuntimeNotSupported", "no runtime sazon-nodes"))
    assert world.made() == ["create"]


def test_one_that_somebody_deletes_is_not_made_again(world):
    gone = world.api.store.objects.clear
    with pytest.raises(PipelineError, match=r"was deleted while it trained.*go on from epoch 2, batch 3"):
        world.run(lambda: (world.checkpoint(1, 3), gone()))


def test_too_long_gives_the_gpus_back(world):
    world.following.timeout_s = -1.0
    world.pod(0, {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
    ]})  # fmt: skip
    with pytest.raises(PipelineError, match=r"is not done after .*node-0-0: Unschedulable 0/3 nodes are available"):
        world.run()
    assert world.made() == ["create", "delete"]


def test_an_image_that_never_comes_gives_the_gpus_back(world, monkeypatch):
    monkeypatch.setattr(following, "_CANNOT_START_S", -1.0)
    world.pod(0, waits("ImagePullBackOff", "sazon/trainer-gpu:0 not found"))
    with pytest.raises(PipelineError, match=r"cannot start: taste-0123-node-0-0: ImagePullBackOff"):
        world.run()
    assert world.made() == ["create", "delete"]


def test_one_in_a_queue_is_waited_for(world, caplog):
    with caplog.at_level("INFO", "sazon"):
        world.run(lambda: world.condition("Suspended", "Suspended", "by Kueue"), lambda: None, world.complete)
    assert "is suspended: by Kueue" in caplog.text
