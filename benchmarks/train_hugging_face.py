"""The other side of the training benchmark: the Trainer of transformers on PyTorch. Prints one line of JSON.

Runs in an interpreter of its own that has torch, transformers and accelerate, and nothing of Sazón.
"""

import json
import sys
import tempfile
import time
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from benchmarks.training_workload import CLASSES, SIZES, Size, make_texts


class Watch(TrainerCallback):
    """Notes when each batch was done."""

    def __init__(self) -> None:
        self.done_at_s: list[float] = []

    def on_step_end(self, *args: Any, **others: Any) -> None:
        """Waits for the device, so that the time is the batch's own."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.done_at_s.append(time.perf_counter())


def make_model(size: Size) -> BertForSequenceClassification:
    """The same layers as Sazón's; dropout of 0.1, none inside attention."""
    config = BertConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.intermediate,
        attention_probs_dropout_prob=0.0,
        num_labels=CLASSES,
    )
    config._attn_implementation = "sdpa"
    return BertForSequenceClassification(config)


def measure(name: str, batch: int, precision: str, seed: int, sampling: str) -> float:
    """Texts a second of the timed batches."""
    size = SIZES[name]
    batches = size.warm_up + size.timed
    texts = make_texts(batches * batch, size.vocabulary, seed)
    rows = [
        {"input_ids": tokens.tolist(), "attention_mask": [1] * len(tokens), "labels": int(label)}
        for tokens, label in zip(texts.tokens, texts.labels, strict=True)
    ]
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=1,
            per_device_train_batch_size=batch,
            train_sampling_strategy=sampling,
            bf16=precision == "bfloat16",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        collator = DataCollatorWithPadding(
            PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"[PAD]": 0}, "[PAD]")), pad_token="[PAD]")
        )
        Trainer(make_model(size), arguments, collator, rows, callbacks=[watch]).train()
    return size.timed * batch / (watch.done_at_s[-1] - watch.done_at_s[size.warm_up - 1])


if __name__ == "__main__":
    chosen = json.loads(sys.argv[1])
    sys.stdout.write("\n" + json.dumps({"texts_per_s": measure(**chosen)}) + "\n")
