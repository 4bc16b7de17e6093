"""Every architecture, fully trained and with an adapter, packed and padded: exact, or refused.

`npm run test:matrix -- [--json] [--only NAME]`. Each tiny model of tests/architectures.py is
trained as a job. The first loss must be the loss of transformers' own model with its plain (eager)
attention, and what was delivered, loaded by transformers and peft alone, must have the loss that
the job measured at its end. Then every row of a batch must have its loss in that model, each beside
the others, packed and padded. Exits with code 0 only if nothing is wrong.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from zipfile import ZipFile

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
from anneal_trainer.model.loading import load_model, save_model, trainable_parameters
from anneal_trainer.model.packing import try_packing
from anneal_trainer.model.positions import rope_changes_after

CPU = torch.device("cpu")
EARLIER = Path(__file__).parents[3] / "scripts/rivals/earlier"
"""Wheels of transformers 4 and what it needs."""
NOTE = "delivery.json"
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
    note_delivery(folder, kind, models / name, saved, examples, expected)
    padded = wrong + differ("padded rows", padded_losses(model, examples, data.pad_id), expected)
    reason = "only language models are packed"
    if kind == "causal-lm":
        reason = try_packing(model, [example.ids for example in examples])
        model.eval()
    packed = padded
    if reason is None:
        packed = wrong + differ("packed rows", packed_losses(model, examples), expected)
    wrong = idle_weights(model, examples, data.pad_id)
    padded, packed = padded + wrong, packed + wrong
    results = {}
    for layout, found in (("packed", packed), ("padded", padded)):
        note = f"padded: {reason}" if layout == "packed" and reason else ""
        results[layout] = ("wrong", "; ".join(found)) if found else ("exact", note)
    return results


def note_delivery(folder, kind, base, delivered, examples, expected):
    """Leave what an earlier transformers needs to read the same output."""
    if examples[0].picture is not None or is_on_experts(delivered):
        return
    rows = [
        {
            "ids": list(example.ids),
            "labels": labels_of(example) if example.counts else example.label,
        }
        for example in examples
    ]
    paths = {"base": str(base), "delivered": str(delivered)}
    note = {"kind": kind, **paths, "rows": rows, "expected": expected}
    (folder / NOTE).write_text(json.dumps(note))


def is_on_experts(delivered):
    """Whether an adapter is on matrices of experts, which transformers 4 has as separate layers."""
    settings = delivered / "adapter_config.json"
    return settings.exists() and json.loads(settings.read_text())["target_parameters"] is not None


def read_earlier(place):
    """Read all outputs with transformers 4: its version, and what is not the same there.

    Returns None if it is not here.
    """
    wheels = sorted(EARLIER.glob("*.whl"))
    if not wheels:
        return None
    for wheel in wheels:
        with ZipFile(wheel) as archive:
            archive.extractall(place / "earlier")
    notes = {path.parent.name: json.loads(path.read_text()) for path in place.glob(f"*/{NOTE}")}
    expected = {name: note.pop("expected") for name, note in notes.items()}
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("earlier.py"))],
        input=json.dumps(list(notes.values())), capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(place / "earlier")},
    )  # fmt: skip
    answer = json.loads(run.stdout)
    report = {"version": answer["version"], "same": [], "unreadable": {}, "wrong": {}}
    for name, losses in zip(notes, answer["losses"], strict=True):
        if isinstance(losses, dict):
            report["unreadable"][name] = losses["error"]
        elif wrong := differ("rows", losses, expected[name]):
            report["wrong"][name] = wrong[0]
        else:
            report["same"].append(name)
    return report


def differ(what, found, expected):
    """Return a sentence if two lists of losses are not the same."""
    differences = [
        abs(one - other) / max(1, abs(other)) for one, other in zip(found, expected, strict=True)
    ]
    return [] if max(differences) <= TOLERANCE else [f"{what} differ by {max(differences):.1e}"]


def idle_weights(model, examples, pad_id):
    """Return a sentence if training would not change some of an adapter's weights."""
    model.train()
    score(model, make_batch(examples, pad_id, CPU), torch.float32).loss.backward()
    model.eval()
    idle = [
        name
        for name, weight in trainable_parameters(model).items()
        if "lora_" in name and (weight.grad is None or not weight.grad.any())
    ]
    return [f"{len(idle)} weights are never trained, such as {idle[0]}"] if idle else []


def roughen_adapters(model):
    """Make adapters count: theirs start as zeros. Many convolutions would only add up rounding."""
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3 if weight.ndim == 2 else 0.05)


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


def report_on(names):
    """Examine architectures; return the report, and print each result to stderr."""
    cells = []
    with tempfile.TemporaryDirectory() as folder:
        models = write_models(names, Path(folder))
        for name in names:
            found = examine(name, models, Path(folder))
            for cell in found:
                what = f"{name}, {cell.method}, {cell.layout}"
                print(f"{cell.outcome:8} {what}  {cell.note}", file=sys.stderr)
            cells += found
        earlier = read_earlier(Path(folder))
    outcomes = [cell.outcome for cell in cells]
    counts = {outcome: outcomes.count(outcome) for outcome in ("exact", "refused", "wrong")}
    if earlier is None:
        print("SKIPPED: outputs in transformers 4; `npm run setup -- --trainers` fetches it.",
              file=sys.stderr)  # fmt: skip
    else:
        counts["wrong"] += len(earlier["wrong"])
        for outcome in ("unreadable", "wrong"):
            for name, note in earlier[outcome].items():
                print(f"{outcome:8} {name}, transformers 4  {note}", file=sys.stderr)
    cells = [asdict(cell) for cell in cells]
    return {"architectures": len(names), **counts, "cells": cells, "earlier": earlier}


PAGE = Path(__file__).parents[3] / "docs/architectures.md"
INTRODUCTION = """# Architectures

`npm run test:matrix` trains a tiny random model of each of these architectures, with all weights
and with an adapter (`lora`). The first loss equals that of transformers' own model with its plain
attention to 1e-5, row by row, with rows longer than every window; so does the loss of what is
delivered, when transformers and peft load it alone. This page is written by
`npm run test:matrix -- --docs`.

Rows are packed wherever the result is the same; otherwise they are padded, which costs time, and a
warning says why. Other architectures that transformers has are trained, too, in the same way. A
model is left out of the catalogue, or its job refused with exit code 2 and the reason, if it needs
custom code, if its weights are quantized, incomplete or not safetensors, or if `all-linear` finds
no linear layer; layers by name are then adapted.

"""


def render_page(cells):
    """Return the page with one line per architecture."""
    lines = ["| architecture | all weights | adapter | rows |", "|---|---|---|---|"]
    for name in ARCHITECTURES:
        own = [cell for cell in cells if cell["architecture"] == name]
        lines.append(render_line(name, own))
    return INTRODUCTION + "\n".join(lines) + "\n"


def render_line(name, cells):
    """Return the line of an architecture, of which these are the results."""
    packed = {cell["method"]: cell for cell in cells if cell["layout"] == "packed"}
    rows = {
        "causal-lm": packed["full"]["note"] or "packed",
        "text-classification": "padded",
        "image-classification": "images",
    }[ARCHITECTURES[name].kind]
    return f"| {name} | {packed['full']['outcome']} | {packed['lora']['outcome']} | {rows} |"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="test:matrix", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--only", action="append", help="an architecture; may be repeated")
    parser.add_argument("--docs", action="store_true", help=f"write docs/{PAGE.name}")
    options = parser.parse_args(arguments)
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    report = report_on(options.only or list(ARCHITECTURES))
    if options.docs:
        PAGE.write_text(render_page(report["cells"]))
    elif options.only is None and PAGE.read_text() != render_page(report["cells"]):
        print(f"docs/{PAGE.name} is out of date: write it with --docs.", file=sys.stderr)
        report["wrong"] += 1
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        counts = ("architectures", "exact", "refused", "wrong")
        print(", ".join(f"{report[what]} {what}" for what in counts))
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
