"""The training loop. It reads from top to bottom; everything around it is in the other files."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from finetune import receipt
from finetune.batch import Evaluation, evaluate, make_batch, score
from finetune.checkpoint import CheckpointStore, State, newest_checkpoint, write_directory
from finetune.data import Example, JobData
from finetune.errors import ConfigError, OutOfMemoryError, StoppedError, is_out_of_memory
from finetune.events import EventLog
from finetune.job import Hyperparameters, Job
from finetune.model import load_model, save_model, trainable_parameters
from finetune.output import merge_samples, write_card, write_metrics
from finetune.sample import sample_labels, sample_texts
from finetune.schedule import Plan, learning_rate

LARGEST_BATCH_CPU = 8
LARGEST_BATCH_GPU = 64
TRAINING_SAMPLE = 64
"""Training rows that are measured where there is no validation dataset."""


def train(
    job: Job,
    data: JobData,
    events: EventLog,
    is_stopped: Callable[[], bool],
    recovery_seconds: float,
) -> dict[str, Any]:
    """Train a job to its end, from its newest checkpoint if there is one; return its figures.

    Raises StoppedError after saving where `is_stopped` says so between two steps, and JobError
    where the job cannot be carried out.
    """
    began = time.monotonic()
    parameters = job.hyperparameters
    device = _prepare_machine(job)
    inputs = receipt.job_inputs(job)
    identity = receipt.identity_of(inputs)
    found = newest_checkpoint(job.directory, identity)

    torch.manual_seed(parameters.seed)
    model = load_model(job.model_directory, job.kind, data.labels, parameters).to(device).train()
    weights = list(trainable_parameters(model).values())
    optimizer = _make_optimizer(weights, parameters)
    store = CheckpointStore(job.directory, model, optimizer, recovery_seconds)
    examples, pad_id = data.train.examples, data.encoder.pad_id

    if found is None:
        batch_size = _batch_size(model, examples, parameters, pad_id, device)
        before = _assess(model, data, batch_size, device)
        state = State(identity, batch_size, receipt.first_link(identity), before)
        state.best_loss = before["loss"]
        torch.manual_seed(parameters.seed)
    else:
        path, state = found
        store.load(path)
    plan = Plan(len(examples), state.batch_size, parameters)
    _announce(events, job, data, plan, model, state, resumed=found is not None)

    first_step, first_tokens, training_began = state.step, state.tokens, time.monotonic()
    while not _is_finished(state, plan):
        if is_stopped():
            path = store.recover(state).relative_to(job.directory)
            events.write("stopped", step=state.step, path=path.as_posix())
            raise StoppedError

        rate = learning_rate(state.step, plan.total_steps, parameters)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batches = [
            make_batch([examples[row] for row in rows], pad_id, device)
            for rows in plan.batches(state.step)
        ]
        targets = sum(batch.count for batch in batches)
        loss, correct = 0.0, 0
        for batch in batches:
            result = score(model, batch)
            # The mean over all targets of the step, however they are spread over its batches.
            (result.loss / targets).backward()  # type: ignore[no-untyped-call]
            loss += result.loss.item() / targets
            correct += int(result.correct)
        norm = nn.utils.clip_grad_norm_(weights, parameters.max_grad_norm or math.inf).item()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ConfigError(
                f"The loss is no longer a number at step {state.step + 1}.",
                "Lower learning_rate or set max_grad_norm.",
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

        state.step += 1
        state.tokens += sum(batch.tokens for batch in batches)
        state.chain = receipt.next_link(state.chain, state.step, loss, norm, rate)
        seconds = time.monotonic() - training_began
        steps = state.step - first_step
        events.write(
            "progress",
            step=state.step,
            total=plan.total_steps,
            epoch=round(state.step / plan.steps_per_epoch, 4),
            loss=loss,
            accuracy=correct / targets,
            lr=rate,
            grad_norm=norm,
            tokens=state.tokens,
            tokens_per_second=round((state.tokens - first_tokens) / seconds, 1),
            seconds_left=round(seconds / steps * (plan.total_steps - state.step), 1),
        )

        if state.step in plan.evaluate_after and state.step < plan.total_steps:
            scores = _evaluate(model, data, state.batch_size, device)
            _note_evaluation(events, state, data, scores)
        if state.step in plan.checkpoint_after or _is_finished(state, plan):
            hash_ = store.keep(state, lambda place: save_model(model, job.model_directory, place))
            events.write(
                "checkpoint", step=state.step, path=f"checkpoints/step-{state.step}", hash=hash_
            )
        elif store.is_recovery_due():
            store.recover(state)

    if state.step < plan.total_steps:
        events.warn(
            f"Training stopped early after step {state.step} of {plan.total_steps}: "
            f"{state.evaluations_without_gain} evaluations without a lower validation loss."
        )
    after = _assess(model, data, state.batch_size, device)
    _write_eval(events, state.step, data, after["loss"], after["accuracy"])
    figures = {
        "loss_on": _measured_on(data),
        "loss_before": state.before["loss"],
        "loss_after": after["loss"],
        "accuracy_before": state.before["accuracy"],
        "accuracy_after": after["accuracy"],
        "steps": state.step,
        "tokens": state.tokens,
    }

    write_directory(
        job.directory / "out",
        lambda place: _fill_output(place, job, model, inputs, figures, events, state, store),
    )
    store.finish()
    return {
        **figures,
        "total_steps": plan.total_steps,
        "batch_size": state.batch_size,
        "rows": len(examples),
        "dataset_tokens": data.train.tokens,
        "dataset_bytes": data.train.bytes,
        "checkpoints": store.kept(),
        "samples": merge_samples(state.before["samples"], after["samples"]),
        "seconds": round(time.monotonic() - began, 3),
    }


def _prepare_machine(job: Job) -> torch.device:
    """Choose GPU or CPU, and fix everything that could make two runs differ."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(job.threads)
    torch.use_deterministic_algorithms(job.hyperparameters.deterministic or device.type == "cpu")
    # Only reading memory that was never written could be told apart by it; filling costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return device


def _fill_output(
    place: Path,
    job: Job,
    model: nn.Module,
    inputs: dict[str, Any],
    figures: dict[str, Any],
    events: EventLog,
    state: State,
    store: CheckpointStore,
) -> None:
    """Write all files of out/; the receipt comes last, because it holds the hash of the others."""
    save_model(model, job.model_directory, place)
    write_card(place / "README.md", job, inputs, figures)
    write_metrics(place / "metrics.jsonl", events.read())
    path = place / "receipt.json"
    receipt.write_receipt(
        path, job, inputs, state.step, state.batch_size, state.chain, store.kept()
    )


def _make_optimizer(
    weights: Sequence[nn.Parameter], parameters: Hyperparameters
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2017, arXiv:1711.05101), decaying matrices only."""
    groups = [
        {
            "params": [weight for weight in weights if weight.ndim > 1],
            "weight_decay": parameters.weight_decay,
        },
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=parameters.learning_rate, fused=True)


def _batch_size(
    model: nn.Module,
    examples: Sequence[Example],
    parameters: Hyperparameters,
    pad_id: int,
    device: torch.device,
) -> int:
    """Find the largest batch that fits, by training on the longest rows and forgetting it."""
    if parameters.batch_size != "max":
        return min(parameters.batch_size, len(examples))
    cap = LARGEST_BATCH_CPU if device.type == "cpu" else LARGEST_BATCH_GPU
    size = min(cap, len(examples))
    longest = sorted(examples, key=lambda example: -len(example.ids))[:size]
    while True:
        try:
            batch = make_batch(longest[:size], pad_id, device)
            score(model, batch).loss.backward()  # type: ignore[no-untyped-call]
            model.zero_grad(set_to_none=True)
            return size
        except (RuntimeError, MemoryError) as error:
            model.zero_grad(set_to_none=True)
            if not is_out_of_memory(error):
                raise
        if size == 1:
            raise OutOfMemoryError(
                f"The longest row, {len(longest[0].ids)} tokens, does not fit into memory.",
                "Lower max_seq_length, train with lora, or choose a smaller model.",
            )
        size //= 2


def _evaluate(model: nn.Module, data: JobData, batch_size: int, device: torch.device) -> Evaluation:
    """Measure on the validation dataset, or else on the first training rows."""
    examples = _measured_examples(data)
    return evaluate(model, examples, batch_size, data.encoder.pad_id, device)


def _assess(
    model: nn.Module, data: JobData, batch_size: int, device: torch.device
) -> dict[str, Any]:
    """Measure loss and accuracy, and take samples."""
    scores = _evaluate(model, data, batch_size, device)
    examples = _measured_examples(data)
    if data.labels:
        samples = sample_labels(model, data.encoder.pad_id, examples, data.labels, device)
    else:
        samples = sample_texts(model, data.encoder, examples, data.max_length, device)
    return {"loss": scores.loss, "accuracy": scores.accuracy, "samples": samples}


def _measured_examples(data: JobData) -> Sequence[Example]:
    return data.validation.examples if data.validation else data.train.examples[:TRAINING_SAMPLE]


def _measured_on(data: JobData) -> str:
    return "validation" if data.validation else "training"


def _is_finished(state: State, plan: Plan) -> bool:
    """Tell whether all steps are done, or enough evaluations brought no gain."""
    patience = plan.parameters.early_stopping_patience
    gave_up = patience is not None and state.evaluations_without_gain >= patience
    return gave_up or state.step >= plan.total_steps


def _note_evaluation(events: EventLog, state: State, data: JobData, scores: Evaluation) -> None:
    _write_eval(events, state.step, data, scores.loss, scores.accuracy)
    if state.best_loss is None or scores.loss < state.best_loss:
        state.best_loss, state.evaluations_without_gain = scores.loss, 0
    else:
        state.evaluations_without_gain += 1


def _write_eval(events: EventLog, step: int, data: JobData, loss: float, accuracy: float) -> None:
    events.write("eval", step=step, on=_measured_on(data), loss=loss, accuracy=accuracy)


def _announce(
    events: EventLog,
    job: Job,
    data: JobData,
    plan: Plan,
    model: nn.Module,
    state: State,
    *,
    resumed: bool,
) -> None:
    """Say what is about to happen: environment, resolved parameters, sizes."""
    events.write(
        "started",
        task_id=job.task_id,
        kind=job.kind,
        resumed_from=state.step if resumed else None,
        total=plan.total_steps,
        batch_size=state.batch_size,
        parameters=asdict(job.hyperparameters),
        trainable_weights=sum(weight.numel() for weight in trainable_parameters(model).values()),
        all_weights=sum(weight.numel() for weight in model.parameters()),
        dataset={
            "rows": len(data.train.examples),
            "tokens": data.train.tokens,
            "bytes": data.train.bytes,
        },
        environment=receipt.environment(job.threads),
    )
    if not resumed:
        _write_eval(events, 0, data, state.before["loss"], state.before["accuracy"])
