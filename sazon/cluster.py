"""Settings of a run on Kubeflow, checked by the rules of Kubernetes before anything is compiled or sent."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from sazon import __version__

STATE_PATH: Final = "/var/lib/sazon"  # $SAZON_HOME in every pod: where the claim of the state is mounted
INCOMING_PATH: Final = "/var/lib/incoming"  # where files of feedback are dropped; raw, so apart from the state
HOME_VARIABLES: Final = {"HOME": "/tmp", "SAZON_HOME": STATE_PATH}  # noqa: S108  a pod's one folder of its own
USER: Final = 10001  # who runs in every pod, and owns those claims

_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_QUALIFIED: Final = r"[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_IMAGE: Final = re.compile(
    r"(?P<name>([a-zA-Z0-9.-]+(:\d+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*)"
    r"(:(?P<tag>[\w][\w.-]{0,127}))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_CRON_RANGES: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))  # minute, hour, day, month, day of the week


def _pinned(image: str) -> str:
    found = _IMAGE.fullmatch(image)
    if not found:
        raise ValueError(f'"{image}" is no name of a container image (want registry/name:tag)')
    if not found["digest"] and not found["tag"]:
        raise ValueError(f'"{image}" has no tag: pods would run whatever is newest (want name:tag or name@sha256:…)')
    if found["tag"] == "latest":
        raise ValueError(f'"{image}" changes under a run: want the tag of a version, not "latest"')
    return image


def _five_fields(cron: str) -> str:
    """KFP's own parser would take the first of five fields for seconds; the client writes the sixth."""
    fields = cron.split()
    if len(fields) != len(_CRON_RANGES):
        raise ValueError(f'"{cron}" is no schedule (want five fields: minute, hour, day, month, day of the week)')
    for field, (least, most) in zip(fields, _CRON_RANGES, strict=True):
        for part in field.split(","):
            found = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?", part)
            if not found or any(not least <= int(bound) <= most for bound in found.group(1, 2) if bound):
                raise ValueError(f'"{part}" in the schedule "{cron}" is not within {least}-{most}, nor "*" or "*/n"')
    return cron


def _gpu(resource: str) -> str:
    if not re.fullmatch(r"nvidia\.com/(gpu(\.shared)?|mig-\d+g\.\d+gb)", resource):
        raise ValueError(
            f'"{resource}" is no resource of a GPU that the trainer\'s image can use '
            "(want nvidia.com/gpu, nvidia.com/gpu.shared or a slice such as nvidia.com/mig-1g.10gb)"
        )
    return resource


def _of_form(pattern: str, want: str) -> AfterValidator:
    """Refuses what does not match, and says in words what would."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f'"{value}" is not {want}')
        return value

    return AfterValidator(check)


Image = Annotated[str, AfterValidator(_pinned)]
Cron = Annotated[str, AfterValidator(_five_fields)]
GpuResource = Annotated[str, AfterValidator(_gpu)]
Namespace = Annotated[str, _of_form(_LABEL, "a namespace (lower-case letters, digits and -, at most 63)")]
ObjectName = Annotated[
    str,
    Field(max_length=253),
    _of_form(rf"{_LABEL}(\.{_LABEL})*", "a name of Kubernetes (lower-case letters, digits, - and .)"),
]
LabelKey = Annotated[
    str, _of_form(rf"({_LABEL}(\.{_LABEL})*/)?{_QUALIFIED}", "a label's key (prefix/name; letters, digits, -, _ and .)")
]
LabelValue = Annotated[str, _of_form(rf"({_QUALIFIED})?", "a label's value (letters, digits, -, _ and ., at most 63)")]
Variable = Annotated[str, _of_form(r"[A-Za-z_][A-Za-z0-9_]*", "a name of an environment variable")]
SecretKey = Annotated[str, _of_form(r"[-._a-zA-Z0-9]+", "a key of a Secret (letters, digits, -, _ and .)")]
Cpu = Annotated[str, _of_form(r"[1-9]\d*m?|\d+\.\d+", "a number of CPUs (such as 4, 0.5 or 500m)")]
Memory = Annotated[str, _of_form(r"[1-9]\d*[KMGT]i?", "an amount of memory (such as 16Gi)")]
Url = Annotated[str, _of_form(r"https?://[^\s/]+(/\S*)?", "an address (such as http://localhost:8888)")]
Bucket = Annotated[
    str, _of_form(r"(minio|s3|gs)://[^\s/]+(/\S*)?", "a folder of an object store (minio://, s3://, gs://)")
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Resources(_Part):
    """What a pod asks for, and may use at most."""

    cpu: Cpu
    memory: Memory


class Toleration(_Part):
    """A taint of nodes that a pod puts up with, as Kubernetes has it."""

    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _as_the_api_server_checks(self) -> Self:
        if self.operator == "Exists" and self.value:
            raise ValueError("a toleration with operator Exists has no value (want Equal, or leave the value out)")
        if self.operator == "Equal" and not self.key:
            raise ValueError("a toleration with operator Equal needs a key (Exists without one tolerates everything)")
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise ValueError("toleration_seconds goes with effect NoExecute only")
        return self


class SecretVariable(_Part):
    """An environment variable whose value is in a Secret."""

    variable: Variable
    secret: ObjectName
    key: SecretKey


class KubeflowSettings(_Part):
    """Where and how the pipeline runs on Kubeflow."""

    host: Url | None = Field(None, description="of the Kubeflow Pipelines API")
    token: SecretStr | None = Field(None, description="bearer token of that API; from the environment")
    namespace: Namespace = "sazon"
    pipeline_root: Bucket | None = Field(None, description="of artifacts; default: the server's own")
    image: Image = Field(f"sazon/trainer-gpu:{__version__}", description="of steps on a GPU")
    cpu_image: Image = Field(f"sazon/pipeline:{__version__}", description="of all other steps")
    service_account: ObjectName = "pipeline"
    state_claim: ObjectName = Field("sazon-state", description="ReadWriteMany volume claim, mounted in every pod")
    incoming_claim: ObjectName = Field("sazon-incoming", description="volume claim of files to ingest")
    gpu: GpuResource = "nvidia.com/gpu"
    gpus: int = Field(1, ge=0, le=16, description="of the Trainer's pod; 0: it trains on the CPU image")
    evaluate_on_gpu: bool = Field(False, description="whether the Evaluator gets one, too")
    node_selector: dict[LabelKey, LabelValue] = Field({}, description="of steps on a GPU")
    tolerations: tuple[Toleration, ...] = Field(
        (Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule"),), description="of steps on a GPU"
    )
    steps: Resources = Resources(cpu="2", memory="8Gi")
    trainer: Resources = Resources(cpu="8", memory="32Gi")
    secrets: tuple[SecretVariable, ...] = ()
    env: dict[Variable, str] = Field({}, description="plain variables of every pod; passwords belong in `secrets`")
    retries: int = Field(2, ge=0, le=10, description="of a step that failed or lost its node")
    nodes_timeout_s: float = Field(
        86_400.0, gt=0, description="of a training on several nodes, from its start to its result"
    )
    cache: bool = Field(True, description="whether steps with unchanged inputs and code are answered from earlier runs")
    schedule: Cron | None = Field(None, description="in UTC, of `sazon pipeline schedule`")

    @model_validator(mode="after")
    def _a_variable_has_one_source(self) -> Self:
        names = [secret.variable for secret in self.secrets]
        twice = [name for name in names if name in self.env or names.count(name) > 1]
        if twice:
            raise ValueError(f"{twice[0]} is set twice, by secrets and env")
        return self
