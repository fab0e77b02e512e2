"""Where a pod finds what this machine has."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from pipelines.kubeflow.pod_paths import PodPaths
from pipelines.preparation import REPOSITORY
from sazon.errors import UserError
from sazon.home import Home


@dataclass(frozen=True)
class Spec:
    """The paths of a PipelineSpec, without TFX."""

    root: str
    data_dir: str
    schema_file: str
    tokeniser_dir: str
    checkpoint: str
    training_dir: str


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home" / "datasets" / "d" / "train").mkdir(parents=True)
    (tmp_path / "home" / "datasets" / "d" / "train" / "part.parquet").write_bytes(b"rows")
    (tmp_path / "home" / "tfx" / "schema").mkdir(parents=True)
    (tmp_path / "home" / "tfx" / "schema" / "schema.pbtxt").write_text("feature {}")
    return Home(tmp_path / "home")


def translated(home, checkpoint, training_dir=None):
    paths = PodPaths(home)
    spec = Spec(
        root=str(home.tfx),
        data_dir=str(home.datasets / "d"),
        schema_file=str(home.tfx / "schema" / "schema.pbtxt"),
        tokeniser_dir=checkpoint,
        checkpoint=checkpoint,
        training_dir=training_dir or str(home.trainings),
    )
    return paths, paths.translate(spec)


def test_shipped_checkpoints_are_in_the_image_and_state_is_on_the_claim(home, tmp_path):
    shipped = REPOSITORY / "models" / "pretrained" / "small"
    paths, spec = translated(home, str(shipped))
    assert spec.checkpoint == spec.tokeniser_dir == "/opt/sazon/models/pretrained/small"
    assert spec.data_dir == "/var/lib/sazon/datasets/d"
    assert (spec.root, spec.training_dir) == ("/var/lib/sazon/tfx", "/var/lib/sazon/trainings")
    assert paths.copy_files(tmp_path / "claim") == len("rows") + len("feature {}")
    assert (tmp_path / "claim" / "datasets" / "d" / "train" / "part.parquet").read_bytes() == b"rows"


def test_a_checkpoint_from_elsewhere_goes_to_the_claim(home, tmp_path):
    own = tmp_path / "beto"
    own.mkdir()
    (own / "config.json").write_text("{}")
    paths, spec = translated(home, str(own), "s3://models/trainings")
    assert spec.checkpoint == "/var/lib/sazon/pretrained/beto"
    assert paths.files[PurePosixPath("pretrained/beto")] == own
    assert spec.training_dir == "s3://models/trainings"


def test_a_folder_with_something_in_it_is_left_alone(home, tmp_path):
    paths, _ = translated(home, str(REPOSITORY / "models"))
    with pytest.raises(UserError, match="name a new folder"):
        paths.copy_files(Path(tmp_path))
