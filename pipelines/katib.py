"""The search of `sazon sweep` as an Experiment of Kubeflow's Katib (kubeflow.org/v1beta1).

Written by Katib's published types and by the source of its metrics collector; it was never run on a cluster.

Each trial is a Job that runs `sazon train` on one GPU. Its state is an `emptyDir` with a registry of its own, so that
trials neither register versions for all to see nor roll anything out; Katib keeps the scores. They are collected from
the log, where each epoch ends in `eval_score=…`; the time before it is what median stopping goes by.
"""

import json
import re
import shlex
from pathlib import Path, PurePosixPath
from typing import Any, Final

import yaml

from models.sweeps.search_space import SearchSpace, is_whole
from sazon.errors import UserError
from sazon.home import write_atomically
from sazon.settings import PREFIX, Settings, Span, Tunable

OBJECTIVE: Final = "eval_score"
_CONTAINER: Final = "train"
_STATE: Final = "/var/lib/sazon"
_DATA_CLAIM: Final = "sazon-data"
_USER: Final = 10001  # as the gateway
_PARALLEL: Final = 2
_MOST_FAILURES: Final = 3
_LABELS: Final = {"app.kubernetes.io/name": "sweep", "app.kubernetes.io/part-of": "sazon"}


def write_experiment(path: Path, image: str, data: Path, settings: Settings, name: str | None = None) -> None:
    """Writes `make_experiment` as YAML."""
    content = yaml.safe_dump(make_experiment(image, data, settings, name), sort_keys=False, width=120)
    write_atomically(path, content)


def make_experiment(image: str, data: Path, settings: Settings, name: str | None = None) -> dict[str, Any]:
    """The Experiment.

    Args:
        image: of the trials; holds `sazon` and what training needs.
        data: labelled file as the pods see it; its folder is the mount of the claim `sazon-data`.
        settings: resolved settings; those of training that are not searched go to the trials, too.
        name: of the Experiment.

    Raises:
        UserError: the path of the data or the name cannot be used in a cluster.
    """
    if not data.is_absolute() or data.parent == Path("/"):
        raise UserError(f"--data {data}: with --katib it is a path in the pods, such as /data/feedback.csv")
    name = name or "taste-sweep"
    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", name):
        raise UserError(f'--name "{name}": Katib wants lower-case letters, digits and "-", at most 40')
    space, trials = SearchSpace.of(settings.sweep.space), settings.sweep.trials
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name, "labels": _LABELS},
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
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": _LABELS},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    # Sazón refuses SAZON_… variables that are not settings; a Service named sazon-… would bring some.
                    "enableServiceLinks": False,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": _USER,
                        "runAsGroup": _USER,
                        "fsGroup": _USER,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
                    "containers": [_container(image, data, settings, space)],
                    "volumes": [
                        {"name": "state", "emptyDir": {"sizeLimit": "20Gi"}},
                        {"name": "tmp", "emptyDir": {"sizeLimit": "5Gi"}},
                        {"name": "data", "persistentVolumeClaim": {"claimName": _DATA_CLAIM, "readOnly": True}},
                    ],
                },
            },
        },
    }


def _container(image: str, data: Path, settings: Settings, space: SearchSpace) -> dict[str, Any]:
    # Katib joins command and arguments to one line of a shell, hence the quotes.
    path = shlex.quote(str(PurePosixPath(data)))
    return {
        "name": _CONTAINER,
        "image": image,
        "command": ["sazon", "--timestamps"],
        "args": ["train", "--data", path, "--no-cache"],
        "env": [{"name": key, "value": value} for key, value in _environment(settings, space).items()],
        "resources": {
            "requests": {"cpu": "4", "memory": "16Gi"},
            "limits": {"memory": "16Gi", "nvidia.com/gpu": 1},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "state", "mountPath": _STATE},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            {"name": "data", "mountPath": str(PurePosixPath(data.parent)), "readOnly": True},
        ],
    }


def _environment(settings: Settings, space: SearchSpace) -> dict[str, str]:
    """What the trial's settings are made of: the searched ones by name, the others of their section as JSON."""
    fixed = settings.train.model_dump(mode="json", exclude_defaults=True, exclude={str(name) for name in space.spans})
    sections = {
        "train": fixed,
        "split": settings.split.model_dump(mode="json", exclude_defaults=True),
        "encoder": settings.encoder.model_dump(mode="json") if settings.encoder else {},
    }
    return {
        f"{PREFIX}HOME": _STATE,
        "HOME": _STATE,
        f"{PREFIX}PRESET": settings.preset,
        **{f"{PREFIX}{name.upper()}": json.dumps(values) for name, values in sections.items() if values},
        **{f"{PREFIX}TRAIN__{name.upper()}": f"${{trialParameters.{name}}}" for name in space.spans},
    }
