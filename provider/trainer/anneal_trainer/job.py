"""The job: job.json, read, checked against its schema and frozen."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from anneal_trainer.errors import ConfigError

Kind = Literal["causal-lm", "text-classification", "image-classification"]

PreferenceMethod = Literal["dpo", "simpo", "orpo", "kto"]
Method = Literal["sft"] | PreferenceMethod

Start = Literal["checkpoint", "hub"]

STARTS: dict[str, Start] = {"from_checkpoint": "checkpoint", "from_hf_model": "hub"}
"""Hyper-parameters that replace the base model's weights by those in start/."""

WORK = "work"
"""The folder in a job directory that the trainer writes to."""

# The dataset formats of each kind.
ENDINGS: dict[Kind, tuple[str, ...]] = {
    "causal-lm": (".jsonl", ".parquet"),
    "text-classification": (".jsonl", ".csv", ".tsv"),
    "image-classification": (".zip", ".tar", ".tar.gz"),
}

# The hyper-parameter, and its values, without which each of these has no effect.
ONLY_WITH: dict[str, tuple[str, tuple[Any, ...]]] = {
    "lora_r": ("lora", (True,)),
    "lora_alpha": ("lora", (True,)),
    "lora_dropout": ("lora", (True,)),
    "lora_trainable_modules": ("lora", (True,)),
    "use_rslora": ("lora", (True,)),
    "use_dora": ("lora", (True,)),
    "quantize": ("lora", (True,)),
    "scheduler_num_cycles": ("lr_scheduler_type", ("cosine",)),
    "dpo_beta": ("training_method", ("dpo", "simpo", "kto")),
    "dpo_label_smoothing": ("training_method", ("dpo",)),
    "dpo_normalize_logratios_by_length": ("training_method", ("dpo",)),
    "rpo_alpha": ("training_method", ("dpo",)),
    "simpo_gamma": ("training_method", ("simpo",)),
    "orpo_lambda": ("training_method", ("orpo",)),
    "kto_desirable_weight": ("training_method", ("kto",)),
    "kto_undesirable_weight": ("training_method", ("kto",)),
}

# Options of dpo: without training_method they say that it is meant.
DPO_OPTIONS = [key for key, (_, needed) in ONLY_WITH.items() if "dpo" in needed]

# The hyper-parameter that must be set for each of these to have an effect.
ONLY_BESIDE = {"hf_model_revision": "from_hf_model"}


@dataclass(frozen=True)
class Hyperparameters:
    """Every hyper-parameter with its value, or its default if the user set none."""

    n_epochs: int
    """Passes over the training dataset."""
    n_evals: int
    """Evaluations on the validation dataset during training, the last one at the last step."""
    n_checkpoints: int
    """Checkpoints kept for the user, at most one per epoch."""
    batch_size: int | Literal["max"]
    """Rows per forward pass; "max" is determined with the longest rows."""
    learning_rate: float
    """Peak learning rate."""
    lr_scheduler_type: Literal["linear", "cosine"]
    """Shape of the decay after warm-up."""
    min_lr_ratio: float
    """Final learning rate divided by the peak."""
    scheduler_num_cycles: float
    """Cosine periods after warm-up."""
    warmup_ratio: float
    """Share of the steps in which the learning rate rises."""
    max_grad_norm: float
    """Euclidean norm that gradients are clipped to; 0 disables clipping."""
    weight_decay: float
    """Decoupled weight decay on matrices."""
    train_on_inputs: bool | Literal["auto"]
    """Whether prompts and user turns count in the loss."""
    training_method: Method | None
    """What is learned from rows; None means what fits them."""
    dpo_beta: float | None
    """Strength of dpo, simpo and kto; None means the method's own default."""
    dpo_label_smoothing: float
    """Share of pairs that dpo assumes to be the wrong way round."""
    dpo_normalize_logratios_by_length: bool
    """Divide the log-ratios of dpo by the tokens of the answers."""
    rpo_alpha: float
    """Weight of the cross-entropy of the better answers in the loss of dpo."""
    simpo_gamma: float
    """Margin of simpo, in the units of its rewards."""
    orpo_lambda: float
    """Weight of the odds ratio in the loss of orpo."""
    kto_desirable_weight: float
    """Weight of desirable answers in the loss of kto."""
    kto_undesirable_weight: float
    """Weight of undesirable answers in the loss of kto."""
    lora: bool
    """Train a low-rank adapter instead of all weights."""
    lora_r: int
    """Rank of the adapter."""
    lora_alpha: int
    """Scale of the adapter times its rank; values below 1 are already replaced by lora_r."""
    lora_dropout: float
    """Dropout before the adapter."""
    lora_trainable_modules: str
    """all-linear, or names of linear layers separated by commas."""
    use_rslora: bool
    """Scale the adapter by alpha / sqrt(r) instead of alpha / r."""
    use_dora: bool
    """Train size and direction of each column apart."""
    quantize: Literal["nf4"] | None
    """Number format of the frozen matrices; None means that of the files."""
    optimizer: Literal["adamw", "adamw_8bit"]
    """Optimizer."""
    suffix: str | None
    """Added to the model's name in its card."""
    seed: int
    """Seed of new weights, dropout and row order."""
    packing: bool | None
    """Rows of a batch in one sequence instead of padded; None packs if the model allows it."""
    pack_documents: bool
    """Join texts and cut them into full sequences."""
    max_seq_length: int | None
    """Tokens kept of a row; None means the model's own maximum."""
    gradient_accumulation_steps: int
    """Batches whose gradients make one step."""
    early_stopping_patience: int | None
    """Consecutive evaluations without improvement that end the training; None means never."""
    deterministic: bool
    """Only deterministic algorithms, also on a GPU."""
    from_checkpoint: str | None
    """Checkpoint to start from, {task or model name}:{step}; its files are in start/."""
    from_hf_model: str | None
    """Hub repository to start from; its files are in start/."""
    hf_model_revision: str | None
    """Revision of that repository."""
    hf_output_repo_name: str | None
    """Hub repository that the daemon uploads the result to."""
    wandb_project_name: str | None
    """Weights & Biases project that the daemon reports to."""
    wandb_name: str | None
    """Name of the run there."""
    wandb_base_url: str | None
    """Weights & Biases server."""


@dataclass(frozen=True)
class Job:
    """One job directory: what to train on what, and how."""

    directory: Path
    """The job directory; every other path of the job is in it."""
    task_id: str
    """The task on chain, a UUID."""
    kind: Kind
    """The kind of model."""
    model_name: str
    """Name of the base model, for display."""
    train: str
    """Training dataset, relative to the job directory."""
    validation: str | None
    """Validation dataset, relative to the job directory."""
    start: Start | None
    """Source of the weights in start/; None means that training starts from model/."""
    threads: int
    """CPU threads of each device's process."""
    devices: int
    """Devices that the job is trained on, each with its own process on one machine."""
    sharded: bool
    """Whether the devices share one copy of the model, instead of having one each."""
    hyperparameters: Hyperparameters
    """Every hyper-parameter, defaults filled in."""
    warnings: tuple[str, ...]
    """What was adjusted or has no effect, one sentence each."""

    @property
    def work_directory(self) -> Path:
        """The only directory that the trainer writes to; the others may be read-only."""
        return self.directory / WORK

    @property
    def model_directory(self) -> Path:
        """The base model in the Hugging Face layout, read-only."""
        return self.directory / "model"

    @property
    def start_directory(self) -> Path | None:
        """Weights that replace the base model's, read-only, if the job has them."""
        return self.directory / "start" if self.start is not None else None

    @property
    def train_path(self) -> Path:
        """The training dataset."""
        return self.directory / self.train

    @property
    def validation_path(self) -> Path | None:
        """The validation dataset, if the job has one."""
        return self.directory / self.validation if self.validation is not None else None

    def tokens_path(self, dataset: Path) -> Path:
        """Return the file in which counting left the tokens of a dataset, if it did; read-only."""
        return self.directory / "tokens" / f"{dataset.stem}.arrow"


def load_job(directory: Path) -> Job:
    """Read and check job.json. Raises ConfigError with the invalid key and its allowed values."""
    path = directory / "job.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise ConfigError(
            f"{path} does not exist.", "Give a job directory that contains a job.json."
        ) from None
    except ValueError as error:
        raise ConfigError(
            f"job.json is not JSON: {error}.", "Write it as one JSON object."
        ) from None
    schema = load_schema()
    _validate(document, schema)
    given = document["hyperparameters"]
    hyperparameters, warnings = _resolve(given, schema["$defs"]["hyperparameters"]["properties"])
    job = Job(
        directory=directory,
        task_id=document["task_id"],
        kind=document["kind"],
        model_name=document.get("model_name", "base-model"),
        train=document["train"],
        validation=document["validation"],
        start=document.get("start"),
        threads=int(document.get("threads", 2)),
        devices=int(document.get("devices", 1)),
        sharded=document.get("sharded", False),
        hyperparameters=hyperparameters,
        warnings=(*document.get("notices", ()), *warnings),
    )
    _check_method(job)
    _check_start(job)
    _check_files(job)
    return job


def load_schema() -> dict[str, Any]:
    """Load the JSON schema of job.json, the same file that the client reads."""
    path = Path(__file__).with_name("job.schema.json")
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _validate(document: object, schema: Mapping[str, Any]) -> None:
    if isinstance(document, dict):
        _refuse_unknown_keys(document, schema["properties"], "job.json")
        given = document.get("hyperparameters")
        if isinstance(given, dict):
            known = schema["$defs"]["hyperparameters"]["properties"]
            _refuse_unknown_keys(given, known, "hyperparameters")
    error = best_match(Draft202012Validator(schema).iter_errors(document))
    if error is not None:
        raise ConfigError(*_explain(error))


def _refuse_unknown_keys(given: Mapping[str, Any], known: Mapping[str, Any], place: str) -> None:
    for key in given:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
            hint = f"Did you mean {nearest[0]}?" if nearest else f"Known keys: {', '.join(known)}."
            raise ConfigError(f"{place} has the unknown key {key!r}.", hint)


def _explain(error: ValidationError) -> tuple[str, str]:
    name = error.json_path.removeprefix("$.").removeprefix("hyperparameters.")
    if error.validator == "required":
        return f"job.json lacks a key: {error.message}.", "Add the key; the schema lists all keys."
    if name == "$":
        return f"job.json is not a job: {error.message}.", "Write it as one JSON object."
    value = json.dumps(error.instance)
    if len(value) > 80:
        value = value[:77] + "..."
    return f"{name} is {value}, which is not allowed.", f"It must be {_allowed(error)}."


def _allowed(error: ValidationError) -> str:
    """Describe in words what the schema allows at the position of the error."""
    rule = error.schema if isinstance(error.schema, dict) else {}
    if "oneOf" in rule or "anyOf" in rule:
        options: list[dict[str, Any]] = rule.get("oneOf") or rule["anyOf"]
        return " or ".join(_words(option) for option in options)
    return _words(rule)


def _words(rule: Mapping[str, Any]) -> str:
    if "$ref" in rule:
        return "a path like data/train.jsonl, with the ending of a dataset format"
    if "const" in rule:
        return json.dumps(rule["const"])
    if "enum" in rule:
        return " or ".join(json.dumps(value) for value in rule["enum"])
    if "title" in rule:
        return str(rule["title"])
    words = {
        "integer": "an integer",
        "number": "a number",
        "boolean": "true or false",
        "string": "a text",
        "null": "null",
        "object": "an object",
    }[rule["type"]]
    if "minimum" in rule and "maximum" in rule:
        return f"{words} from {rule['minimum']} to {rule['maximum']}"
    if "minimum" in rule:
        return f"{words} of at least {rule['minimum']}"
    if "maximum" in rule:
        return f"{words} of at most {rule['maximum']}"
    if "pattern" in rule:
        return f"{words} that matches {rule['pattern']}"
    if "maxLength" in rule:
        return f"{words} of 1 to {rule['maxLength']} characters"
    return words


def _resolve(
    given: Mapping[str, Any], rules: Mapping[str, Any]
) -> tuple[Hyperparameters, list[str]]:
    """Fill in defaults and apply the rules that span several keys; return warnings, too."""
    warnings = []
    values = {field.name: rules[field.name].get("default") for field in fields(Hyperparameters)}
    for key, value in given.items():
        # JSON knows one kind of number: 4.0 is a valid integer, and 1 a valid learning rate.
        values[key] = _number(value, rules[key].get("type"))
    if values["training_method"] is None and any(key in given for key in DPO_OPTIONS):
        values["training_method"] = "dpo"
    for key, (switch, needed) in ONLY_WITH.items():
        if key in given and values[switch] not in needed:
            allowed = " or ".join(map(json.dumps, needed))
            warnings.append(f"{key} has no effect because {switch} is not {allowed}.")
    for key, other in ONLY_BESIDE.items():
        if key in given and values[other] is None:
            warnings.append(f"{key} has no effect because {other} is not set.")
    if values["n_checkpoints"] > values["n_epochs"]:
        warnings.append(
            f"n_checkpoints was lowered from {values['n_checkpoints']} to {values['n_epochs']}, "
            "the number of epochs."
        )
        values["n_checkpoints"] = values["n_epochs"]
    if values["lora_alpha"] < 1:
        values["lora_alpha"] = values["lora_r"]
    return Hyperparameters(**values), warnings


def _number(value: Any, kind: str | None) -> Any:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if kind == "number":
        return float(value)
    return int(value)


def _check_method(job: Job) -> None:
    """Refuse to train a classifier like a language model."""
    parameters = job.hyperparameters
    for key, value, learned in (
        ("training_method", parameters.training_method, parameters.training_method != "sft"),
        ("pack_documents", parameters.pack_documents, True),
    ):
        if value and learned and job.kind != "causal-lm":
            raise ConfigError(
                f"{key} is {json.dumps(value)}, but a {job.kind} model is trained on labels.",
                f"Leave {key} out, or choose a language model.",
            )


def _check_start(job: Job) -> None:
    """Check that start/ matches the hyper-parameters."""
    wanted = [key for key in STARTS if getattr(job.hyperparameters, key) is not None]
    if len(wanted) > 1:
        raise ConfigError(
            f"{' and '.join(wanted)} are both set, but training starts from only one of them.",
            "Leave one of them out.",
        )
    if job.start != (STARTS[wanted[0]] if wanted else None):
        raise ConfigError(
            f"start is {json.dumps(job.start)}, which does not fit the hyper-parameters.",
            f"Set it for {' or '.join(STARTS)}, and leave it out otherwise.",
        )
    if job.start_directory is not None and not job.start_directory.is_dir():
        raise ConfigError(
            "start/ does not exist in the job directory.", f"Put the weights of {wanted[0]} there."
        )


def _check_files(job: Job) -> None:
    """Check the files that the job names, before anything large is read."""
    parameters = job.hyperparameters
    for path in (job.train, job.validation):
        if path is None:
            continue
        endings = ENDINGS[job.kind]
        if not path.endswith(endings):
            raise ConfigError(
                f"{path} has a format that {job.kind} is not trained on.",
                f"Convert the dataset to one of {', '.join(endings)}.",
            )
        if not (job.directory / path).is_file():
            raise ConfigError(
                f"{path} does not exist in the job directory.", "Put the dataset there."
            )
    for key, wanted in (
        ("n_evals", parameters.n_evals > 0),
        ("early_stopping_patience", parameters.early_stopping_patience is not None),
    ):
        if wanted and job.validation is None:
            raise ConfigError(
                f"{key} is set, but the job has no validation dataset.",
                f"Give a validation dataset or leave {key} out.",
            )
    if parameters.early_stopping_patience is not None and parameters.n_evals == 0:
        raise ConfigError(
            "early_stopping_patience is set, but n_evals is 0, so nothing is ever evaluated.",
            "Set n_evals to at least 1.",
        )
