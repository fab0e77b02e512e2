"""Where a pod finds what this machine has."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from pipelines.kubeflow.pod_paths import PodPaths
from pipelines.preparation import REPOSITORY
from sazon.cluster import STATE_PATH
from sazon.errors import SettingsError, UserError
from sazon.home import Home
from sazon.settings import TrainSettings


@dataclass(frozen=True)
class Spec:
    """The paths of a PipelineSpec, without TFX."""

    root: str
    data_dir: str
    schema_file: str
    tokeniser_dir: str
    checkpoint: str
    train: TrainSettings
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
        train=TrainSettings(state_dir=training_dir),
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
    own, other = tmp_path / "beto", tmp_path / "other" / "beto"
    own.mkdir()
    (own / "config.json").write_text("{}")
    paths, spec = translated(home, str(own), "s3://models/trainings")
    place = PurePosixPath(spec.checkpoint).relative_to("/var/lib/sazon/pretrained")
    assert place.name.startswith("beto-") and paths.files["pretrained" / place] == own
    assert translated(home, str(other))[1].checkpoint != spec.checkpoint


@pytest.mark.parametrize("place", ["s3://b/t", "gs://b/t", f"{STATE_PATH}/t", f"file://{STATE_PATH}/t"])
def test_checkpoints_stay_where_all_pods_find_them(place, home):
    _, spec = translated(home, str(REPOSITORY / "models"), place)
    assert spec.training_dir == spec.train.state_dir == place


def test_a_folder_of_the_state_directory_is_one_of_the_claim_and_no_path_of_this_machine_stays(home):
    _, spec = translated(home, str(REPOSITORY / "models"), str(home.root / "mine"))
    assert (spec.training_dir, spec.train.state_dir) == (f"{STATE_PATH}/mine", None)


@pytest.mark.parametrize("place", ["/mnt/nfs/trainings", "file:///home/me/x", "relative", f"{STATE_PATH}-old"])
def test_a_place_of_this_machine_is_refused(place, home):
    with pytest.raises(SettingsError, match=f"train.state_dir: {place} is a place of this machine"):
        translated(home, str(REPOSITORY / "models"), place)


def test_a_folder_with_something_in_it_is_left_alone(home, tmp_path):
    paths, _ = translated(home, str(REPOSITORY / "models"))
    with pytest.raises(UserError, match="name a new folder"):
        paths.copy_files(Path(tmp_path))
