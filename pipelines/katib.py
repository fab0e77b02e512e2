"""The search of `sazon sweep` as an Experiment of Kubeflow's Katib (kubeflow.org/v1beta1).

Written by Katib's published types and by the source of its metrics collector; it was never run on a cluster.

Each trial is a Job that runs `sazon train` on the GPUs of a pod, where `kubeflow` of the settings wants such pods. Its
state is an `emptyDir` with a registry of its own, so that trials neither register versions for all to see nor roll
anything out; Katib keeps the scores. The claim of the pipeline's state, mounted to be read only, holds the data. Scores
are collected from the log, where each epoch ends in `eval_score=…`; the time before it is what median stopping goes by.
"""

import json
import re
import shlex
from pathlib import Path, PurePosixPath
from typing import Any, Final

import yaml

from models.sweeps.search_space import SearchSpace, is_whole
from pipelines.nodes.checks import check_hardware
from pipelines.nodes.train_job import pod_placement, pod_resources
from sazon.cluster import STATE_PATH, USER
from sazon.errors import UserError
from sazon.home import write_atomically
from sazon.settings import PREFIX, Settings, Span, Tunable

OBJECTIVE: Final = "eval_score"
_CONTAINER: Final = "train"
_TRIAL: Final = "/trial"
_PARALLEL: Final = 2
_MOST_FAILURES: Final = 3
_LABELS: Final = {
    "app.kubernetes.io/name": "trainer",
    "app.kubernetes.io/component": "sweep",
    "app.kubernetes.io/part-of": "sazon",
}


def write_experiment(path: Path, image: str, data: Path, settings: Settings, name: str | None = None) -> None:
    """Writes `make_experiment` as YAML."""
    content = yaml.safe_dump(make_experiment(image, data, settings, name), sort_keys=False, width=120)
    write_atomically(path, content)


def make_experiment(image: str, data: Path, settings: Settings, name: str | None = None) -> dict[str, Any]:
    """The Experiment.

    Args:
        image: of the trials; holds `sazon` and what training needs.
        data: labelled file as the pods see it, on the claim of the state.
        settings: resolved settings; those of training that are not searched go to the trials, too.
        name: of the Experiment.

    Raises:
        UserError: the path of the data or the name cannot be used in a cluster.
        SettingsError: training cannot use the GPUs of a pod.
    """
    if not PurePosixPath(data).is_relative_to(STATE_PATH):
        raise UserError(
            f"--data {data}: with --katib it is a path in the pods, on the claim {settings.kubeflow.state_claim}, "
            f"such as {STATE_PATH}/feedback.csv"
        )
    if settings.train.nodes > 1:
        raise UserError(f"train.nodes: {settings.train.nodes}, but a trial of Katib is one pod; set 1")
    check_hardware(settings)
    name = name or "taste-sweep"
    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", name):
        raise UserError(f'--name "{name}": Katib wants lower-case letters, digits and "-", at most 40')
    space, trials = SearchSpace.of(settings.sweep.space), settings.sweep.trials
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name, "namespace": settings.kubeflow.namespace, "labels": _LABELS},
        "spec": {
            "objective": {
                "type": "maximize",
                "objectiveMetricName": OBJECTIVE,
                "metricStrategies": [{"name": OBJECTIVE, "value": "max"}],
            },
            "algorithm": {
                "algorithmName": "tpe",
                "algorithmSettings": [{"name": "random_state", "value": str(settings.train.seed)}],
            },
            "earlyStopping": {
                "algorithmName": "medianstop",
                "algorithmSettings": [
                    {"name": "min_trials_required", "value": "5"},
                    {"name": "start_step", "value": "2"},
                ],
            },
            "parallelTrialCount": min(_PARALLEL, trials),
            "maxTrialCount": trials,
            "maxFailedTrialCount": min(_MOST_FAILURES, trials),
            "metricsCollectorSpec": {
                "collector": {"kind": "StdOut"},
                "source": {"filter": {"metricsFormat": [f"({OBJECTIVE})=([0-9.]+)"]}},
            },
            "parameters": [_parameter(key, span) for key, span in space.spans.items()],
            "trialTemplate": {
                "primaryContainerName": _CONTAINER,
                "trialParameters": [
                    {"name": key, "description": f"setting train.{key}", "reference": key} for key in space.spans
                ],
                "trialSpec": _job(image, data, settings, space),
            },
        },
    }


def _parameter(name: Tunable, span: Span) -> dict[str, Any]:
    if span.choices is not None:
        values = [str(value) for value in span.choices]
        return {"name": name, "parameterType": "discrete", "feasibleSpace": {"list": values}}
    return {
        "name": name,
        "parameterType": "int" if is_whole(name) else "double",
        "feasibleSpace": {
            "min": str(span.low),
            "max": str(span.high),
            "distribution": "logUniform" if span.log else "uniform",
        },
    }


def _job(image: str, data: Path, settings: Settings, space: SearchSpace) -> dict[str, Any]:
    kubeflow = settings.kubeflow
    pod = {
        "restartPolicy": "Never",
        "serviceAccountName": "trainer",
        "automountServiceAccountToken": False,
        # Sazón refuses SAZON_… variables that are not settings; a Service named sazon-… would bring some.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **pod_placement(kubeflow),
        "containers": [_container(image, data, settings, space)],
        "volumes": [
            {"name": "trial", "emptyDir": {"sizeLimit": "20Gi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "5Gi"}},
            {"name": "state", "persistentVolumeClaim": {"claimName": kubeflow.state_claim, "readOnly": True}},
        ],
    }
    template = {"metadata": {"labels": _LABELS}, "spec": pod}
    return {"apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0, "template": template}}


def _container(image: str, data: Path, settings: Settings, space: SearchSpace) -> dict[str, Any]:
    # Katib joins command and arguments to one line of a shell, hence the quotes.
    path = shlex.quote(str(PurePosixPath(data)))
    return {
        "name": _CONTAINER,
        "image": image,
        "command": ["sazon", "--timestamps"],
        "args": ["train", "--data", path, "--no-cache"],
        "env": [{"name": key, "value": value} for key, value in _environment(settings, space).items()],
        "resources": pod_resources(settings.kubeflow),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "trial", "mountPath": _TRIAL},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            {"name": "state", "mountPath": STATE_PATH, "readOnly": True},
        ],
    }


def _environment(settings: Settings, space: SearchSpace) -> dict[str, str]:
    """What the trial's settings are made of: the searched ones by name, the others of their section as JSON."""
    # A trial keeps its state to itself, and has no credentials for a store.
    own = {"state_dir", *map(str, space.spans)}
    fixed = settings.train.model_dump(mode="json", exclude_defaults=True, exclude=own)
    sections = {
        "train": fixed,
        "split": settings.split.model_dump(mode="json", exclude_defaults=True),
        "encoder": settings.encoder.model_dump(mode="json") if settings.encoder else {},
    }
    return {
        f"{PREFIX}HOME": _TRIAL,
        "HOME": _TRIAL,
        f"{PREFIX}PRESET": settings.preset,
        **{f"{PREFIX}{name.upper()}": json.dumps(values) for name, values in sections.items() if values},
        **{f"{PREFIX}TRAIN__{name.upper()}": f"${{trialParameters.{name}}}" for name in space.spans},
    }
