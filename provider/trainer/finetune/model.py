"""The model: loaded from a directory, never from a network, and made ready to be trained."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from finetune.errors import ConfigError
from finetune.job import Hyperparameters, Kind
from finetune.model_files import MODEL_HINT, TOKENIZER_FILES, read_model_config


def load_model(
    directory: Path, kind: Kind, labels: Sequence[str], parameters: Hyperparameters
) -> nn.Module:
    """Load weights as 32-bit floats and, if asked for, put a LoRA adapter around them.

    Weights that the directory lacks, such as a new classification head, and the adapter are drawn
    from torch's global generator: seed it first. `labels` are the classes, empty for causal-lm.
    """
    from transformers import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = _load_base(directory, kind, labels)
    return _with_adapter(model, kind, parameters) if parameters.lora else model


def _load_base(directory: Path, kind: Kind, labels: Sequence[str]) -> nn.Module:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    options: dict[str, Any] = {
        "local_files_only": True,
        "trust_remote_code": False,
        "use_safetensors": True,
        "dtype": torch.float32,
    }
    auto = AutoModelForCausalLM
    if kind == "text-classification":
        auto = AutoModelForSequenceClassification
        options["num_labels"] = len(labels)
        options["id2label"] = dict(enumerate(labels))
        options["label2id"] = {label: id_ for id_, label in enumerate(labels)}
        options["ignore_mismatched_sizes"] = True
    try:
        model: nn.Module = auto.from_pretrained(directory, **options)
    except (ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"The model cannot be loaded for {kind}: {reason}", MODEL_HINT) from error
    return model


def _with_adapter(model: nn.Module, kind: Kind, parameters: Hyperparameters) -> nn.Module:
    """Freeze the model but for a LoRA adapter (Hu et al. 2021, arXiv:2106.09685) and its head.

    A classification head is new, so it is trained and saved as a whole with the adapter.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    base: nn.Module = model.base_model  # type: ignore[assignment]
    available = sorted(
        {
            name.rsplit(".", 1)[-1]
            for name, module in base.named_modules()
            if isinstance(module, nn.Linear)
        }
    )
    heads = [
        name
        for name, module in model.named_children()
        if module is not base and any(True for _ in module.parameters())
    ]
    classify = kind == "text-classification"
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS if classify else TaskType.CAUSAL_LM,
        r=parameters.lora_r,
        lora_alpha=parameters.lora_alpha,
        lora_dropout=parameters.lora_dropout,
        target_modules=_target_modules(parameters.lora_trainable_modules, available),
        modules_to_save=heads if classify else None,
    )
    adapted: nn.Module = get_peft_model(model, config)
    return adapted


def _target_modules(wanted: str, available: Sequence[str]) -> list[str]:
    if wanted == "all-linear":
        return list(available)
    names = [name.strip() for name in wanted.split(",")]
    for name in names:
        if name not in available:
            raise ConfigError(
                f"lora_trainable_modules names {name!r}, which this model does not have.",
                f"Use all-linear or some of {', '.join(available)}.",
            )
    return sorted(set(names))


def trainable_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that training changes, by name, each once."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def save_model(model: nn.Module, model_directory: Path, directory: Path) -> None:
    """Write model or adapter and the tokenizer in the Hugging Face layout.

    Weights are written in the number format of the base model's files. The tokenizer's files are
    copied as they are, because training does not change them.
    """
    config = read_model_config(model_directory)
    stored = getattr(torch, config.get("dtype") or config.get("torch_dtype") or "float32")
    exported = model if stored is torch.float32 else copy.deepcopy(model).to(stored)
    exported.save_pretrained(directory)  # type: ignore[operator]
    adapter = directory / "adapter_config.json"
    if adapter.exists():
        _finish_adapter(exported, adapter)
    for name in TOKENIZER_FILES:
        source = model_directory / name
        if source.is_file():
            (directory / name).write_bytes(source.read_bytes())


def _finish_adapter(model: nn.Module, adapter: Path) -> None:
    """Make an adapter's files independent of this machine, and complete.

    peft writes sets in the order of a random hash and the local path of the base model. The base
    model's config goes with it, because it holds the names of the classes.
    """
    settings = json.loads(adapter.read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = None
    for key in ("target_modules", "modules_to_save"):
        if isinstance(settings.get(key), list):
            settings[key] = sorted(settings[key])
    adapter.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    adapter.with_name("README.md").unlink(missing_ok=True)
    model.get_base_model().config.save_pretrained(adapter.parent)  # type: ignore[operator]
