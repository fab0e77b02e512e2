"""One side of the training benchmark: `models.training.fitting.Trainer`, timed by batches. Prints one line of JSON."""

import contextlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.training_workload import LONGEST, SIZES, Texts, make_texts
from sazon.memory import keep_freed_memory
from sazon.quiet import quiet_libraries


class Enough(Exception):
    """All batches are timed."""


@dataclass
class Watch:
    """Notes when each batch was done."""

    last: int
    done_at_s: list[float] = field(default_factory=list)

    def batch_done(self, count: int) -> None:
        """Ends the training after the last batch."""
        if count:
            self.done_at_s.append(time.perf_counter())
        if len(self.done_at_s) == self.last:
            raise Enough


def measure(name: str, batch: int, precision: str, seed: int) -> float:
    """Texts a second of the timed batches."""
    from models.inputs.example_store import ExampleStore, TokenisedRows
    from models.training.fitting import Observer, Trainer
    from sazon.settings import EncoderSettings, TrainSettings

    def rows(texts: Texts) -> TokenisedRows:
        count = len(texts.tokens)
        return TokenisedRows(texts.tokens, texts.labels, np.zeros((count, 10), bool), np.zeros(count, bool))

    size = SIZES[name]
    batches = size.warm_up + size.timed
    texts = make_texts(batches * batch, size.vocabulary, seed)
    encoder = EncoderSettings(
        layers=size.layers,
        hidden=size.hidden,
        heads=size.heads,
        intermediate=size.intermediate,
        vocabulary=size.vocabulary,
        max_tokens=LONGEST,
    )
    settings = TrainSettings.model_validate(
        {
            "epochs": 1,
            "batch_size": batch,
            "learning_rate": 5e-5,
            "token_dropout": 0.0,
            "label_smoothing": 0.0,
            "class_weights": False,
            "precision": precision,
        }
    )
    watch = Watch(batches)
    with tempfile.TemporaryDirectory() as folder:
        stores = (ExampleStore.write(Path(folder) / part, [rows(texts)]) for part in ("train", "eval"))
        trainer = Trainer(*stores, size.vocabulary, 4, encoder, settings, observer=Observer(on_batch=watch.batch_done))
        with contextlib.suppress(Enough):
            trainer.fit()
    return size.timed * batch / (watch.done_at_s[-1] - watch.done_at_s[size.warm_up - 1])


if __name__ == "__main__":
    quiet_libraries()
    keep_freed_memory()
    chosen = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps({"texts_per_s": measure(**chosen)}) + "\n")
