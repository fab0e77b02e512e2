"""The one typed settings tree.

A value comes from, weakest first: the defaults below, `sazon.yaml` of the working directory, environment variables
(`SAZON_HOME`, `SAZON_TRAIN__EPOCHS`: two underscores go one level down), flags of the command line.
Unknown keys are errors. Secrets belong in the environment only.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)
from yaml import YAMLError

from sazon.cluster import KubeflowSettings as KubeflowSettings
from sazon.errors import SettingsError
from sazon.home import Home

SETTINGS_FILE = "sazon.yaml"
PREFIX = "SAZON_"
_SECRET_OPTION = re.compile(r"@|(key|secret|token|password|credential|sig)[^&=]*=", re.IGNORECASE)

Port = Annotated[int, Field(ge=0, le=65_535)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EncoderSettings(_Section):
    """Shape of the BERT encoder."""

    layers: int = Field(4, ge=1, le=48)
    hidden: int = Field(256, ge=8, le=4096)
    heads: int = Field(4, ge=1, le=64)
    intermediate: int = Field(1024, ge=8)
    vocabulary: int = Field(6000, ge=8, le=500_000)
    max_tokens: int = Field(96, ge=8, le=512, multiple_of=8, description="longest text in tokens; the rest is cut")
    positions: int = Field(512, ge=8, le=8192, description="size of the table of positions")
    activation: Literal["gelu", "gelu_new", "relu"] = Field("gelu", description="as `hidden_act` of a checkpoint")
    norm_epsilon: float = Field(1e-12, gt=0)

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide hidden ({self.hidden})")
        if self.max_tokens > self.positions:
            raise ValueError(f"max_tokens ({self.max_tokens}) must not be over positions ({self.positions})")
        return self


class TrainSettings(_Section):
    """How the model is fitted."""

    epochs: int = Field(5, ge=1, le=1000)
    least_steps: int = Field(400, ge=0, description="few rows are gone through more often, up to so many batches")
    batch_size: int = Field(32, ge=1, le=4096)
    accumulate: int = Field(1, ge=1, le=1024, description="batches whose gradients make one step")
    learning_rate: float | None = Field(None, gt=0, description="at its peak; by default one that fits the encoder")
    layer_decay: float | None = Field(
        None, gt=0, le=1, description="learning rate of a layer relative to the one above it; by default as the encoder"
    )
    warmup_share: Share = 0.1
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0, description="gradients are scaled down to this global norm")
    dropout: Share = 0.1
    token_dropout: Share = Field(0.1, description="share of tokens replaced by [MASK] while training")
    label_smoothing: Share = 0.05
    class_weights: bool = Field(True, description="weigh rare labels up")
    rdrop: float = Field(0.0, ge=0, description="weight of the divergence between two dropout passes; doubles the time")
    patience: int = Field(3, ge=1, description="epochs without a better eval macro-F1 before stopping")
    seed: int = 13
    backend: Literal["tensorflow", "jax", "torch"] = Field("tensorflow", description="Keras backend that trains")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of matrix products; auto: bfloat16 where the hardware has it"
    )
    served: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto",
        description="of matrix products in the exported model; auto: int8 where this machine's CPU multiplies it fast. "
        "int8 is served by x86 CPUs alone, float32 anywhere",
    )
    devices: int = Field(1, ge=0, description="GPUs of a machine that share each batch; 0: all of them")
    nodes: int = Field(1, ge=1, le=64, description="pods that share each batch, as a TrainJob of Kubeflow Trainer")
    context: bool = Field(
        False,
        description="features of product and region enter beside the text; they tell little on the sample (ADR 0008)",
    )
    context_dropout: Share = Field(0.5, description="share of rows whose context is hidden while training")
    stored: Literal["float32", "float16"] = Field("float32", description="of the weights on disk")
    checkpoint_s: float = Field(
        30.0, ge=0, description="seconds between checkpoints; a killed run goes on from the last"
    )
    state_dir: str | None = Field(
        None,
        description="of checkpoints: directory or s3://, gs://, file:// address; default: under the state directory",
    )

    @field_validator("state_dir")
    @classmethod
    def _holds_no_secret(cls, place: str | None) -> str | None:
        """An address is seen by many: in the compiled pipeline, in arguments of pods, in MLflow."""
        address, _, options = (place or "").partition("?")
        if "://" in address and ("@" in address or _SECRET_OPTION.search(options)):
            raise ValueError("the address holds credentials; use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        return place


class PretrainSettings(_Section):
    """How an encoder learns from unlabelled texts."""

    epochs: int = Field(40, ge=1, le=10_000)
    steps: int | None = Field(None, ge=1, description="batches in all; instead of epochs")
    from_scratch: bool = Field(False, description="new vocabulary and random weights, also where the preset has them")
    batch_size: int = Field(64, ge=1, le=4096)
    learning_rate: float = Field(5e-4, gt=0)
    warmup_share: Share = 0.1
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0, description="gradients are scaled down to this global norm")
    dropout: Share = 0.1
    masked_share: float = Field(0.15, gt=0, lt=1, description="share of words to guess")
    bag_weight: float = Field(0.5, ge=0, description="of guessing a text's words from its [CLS] vector; 0: not asked")
    seed: int = 13
    backend: Literal["tensorflow", "jax", "torch"] = Field("tensorflow", description="Keras backend that trains")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="of matrix products")
    stored: Literal["float32", "float16"] = Field("float32", description="of the weights on disk")
    checkpoint_s: float = Field(
        30.0, ge=0, description="seconds between checkpoints; a killed run goes on from the last"
    )


Tunable = Literal[
    "learning_rate", "batch_size", "epochs", "dropout", "token_dropout", "label_smoothing", "weight_decay",
    "warmup_share", "layer_decay", "rdrop",
]  # fmt: skip


class Span(_Section):
    """Values that a sweep may try for a setting: all between `low` and `high`, or one of `choices`."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = Field(False, description="whether orders of magnitude are even; low must be above 0")
    choices: tuple[int | float, ...] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("want either choices, or low and high")
        elif self.low is None or self.high is None or not self.low < self.high:
            raise ValueError("want low and high with low below high, or choices")
        elif self.log and self.low <= 0:
            raise ValueError("with log, low must be above 0")
        return self


class SweepSettings(_Section):
    """A search for better settings of training."""

    trials: int = Field(20, ge=1, le=10_000, description="in all, those of an interrupted sweep counted")
    timeout_s: float | None = Field(None, gt=0, description="no trial starts after so many seconds")
    space: dict[Tunable, Span] = Field({}, description="replaces what models/sweeps/search_space.py says of a setting")


class SplitSettings(_Section):
    """Shares of a file that has no `split` column of its own."""

    eval_share: Share = 0.1
    test_share: Share = 0.15


class DataSettings(_Section):
    """Where the bytes that models were trained on are kept."""

    remote: str | None = Field(
        None, description="second copy: directory or URL as for `dvc remote add`; default: under the state directory"
    )


class GateSettings(_Section):
    """What a version must show on the test split to be blessed."""

    above_majority: Share = Field(0.05, description="macro-F1 of sentiment above the majority class, at least")
    below_baseline: Share = Field(0.0, description="macro-F1 of sentiment below the better baseline, at most")


class DriftSettings(_Section):
    """When live feedback counts as different from what was trained on."""

    window_days: int = Field(14, ge=1, description="of the store that are live")
    false_alarm_rate: float = Field(0.05, gt=0, lt=1, description="of all daily looks of a period together, at most")
    period_days: int = Field(90, ge=1, description="daily looks that share the false-alarm rate; 1: look once")
    min_effect: Share = Field(0.05, description="a smaller difference is no drift, however sure")
    min_rows: int = Field(50, ge=10, description="with a value, in each window, or a measure is not tested")
    retrain: tuple[str, ...] = Field((), description="program and arguments that drift starts; none: nothing")
    retrain_rows: int = Field(200, ge=1, description="rows of the live window without which nothing is started")
    cooldown_h: float = Field(24.0, ge=0, description="hours from one start to the next, at least")


class MlflowSettings(_Section):
    """The registry."""

    tracking_uri: str | None = Field(None, description="default: SQLite under the state directory")
    experiment: str = "taste"
    port: Port = 5000


class FeatureSettings(_Section):
    """Which stores hold the features."""

    offline: Literal["file", "spark"] = Field("file", description="what joins features point in time")
    spark_master: str = "local[*]"
    online: Literal["sqlite", "redis"] = "sqlite"
    redis: str = Field("localhost:6379", description="host:port[,password=$NAME]; $NAME: an environment variable")
    registry: str | None = Field(None, description="SQLAlchemy address of a shared registry; default: a file")


class ServingSettings(_Section):
    """The model server."""

    host: str = "127.0.0.1"
    rest_port: Port = 8501
    grpc_port: Port = 8500
    poll_s: float = Field(1.0, gt=0)
    keep_versions: int = Field(3, ge=1, description="served versions kept on disk for rollback")


class GatewaySettings(_Section):
    """The Flask gateway."""

    host: str = "127.0.0.1"
    port: Port = 8080
    workers: int = Field(1, ge=1, description="processes")
    max_in_flight: int = Field(16, ge=1, description="predictions worked on at once, by all processes")
    max_queued: int = Field(112, ge=0, description="so many more wait, over a moment's stall; the rest gets 429")
    timeout_s: float = Field(5.0, gt=0, description="longest time for one answer; clients may ask for less")
    recent_texts: int = Field(0, ge=0, description="so many of the latest are kept, redacted, for replays; 0: none")
    traffic_file: Path | None = Field(
        None, description="which version answers, as rollouts write it; default: traffic.json of the state directory"
    )


class RolloutSettings(_Section):
    """How a version takes over from the champion, and what makes it go back."""

    steps: tuple[Share, ...] = Field(
        (0.05, 0.25, 0.5, 0.95), description="shares of requests that the canary answers; the rest is the control group"
    )
    shadow_share: Share = Field(0.2, description="of requests answered unseen before the first step; 0: none")
    alpha: float = Field(0.05, gt=0, lt=1, description="probability to roll back a version within all margins")
    beta: float = Field(0.05, gt=0, lt=1, description="probability to pass one beyond a margin")
    error_margin: Share = Field(0.01, description="share of failed calls above the champion's that is tolerated")
    median_margin: Share = Field(0.15, description="likewise, of calls slower than the champion's median")
    tail_margin: Share = Field(0.03, description="likewise, of calls slower than the champion's 99th percentile")
    drift_margin: Share = Field(0.15, description="difference in the share of a predicted sentiment")
    agreement: Share = Field(0.8, description="share of texts that must get the champion's sentiment")
    taste_agreement: Share = Field(0.6, description="share of texts that must get exactly the champion's tastes")
    min_samples: int = Field(200, ge=1, description="calls of each version before a step passes")
    poll_s: float = Field(5.0, gt=0, description="seconds between two looks at the metrics")
    step_timeout_s: float = Field(3600.0, gt=0, description="a step undecided for so long is rolled back")
    blind_timeout_s: float = Field(60.0, gt=0, description="so long without readable metrics is rolled back")
    load_timeout_s: float = Field(
        300.0, gt=0, description="of a version, from the request to its first answer; in a cluster 900"
    )
    settle_s: float = Field(2.0, ge=0, description="until every gateway has read its traffic; in a cluster 120")
    approval: bool = Field(False, description="whether a person must approve before the last step")
    approvers: tuple[str, ...] = Field((), description="who may approve; none: anyone")
    approval_timeout_s: float = Field(86_400.0, gt=0)
    cluster: bool = Field(False, description="whether servers and gateways are pods of `kubeflow.namespace`")
    context: str | None = Field(None, description="of the kubeconfig; default: the pod's account, or the current one")
    prometheus_url: str | None = Field(None, description="of its HTTP API; default: the gateways' own metrics")
    metrics_urls: tuple[str, ...] = Field((), description="of the gateways; default: the local one")
    model_servers: tuple[str, ...] = Field((), description="host:port of gRPC; default: the local one")
    model_config_file: Path | None = Field(None, description="that the model servers poll; default: gRPC reload")
    model_base_path: str | None = Field(None, description="of the versions as the servers see it")
    replay: tuple[Path, ...] = Field((), description="texts to replay (CSV or JSON lines); default: shipped ones")
    replay_texts: int = Field(200, ge=0, description="so many of them at most; 0: none")
    replay_slowdown: float = Field(1.5, ge=1, description="median of the replay over the champion's, at most")
    memory_growth: float = Field(1.5, ge=1, description="memory of the loaded model over the champion's, at most")

    @model_validator(mode="after")
    def _a_cluster_is_asked_where_its_pods_are(self) -> Self:
        if self.cluster and (self.model_servers or self.metrics_urls or self.model_config_file):
            raise ValueError(
                "with cluster, pods are found by its API: want no model_servers, model_config_file, metrics_urls"
            )
        return self

    @model_validator(mode="after")
    def _a_kubelet_takes_its_time(self) -> Self:
        """It writes a changed ConfigMap into its pods within a minute and a half."""
        for name, value in (("load_timeout_s", 900.0), ("settle_s", 120.0)) if self.cluster else ():
            if name not in self.model_fields_set:
                object.__setattr__(self, name, value)
        return self

    @model_validator(mode="after")
    def _steps_rise_and_leave_a_control_group(self) -> Self:
        if not self.steps or sorted(set(self.steps)) != list(self.steps) or not 0 < self.steps[0] <= self.steps[-1] < 1:
            raise ValueError("steps must rise from above 0 to below 1: the champion answers the rest, to compare with")
        if self.approval and len(self.steps) == 1 and not self.shadow_share:
            raise ValueError("approval comes before the last step: want two steps, or a shadow_share")
        return self


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", yaml_file=SETTINGS_FILE, extra="forbid", frozen=True
    )

    home: Path = Path("var")
    preset: str = Field("small", description="shipped encoder, directory in transformers format, or hub id")
    encoder: EncoderSettings | None = Field(None, description="overrides the preset's size")
    train: TrainSettings = TrainSettings()
    pretrain: PretrainSettings = PretrainSettings()
    sweep: SweepSettings = SweepSettings()
    data: DataSettings = DataSettings()
    split: SplitSettings = SplitSettings()
    gates: GateSettings = GateSettings()
    drift: DriftSettings = DriftSettings()
    mlflow: MlflowSettings = MlflowSettings()
    features: FeatureSettings = FeatureSettings()
    serving: ServingSettings = ServingSettings()
    gateway: GatewaySettings = GatewaySettings()
    rollout: RolloutSettings = RolloutSettings()
    kubeflow: KubeflowSettings = KubeflowSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags before environment before file."""
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)

    @property
    def state(self) -> Home:
        """The paths of the state directory."""
        return Home(self.home.expanduser().resolve())

    @property
    def training_dir(self) -> str:
        """Where trainings under way keep their state: a directory, or the address of an object store."""
        return self.train.state_dir or str(self.state.trainings)

    @property
    def tracking_uri(self) -> str:
        """Where MLflow's clients go: a server where one is configured, else the SQLite store itself."""
        return self.mlflow.tracking_uri or f"sqlite:///{self.state.mlflow_db}"


PRESETS: dict[str, EncoderSettings] = {
    "tiny": EncoderSettings(layers=2, hidden=64, heads=2, intermediate=128, vocabulary=1500, max_tokens=64),
    "small": EncoderSettings(),
}


def load_settings(**flags: Any) -> Settings:
    """Reads the settings once; flags that are None count as not given.

    Raises:
        SettingsError: an unknown key or a bad value, named with the place it came from.
    """
    _refuse_unknown_environment()
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"setting {key}: {reason} (flags, {PREFIX}… or {SETTINGS_FILE})") from None
    except (YAMLError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{SETTINGS_FILE} is not a mapping in YAML: {reason}") from None


def _refuse_unknown_environment() -> None:
    """pydantic-settings ignores unknown top-level variables; a typing mistake there must not pass in silence."""
    for name in os.environ:
        if name.startswith(PREFIX) and name != "SAZON_TEST_STRICT":
            key = name.removeprefix(PREFIX).split("__")[0].lower()
            if key not in Settings.model_fields:
                raise SettingsError(f"environment variable {name} is not a setting of Sazón")
