"""Every architecture, fully trained and with an adapter, packed and padded: exact, or refused.

`npm run test:matrix -- [--json] [--only NAME]`. Each tiny model of tests/architectures.py is
trained as a job. The first loss must be the loss of transformers' own model with its plain (eager)
attention, and what was delivered, loaded by transformers and peft alone, must have the loss that
the job measured at its end. Then every row of a batch must have its loss in that model, each beside
the others, packed and padded. Exits with code 0 only if nothing is wrong.
"""

import argparse
import json
import sys
import tempfile
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from architectures import ARCHITECTURES, AUTO_CLASSES, CLASSES, make_model
from conftest import write_job
from pictures import class_folders, write_archive
from torch.nn import functional

from anneal_trainer import tiny_models
from anneal_trainer.data.batch import make_batch, make_packed_batch
from anneal_trainer.data.loading import load_data
from anneal_trainer.job import load_job
from anneal_trainer.loss.score import predict, score
from anneal_trainer.model.loading import load_model, save_model
from anneal_trainer.model.packing import try_packing
from anneal_trainer.model.positions import rope_changes_after

CPU = torch.device("cpu")
TOLERANCE = 1e-5
"""Maximum difference of two losses, in nats per token, relative if they are above 1."""
METHODS = ("full", "lora")
LAYOUTS = ("packed", "padded")
SENTENCE = "the good movie was not as great as they say and we had more fun at home than there"


@dataclass(frozen=True)
class Cell:
    """The result for one architecture, method and layout."""

    architecture: str
    method: str
    layout: str
    outcome: str
    """exact, refused or wrong."""
    note: str = ""
    """Why it was refused, padded instead of packed, or is wrong."""


def sentence(length, first):
    words = SENTENCE.split()
    return " ".join(words[(first + place) % len(words)] for place in range(length))


TEXTS = [
    {"prompt": sentence(length, number), "completion": " " + sentence(length, number + 5)}
    for number, length in enumerate((5, 60, 2, 17))
]
REVIEWS = [
    {"text": sentence(length, number), "label": CLASSES["text-classification"][number % 2]}
    for number, length in enumerate((5, 120, 2, 30))
]


def examine(name, models, place):
    """Return the four results of one architecture; `models` are its folder's parent and more."""
    architecture = ARCHITECTURES[name]
    cells = []
    for method in METHODS:
        folder = place / f"{name}-{method}"
        try:
            results = examine_method(name, architecture.kind, models, folder, method)
        except Exception as error:
            results = dict.fromkeys(LAYOUTS, ("wrong", f"{type(error).__name__}: {error}"))
        cells += [Cell(name, method, layout, *results[layout]) for layout in LAYOUTS]
    return cells


def examine_method(name, kind, models, folder, method):
    """Train a job and compare it and its model; return outcome and note of each layout."""
    rows = {"causal-lm": TEXTS, "text-classification": REVIEWS}.get(kind)
    if rows is None:
        rows = write_archive(folder.with_suffix(".zip"), class_folders())
    hyperparameters = {"lora": method == "lora", "packing": False, "n_epochs": 1,
                       "batch_size": 16, "learning_rate": 1e-3, "lora_r": 4,
                       "lora_trainable_modules": ARCHITECTURES[name].adapted}  # fmt: skip
    job = write_job(folder, models, kind=kind, model=name, rows=rows, hp=hyperparameters)
    code = job.run()
    if code == 2:
        return dict.fromkeys(LAYOUTS, ("refused", job.result["message"]))
    if code != 0:
        return dict.fromkeys(LAYOUTS, ("wrong", f"exit {code}: {job.result['message']}"))
    loaded = load_job(folder)
    data = load_data(loaded)
    examples = data.train.examples
    base = plain_model(kind, models / name, None)
    wrong = differ("first loss", [job.events("progress")[0]["loss"]], [batch_loss(base, examples)])
    tuned = plain_model(kind, models / name, job.work / "out")
    wrong += differ("delivered loss", [job.result["loss_after"]], [batch_loss(tuned, examples)])

    model = load_model(models / name, kind, data.labels, loaded.hyperparameters)
    roughen_adapters(model)
    saved = folder / "saved"
    save_model(model, models / name, saved)
    model.eval()
    expected = row_losses(plain_model(kind, models / name, saved), examples)
    padded = wrong + differ("padded rows", padded_losses(model, examples, data.pad_id), expected)
    reason = "only language models are packed"
    if kind == "causal-lm":
        reason = try_packing(model, [example.ids for example in examples])
        model.eval()
    packed = padded
    if reason is None:
        packed = wrong + differ("packed rows", packed_losses(model, examples), expected)
    results = {}
    for layout, found in (("packed", packed), ("padded", padded)):
        note = f"padded: {reason}" if layout == "packed" and reason else ""
        results[layout] = ("wrong", "; ".join(found)) if found else ("exact", note)
    return results


def differ(what, found, expected):
    """Return a sentence if two lists of losses are not the same."""
    differences = [
        abs(one - other) / max(1, abs(other)) for one, other in zip(found, expected, strict=True)
    ]
    return [] if max(differences) <= TOLERANCE else [f"{what} differ by {max(differences):.1e}"]


def roughen_adapters(model):
    """Make adapters count: theirs start as zeros."""
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)


def plain_model(kind, base, delivered):
    """Load a model as its user does, with plain attention; `delivered` may be an adapter."""
    import transformers
    from peft import PeftModel

    auto = getattr(transformers, AUTO_CLASSES[kind])
    options = {"attn_implementation": "eager", "dtype": torch.float32}
    if delivered is None or not (delivered / "adapter_config.json").exists():
        return auto.from_pretrained(delivered or base, **options).eval()
    if kind != "causal-lm":
        options["config"] = transformers.AutoConfig.from_pretrained(delivered)
    return PeftModel.from_pretrained(auto.from_pretrained(base, **options), delivered).eval()


def labels_of(example):
    counts = [False, *example.counts[1:]]
    return [id_ if count else -100 for id_, count in zip(example.ids, counts, strict=True)]


@torch.no_grad()
def row_losses(model, examples):
    """Mean losses of the rows, each alone in a batch, by the model itself."""
    return [plain_loss(model, [example]) for example in examples]


def plain_loss(model, examples):
    """Mean loss of a batch of rows by the model itself."""
    if examples[0].picture is not None:
        batch = make_batch(examples, 0, CPU)
        return model(pixel_values=batch.pixels, labels=batch.targets).loss.item()
    width = max(len(example.ids) for example in examples)
    ids, mask, labels = (torch.full((len(examples), width), fill) for fill in (0, 0, -100))
    for row, example in enumerate(examples):
        length = len(example.ids)
        ids[row, :length], mask[row, :length] = torch.tensor(example.ids), 1
        if example.counts:
            labels[row, :length] = torch.tensor(labels_of(example))
    if not examples[0].counts:
        labels = torch.tensor([example.label for example in examples])
    return model(input_ids=ids, attention_mask=mask, labels=labels).loss.item()


@torch.no_grad()
def batch_loss(model, examples):
    """Mean loss over all targets of the rows."""
    if is_balanced(model):
        return plain_loss(model, examples)
    counts = [sum(example.counts[1:]) if example.counts else 1 for example in examples]
    losses = row_losses(model, examples)
    return sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)


def is_balanced(model):
    """Whether the loss has a part that depends on all rows of a batch."""
    return getattr(model.config, "output_router_logits", False)


@torch.no_grad()
def padded_losses(model, examples, pad_id):
    """Mean losses of rows in one batch, as the trainer scores it."""
    if not examples[0].counts:
        batch = make_batch(examples, pad_id, CPU)
        logits = predict(model, batch).float()
        return functional.cross_entropy(logits, batch.targets, reduction="none").tolist()
    if is_balanced(model) or rope_changes_after(model.config):
        batches = [make_batch([example], pad_id, CPU) for example in examples]
    else:
        batches = [make_batch(one, pad_id, CPU) for one in one_counting(examples)]
    return [score(model, batch, torch.float32).loss.item() / batch.count for batch in batches]


@torch.no_grad()
def packed_losses(model, examples):
    """Mean losses of rows in one sequence, as the trainer scores it."""
    alone = [[example] for example in examples]
    parts = alone if rope_changes_after(model.config) else one_counting(examples)
    batches = [make_packed_batch(one, CPU) for one in parts]
    return [score(model, batch, torch.float32).loss.item() / batch.count for batch in batches]


def one_counting(examples):
    """Yield the rows once for each of them, with only that one counting in the loss."""
    for counting in range(len(examples)):
        yield [
            example if row == counting else replace(example, counts=[False] * len(example.ids))
            for row, example in enumerate(examples)
        ]


def write_models(names, place):
    """Write the models of architectures, each in the folder of its name."""
    tokenizers = place / "tokenizers"
    tokenizers.mkdir()
    for name, make in tiny_models.MAKERS.items():
        (tokenizers / name).mkdir()
        make(tokenizers / name)
    models = place / "models"
    texts = {"causal-lm": "tiny-qwen2", "text-classification": "tiny-distilbert"}
    for name in names:
        architecture = ARCHITECTURES[name]
        tokenizer = texts.get(architecture.kind)
        make_model(architecture, models / name, tokenizer and tokenizers / tokenizer)
    return models


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="test:matrix", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--only", action="append", help="an architecture; may be repeated")
    options = parser.parse_args(arguments)
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    names = options.only or list(ARCHITECTURES)
    cells = []
    with tempfile.TemporaryDirectory() as folder:
        models = write_models(names, Path(folder))
        for name in names:
            found = examine(name, models, Path(folder))
            for cell in found:
                print(
                    f"{cell.outcome:8} {name}, {cell.method}, {cell.layout}  {cell.note}",
                    file=sys.stderr,
                )
            cells += found
    counts = {
        outcome: sum(cell.outcome == outcome for cell in cells)
        for outcome in ("exact", "refused", "wrong")
    }
    report = {"architectures": len(names), **counts}
    if options.json:
        print(json.dumps({**report, "cells": [asdict(cell) for cell in cells]}, indent=2))
    else:
        print(", ".join(f"{count} {what}" for what, count in report.items()))
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
