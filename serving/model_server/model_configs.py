"""Which models to serve, in which versions, under which labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig, ModelType

from serving.model_server.statuses import invalid_argument

PLATFORM: Final = "tensorflow"


@dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions on disk are wanted.

    >>> VersionPolicy("latest", newest=2).choose([1, 2, 3]), VersionPolicy("specific", numbers=(1, 9)).choose([1, 2])
    ({2, 3}, {1})
    """

    kind: Literal["latest", "all", "specific"] = "latest"
    newest: int = 1
    numbers: tuple[int, ...] = ()

    def choose(self, present: "list[int]") -> set[int]:
        """The wanted ones among those present."""
        match self.kind:
            case "all":
                return set(present)
            case "specific":
                return set(present) & set(self.numbers)
        return set(sorted(present)[-self.newest :])


@dataclass(frozen=True)
class ServedModel:
    """One model: its name, its directory of numbered versions, and what is wanted of them."""

    name: str
    base_path: Path
    policy: VersionPolicy = field(default_factory=VersionPolicy)
    labels: Mapping[str, int] = field(default_factory=dict)


def single_model(name: str, base_path: Path, labels: Mapping[str, int] | None = None) -> ModelServerConfig:
    """The configuration that `--model_name` and `--model_base_path` mean; with labels, of their versions alone."""
    config = ModelServerConfig()
    model = config.model_config_list.config.add(name=name, base_path=str(base_path), model_platform=PLATFORM)
    if labels:
        model.model_version_policy.specific.versions.extend(sorted(labels.values()))
        model.version_labels.update(labels)
    return config


def read_models(config: ModelServerConfig) -> dict[str, ServedModel] | None:
    """Checks a configuration.

    Returns:
        Models by name; None for an empty configuration, which asks for nothing.

    Raises:
        StatusError: a kind of configuration that is not supported, a model listed twice or without a name, a relative
            path, or another platform than TensorFlow.
    """
    match config.WhichOneof("config"):
        case None:
            return None
        case "custom_model_config":
            raise invalid_argument("ModelServer does not yet support custom model config.")
    models: dict[str, ServedModel] = {}
    for entry in config.model_config_list.config:
        if entry.name in models:
            raise invalid_argument(f"Illegal to list model {entry.name} multiple times in config list")
        models[entry.name] = _read_model(entry)
    return models


def _read_model(entry: ModelConfig) -> ServedModel:
    if not entry.name:
        raise invalid_argument("Expected each model of the config list to have a name")
    if not Path(entry.base_path).is_absolute() or "\0" in entry.base_path:
        raise invalid_argument(
            f"Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}"
        )
    _check_platform(entry)
    return ServedModel(entry.name, Path(entry.base_path), _read_policy(entry), dict(entry.version_labels))


def _check_platform(entry: ModelConfig) -> None:
    if not entry.model_platform and not entry.model_type:
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform."
        )
    if entry.model_platform and entry.model_type:
        raise invalid_argument(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform."
        )
    if entry.model_platform not in ("", PLATFORM) or entry.model_type not in (0, ModelType.TENSORFLOW):
        wanted = entry.model_platform or entry.model_type
        raise invalid_argument(f"Model {entry.name} requests unsupported platform {wanted}")


def _read_policy(entry: ModelConfig) -> VersionPolicy:
    policy = entry.model_version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return VersionPolicy("all")
        case "specific":
            if not policy.specific.versions:
                raise invalid_argument(f"Model {entry.name}: a specific version policy needs at least one version")
            return VersionPolicy("specific", numbers=tuple(policy.specific.versions))
    return VersionPolicy("latest", newest=policy.latest.num_versions or 1)
