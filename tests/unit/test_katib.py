"""The Katib experiment: no cluster is here, so its structure is checked against the search space and the schemas."""

import copy
import json
import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from models.sweeps.search_space import DEFAULT
from pipelines.katib import make_experiment, write_experiment
from sazon.cluster import KubeflowSettings
from sazon.errors import SettingsError, UserError
from sazon.settings import PREFIX, Span, load_settings

DATA = Path("/var/lib/sazon/feedback.csv")
TRAINING = Path(__file__).parents[2] / "models" / "training" / "run.py"


@pytest.fixture
def settings():
    return load_settings(train={"patience": 7, "epochs": 4}, sweep={"trials": 12}, split={"eval_share": 0.2})


@pytest.fixture
def experiment(settings, tmp_path):
    path = tmp_path / "experiment.yaml"
    write_experiment(path, "registry/sazon:1", DATA, settings)
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def container(experiment):
    (found,) = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"]
    return found


def test_it_maximises_the_score_that_training_logs(experiment):
    spec = experiment["spec"]
    assert (experiment["apiVersion"], experiment["kind"]) == ("kubeflow.org/v1beta1", "Experiment")
    assert spec["objective"]["type"] == "maximize"
    name = spec["objective"]["objectiveMetricName"]
    assert spec["objective"]["metricStrategies"] == [{"name": name, "value": "max"}]
    assert spec["algorithm"]["algorithmName"] == "tpe"
    assert spec["earlyStopping"]["algorithmName"] == "medianstop"
    assert (spec["maxTrialCount"], spec["parallelTrialCount"]) == (12, 2)
    assert spec["metricsCollectorSpec"]["collector"] == {"kind": "StdOut"}
    assert f"{name}=%.4f" in TRAINING.read_text(encoding="utf-8")
    (form,) = spec["metricsCollectorSpec"]["source"]["filter"]["metricsFormat"]
    assert re.search(form, f"    epoch 1/6 · eval macro-F1 sentiment 0.5 · {name}=0.6123").groups() == (name, "0.6123")


def test_the_parameters_are_those_of_the_search_space(experiment):
    parameters = {item["name"]: item for item in experiment["spec"]["parameters"]}
    assert list(parameters) == list(DEFAULT)
    for name, span in DEFAULT.items():
        feasible = parameters[name]["feasibleSpace"]
        if span.choices:
            assert feasible == {"list": [str(value) for value in span.choices]}
        else:
            assert (feasible["min"], feasible["max"]) == (str(span.low), str(span.high))
            assert feasible["distribution"] == ("logUniform" if span.log else "uniform")
    types = {name: item["parameterType"] for name, item in parameters.items()}
    assert (types["epochs"], types["learning_rate"], types["rdrop"]) == ("int", "double", "discrete")


def test_every_reference_of_the_trial_exists(experiment):
    template = experiment["spec"]["trialTemplate"]
    given = {item["name"]: item["reference"] for item in template["trialParameters"]}
    used = set(re.findall(r"\$\{trialParameters\.([^}]+)\}", json.dumps(template["trialSpec"])))
    assert used == given.keys()
    assert set(given.values()) == {item["name"] for item in experiment["spec"]["parameters"]}
    assert template["primaryContainerName"] == container(experiment)["name"]


def test_the_job_follows_the_schema_and_asks_for_one_gpu(experiment):
    job = copy.deepcopy(experiment["spec"]["trialTemplate"]["trialSpec"])
    job["metadata"] = {"name": "trial"}
    kubernetes_validate.validate(job, "1.32", strict=True)
    assert container(experiment)["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert job["spec"]["backoffLimit"] == 0
    volumes = {volume["name"] for volume in job["spec"]["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container(experiment)["volumeMounts"]} == volumes


def test_trials_run_where_the_pipeline_trains(settings):
    own = {"gpus": 2, "state_claim": "mine", "node_selector": {"kind": "gpu"}, "namespace": "here"}
    changed = settings.model_copy(update={"kubeflow": KubeflowSettings(**own)})
    with pytest.raises(SettingsError, match=r"set train\.devices to 2, or to 0"):
        make_experiment("image", DATA, changed)
    training = changed.train.model_copy(update={"devices": 0})
    experiment = make_experiment("image", DATA, changed.model_copy(update={"train": training}))
    pod = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    assert experiment["metadata"]["namespace"] == "here"
    assert container(experiment)["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert pod["nodeSelector"] == {"kind": "gpu"} and pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert {"name": "state", "persistentVolumeClaim": {"claimName": "mine", "readOnly": True}} in pod["volumes"]
    assert pod["securityContext"]["runAsUser"] == 10001


def test_a_trial_trains_with_its_values_and_the_fixed_settings(experiment, settings, monkeypatch):
    middle = {"learning_rate": "0.0003", "batch_size": "32", "epochs": "5", "rdrop": "1.0"}
    for item in container(experiment)["env"]:
        if item["name"].startswith(PREFIX):
            name = re.fullmatch(r"\$\{trialParameters\.(\w+)\}", item["value"])
            monkeypatch.setenv(item["name"], middle.get(name[1], "0.1") if name else item["value"])
    trial = load_settings()
    assert (trial.train.learning_rate, trial.train.batch_size, trial.train.epochs) == (0.0003, 32, 5)
    assert (trial.train.patience, trial.train.rdrop, trial.split) == (7, 1.0, settings.split)


def test_a_trial_keeps_registry_and_state_to_itself(settings):
    train = settings.train.model_copy(update={"state_dir": "s3://bucket/trainings"})
    experiment = make_experiment("image", DATA, settings.model_copy(update={"train": train}))
    variables = {item["name"]: item["value"] for item in container(experiment)["env"]}
    assert not any("TRACKING_URI" in name for name in variables)
    assert "state_dir" not in json.loads(variables["SAZON_TRAIN"])


def test_trials_without_gpus_keep_off_their_nodes(settings):
    bare = KubeflowSettings(gpus=0, node_selector={"kind": "gpu"})
    experiment = make_experiment("image", DATA, settings.model_copy(update={"kubeflow": bare}))
    pod = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    assert not pod.keys() & {"nodeSelector", "tolerations"}


def test_the_command_line_knows_the_trial_s_arguments(experiment):
    from typer.main import get_command

    from sazon.cli.main import app

    command = get_command(app)
    _, *options = container(experiment)["command"]
    subcommand, *flags = container(experiment)["args"]
    command.make_context("sazon", [*options, subcommand])
    assert command.commands[subcommand].make_context(subcommand, flags).params["data"] == DATA


@pytest.mark.parametrize(
    ("data", "name"), [("feedback.csv", None), ("/data/feedback.csv", None), (str(DATA), "Mi_sweep")]
)
def test_what_a_cluster_cannot_take_is_refused(data, name, settings):
    with pytest.raises(UserError):
        make_experiment("image", Path(data), settings, name)


def test_spans_of_the_settings_reach_katib(settings):
    space = {"dropout": Span(choices=(0.0, 0.2))}
    changed = settings.model_copy(update={"sweep": settings.sweep.model_copy(update={"space": space})})
    parameters = {item["name"]: item for item in make_experiment("image", DATA, changed)["spec"]["parameters"]}
    assert parameters["dropout"]["feasibleSpace"] == {"list": ["0.0", "0.2"]}
