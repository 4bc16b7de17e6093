"""The output of a finished job: the model card, the metrics and the result."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anneal_trainer.job import Job

METRICS = ("step", "epoch", "loss", "accuracy", "lr", "grad_norm", "tokens")


def write_metrics(path: Path, events: Iterable[dict[str, Any]]) -> None:
    """Write one JSON line per step and evaluation, from its last journal entry if it was repeated.

    A restart repeats the steps after its checkpoint, with equal results.
    """
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for event in events:
        if event["type"] in ("progress", "eval"):
            figures = {key: event[key] for key in METRICS if key in event}
            rows[event["step"], event["type"]] = {"type": event["type"], **figures}
    order = sorted(rows, key=lambda key: (key[0], key[1] == "eval"))
    lines = [json.dumps(rows[key], ensure_ascii=False) + "\n" for key in order]
    path.write_text("".join(lines), encoding="utf-8", errors="backslashreplace")


def write_card(
    path: Path, job: Job, inputs: dict[str, Any], figures: dict[str, Any], ends: Sequence[str]
) -> None:
    """Write the model card beside the model's files.

    It says how to load them, what answers end with, results, hashes of the inputs, parameters.
    """
    parameters = job.hyperparameters
    settings_path = path.with_name("adapter_config.json")
    is_adapter = settings_path.exists()
    on_experts = is_adapter and json.loads(settings_path.read_bytes()).get("target_parameters")
    name = f"{job.model_name}-{parameters.suffix}" if parameters.suffix else job.model_name
    task = "text-generation" if job.kind == "causal-lm" else job.kind
    settings = {key: value for key, value in asdict(parameters).items() if value is not None}
    lines = [
        "---",
        f"library_name: {'peft' if is_adapter else 'transformers'}",
        f"pipeline_tag: {task}",
        "---",
        f"# {name}",
        "",
        f"{job.model_name}, fine-tuned for {task}"
        + (" with a LoRA adapter." if parameters.lora else "."),
        "",
        *_how_to_load(job.kind, is_adapter=is_adapter),
        *([ON_EXPERTS, ""] if on_experts else []),
        *_how_answers_end(ends, is_adapter=is_adapter),
        *_table("Result", figures.items()),
        *_table("What went in", ((key, inputs[key]) for key in inputs if key.endswith("_sha256"))),
        *_table("Hyper-parameters", settings.items()),
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


AUTO_CLASSES = {
    "causal-lm": "AutoModelForCausalLM",
    "text-classification": "AutoModelForSequenceClassification",
    "image-classification": "AutoModelForImageClassification",
}


ON_EXPERTS = (
    "The adapter is on the matrices of experts, too, which transformers before version 5 would "
    "leave as they are without saying so."
)


def _how_to_load(kind: str, *, is_adapter: bool) -> list[str]:
    """Give the expression that loads the model; the classes of a classifier are in its config."""
    load = f"{AUTO_CLASSES[kind]}.from_pretrained"
    if not is_adapter:
        return [f"Load it with transformers: `{load}(<this folder>)`.", ""]
    config = "" if kind == "causal-lm" else ", config=AutoConfig.from_pretrained(<this folder>)"
    base = f"{load}(<folder of the base model>{config})"
    return [f"Load it with peft: `PeftModel.from_pretrained({base}, <this folder>)`.", ""]


def _how_answers_end(ends: Sequence[str], *, is_adapter: bool) -> list[str]:
    """Say where generation has to stop; programs that load an adapter use its base's settings."""
    if not ends:
        return []
    named = " or ".join(f"`{text}`" for text in ends)
    load = (
        " Programs that load an adapter use the settings of the base model: give them these, in "
        "transformers as `generation_config=GenerationConfig.from_pretrained(<this folder>)`."
    )
    where = "which `eos_token_id` in generation_config.json names."
    return [f"Answers end with {named}, {where}" + (load if is_adapter else ""), ""]


def _table(title: str, rows: Iterable[tuple[str, Any]]) -> list[str]:
    cells = [f"| {key} | {value} |" for key, value in rows if value is not None]
    return [f"## {title}", "", "| | |", "|---|---|", *cells, ""]


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write result.json atomically: readers see the old one or the new one.

    Half a surrogate pair, which is not UTF-8, is written as its JSON escape.
    """
    temporary = path.with_name(path.name + ".tmp")
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
    temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    temporary.replace(path)


def merge_samples(
    before: Iterable[dict[str, Any]], after: Iterable[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Combine the answers of the base model and of the tuned model."""
    merged = []
    for old, new in zip(before, after, strict=True):
        row = {key: value for key, value in new.items() if key != "answer"}
        merged.append({**row, "base": old["answer"], "tuned": new["answer"]})
    return merged
