"""Makes tests/fixtures/bert: a tiny BERT with random weights, and what transformers on PyTorch computes with it.

Needs PyTorch, which the project itself does not, so it runs in an environment of its own:

    python3 -m venv /tmp/torchenv
    /tmp/torchenv/bin/pip install torch==2.13.0 transformers==5.23.0
    /tmp/torchenv/bin/python tools/make_parity_fixture.py
"""

import json
import shutil
import string
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForPreTraining, BertTokenizer

FOLDER = Path(__file__).parents[1] / "tests" / "fixtures" / "bert"
TEXTS = ["El ají está buenazo, ¡qué rico!", "No pica nada...", "", "año"]
TOKENS = 24
# In BETO's order, which is not the usual one.
SPECIAL_TOKENS = ("[MASK]", "[PAD]", "[EOS]", "[UNK]", "[CLS]", "[SEP]")


def vocabulary() -> list[str]:
    """200 tokens: single characters, their continuations, a few words."""
    letters = f"{string.ascii_lowercase}áéíóúñ"
    tokens = [*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters), *string.ascii_uppercase]
    tokens += [*string.digits, *"¡!¿?.,;:()-", "El", "No", "está", "rico", "que", "año", "##azo", "##ica"]
    return tokens + [f"[unused{index}]" for index in range(200 - len(tokens))]


def model() -> BertForPreTraining:
    """Random weights, large enough that every part of the encoder shows in the result."""
    torch.manual_seed(13)
    config = BertConfig(
        vocab_size=200,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=32,
        pad_token_id=1,
        attn_implementation="eager",
    )
    bert = BertForPreTraining(config).eval()
    with torch.no_grad():
        for parameter in bert.parameters():
            noise = torch.randn_like(parameter) * 0.2
            # Whole in half precision, so that every file below holds the same numbers.
            parameter.copy_((parameter.round() + noise).half().float())
    return bert


def encoded() -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask of `TEXTS`, (4, 24) int64, padded."""
    tokeniser = BertTokenizer.from_pretrained(FOLDER)
    rows = tokeniser(TEXTS, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt")
    return rows["input_ids"], rows["attention_mask"]


@torch.no_grad()
def reference(bert: BertForPreTraining) -> dict[str, np.ndarray]:
    """What transformers computes, for each activation."""
    ids, mask = encoded()
    results = {"input_ids": ids.numpy().astype(np.int32), "attention_mask": mask.numpy().astype(np.int32)}
    for activation in ("gelu", "gelu_new"):
        bert.config.hidden_act = activation
        twin = BertForPreTraining(bert.config).eval()
        twin.load_state_dict(bert.state_dict())
        output = twin.bert(input_ids=ids, attention_mask=mask)
        results[f"{activation}_hidden"] = output.last_hidden_state.numpy()
        results[f"{activation}_pooled"] = output.pooler_output.numpy()
        results[f"{activation}_mlm_logits"] = twin.cls.predictions(output.last_hidden_state)[0, :8].numpy()
    bert.config.hidden_act = "gelu"
    return results


def write_pickles(bert: BertForPreTraining) -> None:
    """The same weights as hub checkpoints of 2020 hold them: zip, and the older stream with its older names."""
    halves = {name: tensor.half() for name, tensor in bert.state_dict().items()}
    halves["bert.embeddings.position_ids"] = torch.arange(32)[None]
    halves["cls.predictions.decoder.weight"] = halves["bert.embeddings.word_embeddings.weight"]
    torch.save(halves, FOLDER / "zip_pytorch_model.bin")
    old = {name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): halves[name] for name in halves}
    torch.save(old, FOLDER / "legacy_pytorch_model.bin", _use_new_zipfile_serialization=False)


def main() -> None:
    """Writes the fixture anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    (FOLDER / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary()), encoding="utf-8")
    (FOLDER / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}) + "\n", encoding="utf-8")
    bert = model()
    bert.save_pretrained(FOLDER)
    (FOLDER / "generation_config.json").unlink(missing_ok=True)
    write_pickles(bert)
    np.savez_compressed(FOLDER / "reference.npz", **reference(bert))


if __name__ == "__main__":
    main()
