"""The card of a pretrained encoder: what it is made of, and the command that makes it again."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from models.pretraining.pretrainer import PretrainEpoch
from models.pretraining.token_store import CorpusSize
from sazon import __version__
from sazon.settings import PREFIX, PretrainSettings, Settings

CARD_FILE = "README.md"
_FLAGS = ("epochs", "steps", "batch_size", "learning_rate", "seed", "from_scratch")


def write_card(
    folder: Path,
    files: Sequence[Path],
    digest: str,
    corpus: CorpusSize,
    settings: Settings,
    epochs: Sequence[PretrainEpoch],
) -> None:
    """Writes README.md into the checkpoint's folder."""
    last = epochs[-1]
    names = ", ".join(f"`{path.name}`" for path in files)
    held = f"{corpus.held_out:,} held-out texts"
    (folder / CARD_FILE).write_text(
        f"""# BERT encoder pretrained by Sazón {__version__}

A masked language model (whole words) in transformers format. `sazon train --preset DIR` fine-tunes it.

| | |
|---|---|
| preset | `{settings.preset}` |
| corpus | {names}; digest `{digest}` |
| size | {corpus.texts:,} texts, {corpus.tokens:,} tokens; {corpus.duplicates:,} duplicates dropped |
| trained | {last.steps:,} steps, {last.number} epochs |
| loss on {held} | {last.eval_loss:.3f} nats a hidden token |
| hidden tokens guessed right there | {last.eval_accuracy:.1%} |

Made by

```
{command(files, settings)}
```

with these settings:

```json
{settings.pretrain.model_dump_json(indent=2)}
```
""",
        encoding="utf-8",
    )


def command(files: Sequence[Path], settings: Settings) -> str:
    """The command line that makes the same checkpoint, run where the files are."""
    own, usual = settings.pretrain, PretrainSettings()
    changed = {
        name: getattr(own, name)
        for name in PretrainSettings.model_fields
        if name != "checkpoint_s" and getattr(own, name) != getattr(usual, name)
    }
    words = [f"{PREFIX}PRETRAIN__{name.upper()}={value}" for name, value in changed.items() if name not in _FLAGS]
    if settings.encoder:
        words.append(f"{PREFIX}ENCODER={shlex.quote(settings.encoder.model_dump_json())}")
    words += ["sazon", "pretrain", "--corpus", *(shlex.quote(str(path)) for path in files)]
    words += ["--preset", shlex.quote(settings.preset)]
    for name in filter(changed.__contains__, _FLAGS):
        flag = f"--{name.replace('_', '-')}"
        words += [flag] if changed[name] is True else [flag, str(changed[name])]
    return " ".join(words)
