"""One pretraining from files to a checkpoint, followed in MLflow and resumable after a kill."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import keras

from models.bert.precision import resolve_precision
from models.checkpoints.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from models.checkpoints.presets import Preset, resolve_preset
from models.inputs.batching import Grain
from models.pretraining.card import write_card
from models.pretraining.corpus import corpus_digest, read_texts
from models.pretraining.log import followed, tracked
from models.pretraining.masked_batches import MaskedBatches
from models.pretraining.masked_language_model import (
    MaskedLanguageModel,
    dump_masked_language_model,
    load_masked_language_model,
)
from models.pretraining.masking import WordMasker
from models.pretraining.pretrainer import PretrainEpoch, Pretrainer
from models.pretraining.token_store import CorpusSize, TokenStore, is_held_out
from models.text.tokeniser import Tokeniser
from models.training.interruption import interruptions_noted
from models.training.state import TrainingState
from sazon.errors import UserError
from sazon.home import atomic_directory
from sazon.logging import get_logger
from sazon.memory import keep_freed_memory
from sazon.settings import EncoderSettings, Settings

_LOG = get_logger("pretraining")
_NO_TEXT: Final = "{}: no text in it"
_LEAST_VOCABULARY: Final = 200  # as `EncoderSettings.vocabulary`


@dataclass(frozen=True)
class Pretrained:
    """What a pretraining brought."""

    checkpoint: Path
    digest: str
    corpus: CorpusSize
    epochs: list[PretrainEpoch]
    run_id: str


@dataclass(frozen=True)
class _Job:
    """Everything that decides the result."""

    files: tuple[Path, ...]
    digest: str
    preset: Preset
    settings: Settings
    out: Path

    @property
    def work(self) -> Path:
        """Where the run keeps what it needs to go on: the same command finds it again."""
        own = self.settings.pretrain.model_dump(exclude={"checkpoint_s", "stored"})
        key = json.dumps([self.digest, self.preset.name, str(self.preset.checkpoint), str(self.out), own])
        size = self.settings.encoder.model_dump_json() if self.settings.encoder else ""
        return self.settings.state.root / "pretraining" / hashlib.sha256(f"{key}{size}".encode()).hexdigest()[:16]


def pretrain(files: Sequence[Path], settings: Settings, out: Path | None = None) -> Pretrained:
    """Pretrains an encoder and writes it as a checkpoint that `--preset` takes.

    Args:
        files: the corpus; see `models.pretraining.corpus.read_texts`.
        settings: resolved settings.
        out: folder to make; by default one under the state directory, named by corpus and preset.

    Raises:
        UserError: a file or the preset cannot be used, the folder exists, or this very pretraining is running.
        Stopped: Ctrl-C; the same call goes on.
    """
    from filelock import FileLock, Timeout

    keep_freed_memory()
    digest, preset = corpus_digest(files), resolve_preset(settings.preset)
    name = re.sub(r"[^\w.-]+", "-", preset.name.rstrip("/").rsplit("/", 1)[-1])
    target = (out or settings.state.root / "pretrained" / f"{digest}-{name}").expanduser().resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} exists already: name a new folder with --out, or remove it")
    if next(read_texts(files), None) is None:
        raise UserError(_NO_TEXT.format(", ".join(map(str, files))))
    job = _Job(tuple(files), digest, preset, settings, target)
    job.work.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(job.work.with_suffix(".lock"), timeout=0):
            return _run(job)
    except Timeout:
        raise UserError(f"this pretraining is running already, into {target}: wait for it, or stop it") from None


def _run(job: _Job) -> Pretrained:
    settings, own = job.settings, job.settings.pretrain
    keras.utils.set_random_seed(own.seed)
    checkpoint = None if own.from_scratch or job.preset.checkpoint is None else read_checkpoint(job.preset.checkpoint)
    size = _size(job, checkpoint)
    tokeniser, store = _tokenised(job, checkpoint, size)
    size = size.model_copy(update={"vocabulary": len(tokeniser.vocabulary)})
    model = MaskedLanguageModel(size.vocabulary, size, own.dropout, resolve_precision(own.precision), own.bag_weight)
    if checkpoint:
        load_masked_language_model(model, checkpoint.weights)
    masker = WordMasker.of(tokeniser, own.masked_share)
    batches = MaskedBatches(store, masker, own, Grain.of_backend(keras.backend.backend()))
    state = TrainingState(job.work / "state.npz", own.checkpoint_s)
    facts = {"corpus_digest": job.digest, "preset": job.preset.name, **asdict(store.size)}
    with tracked(settings, job.work, facts, size) as run_id:
        with interruptions_noted() as stop, followed(stop) as watch:
            epochs = Pretrainer(model, batches, own, state, watch).fit()
        made = Checkpoint(size, tokeniser, dump_masked_language_model(model), checkpoint.config if checkpoint else {})
        with _written(job.out, made, own.stored) as staging:
            write_card(staging, job.files, job.digest, store.size, settings, epochs)
        _log_checkpoint(job.out)
    shutil.rmtree(job.work)
    return Pretrained(job.out, job.digest, store.size, epochs, run_id)


def _size(job: _Job, checkpoint: Checkpoint | None) -> EncoderSettings:
    """The encoder's shape: the settings', else the preset's."""
    wanted = job.settings.encoder
    if checkpoint is None or wanted is None:
        return wanted or job.preset.encoder
    if wanted != checkpoint.encoder.model_copy(update={"max_tokens": wanted.max_tokens}):
        raise UserError(
            f'setting encoder: its shape is not that of preset "{job.preset.name}": leave it out, or train from scratch'
        )
    return wanted


def _tokenised(job: _Job, checkpoint: Checkpoint | None, size: EncoderSettings) -> tuple[Tokeniser, TokenStore]:
    """The corpus as tokens, made once for a run."""
    folder = job.work / "corpus"
    if not folder.exists():
        with atomic_directory(folder) as staging:
            tokeniser = checkpoint.tokeniser if checkpoint else _learn(job, size)
            tokeniser.write(staging)
            if TokenStore.write(staging, read_texts(job.files), tokeniser, size.max_tokens) is None:
                raise UserError(_NO_TEXT.format(", ".join(map(str, job.files))))
    tokeniser, store = Tokeniser.read(folder), TokenStore(folder)
    corpus = store.size
    _LOG.info(
        "corpus %s: %s texts, %s tokens (%s duplicates dropped, %s texts held out)",
        job.digest,
        *(f"{count:,}" for count in (corpus.texts, corpus.tokens, corpus.duplicates, corpus.held_out)),
    )
    return tokeniser, store


def _learn(job: _Job, size: EncoderSettings) -> Tokeniser:
    texts = (text for batch in read_texts(job.files) for text in batch if not is_held_out(text))
    tokeniser = Tokeniser.learn(texts, size.vocabulary)
    if len(tokeniser.vocabulary) < _LEAST_VOCABULARY:
        raise UserError(
            f"{', '.join(map(str, job.files))}: gives a vocabulary of {len(tokeniser.vocabulary)} word pieces only, "
            f"{_LEAST_VOCABULARY} are needed: add texts, or start from a checkpoint"
        )
    return tokeniser


@contextmanager
def _written(out: Path, made: Checkpoint, stored: str) -> Iterator[Path]:
    """Yields the finished checkpoint for additions; it appears at `out` when the block ends well."""
    if out.exists():
        out.rmdir()  # empty, as was checked
    with atomic_directory(out) as staging:
        whole = staging / "checkpoint"
        write_checkpoint(whole, made, architecture="BertForMaskedLM", further=("pooler.",), dtype=stored)
        for path in whole.iterdir():
            path.rename(staging / path.name)
        whole.rmdir()
        yield staging


def _log_checkpoint(out: Path) -> None:
    import mlflow

    mlflow.log_artifacts(str(out), "checkpoint")
