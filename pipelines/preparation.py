"""What both runners start from: the spec, made of a dataset and the settings, and the digests of its cache keys."""

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from data.preparation import Dataset
from models.checkpoints.presets import Preset
from sazon.home import Home, atomic_directory
from sazon.registry import TAG_DIGEST
from sazon.settings import Settings

if TYPE_CHECKING:
    from pipelines.taste_pipeline import PipelineSpec

PIPELINE_NAME: Final = "taste-training"
REPOSITORY: Final = Path(__file__).resolve().parent.parent
# Beam's own default would fetch a binary first; more workers only cost time on small data.
BEAM_ARGS: Final = ("--runner=FnApiRunner", "--direct_running_mode=in_memory", "--direct_num_workers=1")
# TFX's cache key does not see code: these digests stand for it. Code that only measures must not cost a training.
_TRAINING_CODE: Final = (
    "data/context.py",
    "data/figures.py",
    "data/history.py",
    "data/measures.py",
    "models/bert",
    "models/checkpoints",
    "models/export",
    "models/inputs",
    "models/text",
    "models/training",
    "models/evaluation/calibration.py",
    "models/evaluation/metrics.py",
)
_EVALUATION_CODE: Final = (
    "models",
    "components",
    "sazon/schema.py",
    "data/labelled.py",
    "data/validation.py",
    "data/behavioural",
)


def make_spec(dataset: Dataset, settings: Settings, preset: Preset) -> "PipelineSpec":
    """Writes the schema and, where there is no checkpoint, learns the tokeniser; every path is one of this machine."""
    from components.schema import write_curated_schema
    from pipelines.taste_pipeline import PipelineSpec

    home = settings.state
    encoder = settings.encoder or preset.encoder
    context = settings.train.context
    schema_file = home.tfx / "schema" / ("schema_context.pbtxt" if context else "schema.pbtxt")
    write_curated_schema(schema_file, context)
    source_tags = {TAG_DIGEST: dataset.digest, "data_source": dataset.source, "preset": preset.name}
    return PipelineSpec(
        name=PIPELINE_NAME,
        root=str(home.tfx),
        data_dir=dataset.folder,
        data_digest=dataset.digest,
        majority_share=dataset.majority_share,
        schema_file=str(schema_file),
        tokeniser_dir=str(_tokeniser(dataset, encoder.vocabulary, preset, home)),
        encoder=encoder,
        checkpoint=str(preset.checkpoint or ""),
        train=settings.train,
        gates=settings.gates,
        experiment=settings.mlflow.experiment,
        training_tags=source_tags,
        registration_tags={**source_tags, "git_revision": _git_revision()},
        training_code=digest_of_code(_TRAINING_CODE),
        evaluation_code=digest_of_code(_EVALUATION_CODE),
        training_dir=settings.training_dir,
        keep_versions=settings.serving.keep_versions,
    )


def digest_of_code(entries: tuple[str, ...]) -> str:
    """Changes with the content of files and folders of the repository."""
    digest = hashlib.sha256()
    for entry in entries:
        place = REPOSITORY / entry
        files = (path for path in place.rglob("*") if path.suffix in (".py", ".csv"))
        for path in sorted(files) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _tokeniser(dataset: Dataset, size: int, preset: Preset, home: Home) -> Path:
    """The checkpoint's own, or one learnt from the training split, once for each dataset and size."""
    import pandas as pd

    from models.text.tokeniser import Tokeniser

    if preset.checkpoint:
        return preset.checkpoint
    folder = home.tokenisers / f"{dataset.name}-{size}-{digest_of_code(_TRAINING_CODE)}"
    if not folder.exists():
        texts = pd.read_parquet(dataset.parquet("train"), columns=["text"])["text"]
        with atomic_directory(folder) as staging:
            Tokeniser.learn(texts, size).write(staging)
    return folder


def _git_revision() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    except OSError:  # no git here, as in a container
        return "unknown"
    return found.stdout.strip() or "unknown"
