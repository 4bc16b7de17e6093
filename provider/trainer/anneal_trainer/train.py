"""The training loop. It reads from top to bottom; everything around it is in the other files."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from anneal_trainer import receipt
from anneal_trainer.batch_size import find_batch_size, refuse_too_large
from anneal_trainer.data.example import Example
from anneal_trainer.data.loading import JobData
from anneal_trainer.errors import ConfigError, StoppedError
from anneal_trainer.events import EventLog
from anneal_trainer.job import Hyperparameters, Job
from anneal_trainer.loss.batch import (
    Collate,
    Evaluation,
    Score,
    evaluate,
    make_batch,
    make_packed_batch,
    score,
)
from anneal_trainer.loss.leads import measure_leads
from anneal_trainer.model.checkpoint import (
    CheckpointStore,
    State,
    newest_checkpoint,
    write_directory,
)
from anneal_trainer.model.compiling import compile_where_it_pays
from anneal_trainer.model.device import choose_device
from anneal_trainer.model.loading import load_model, save_model, trainable_parameters
from anneal_trainer.model.matrix_format import matrix_format
from anneal_trainer.model.packing import try_packing
from anneal_trainer.output import merge_samples, write_card, write_metrics
from anneal_trainer.sample import sample_labels, sample_texts
from anneal_trainer.schedule import Plan, learning_rate

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
    found = newest_checkpoint(job.work_directory, identity)

    refuse_too_large(job.model_directory, parameters, device)
    torch.manual_seed(parameters.seed)
    model = load_model(job.model_directory, job.kind, data.labels, parameters, job.start_directory)
    model.to(device).train()
    weights = list(trainable_parameters(model).values())
    optimizer = _make_optimizer(weights, parameters)
    store = CheckpointStore(job.work_directory, model, optimizer, recovery_seconds)
    collate = _choose_collate(job, data, model, device, events)

    if found is None:
        batch_size = find_batch_size(model, data.train.examples, parameters, collate, device)
        data = measure_leads(model, data, batch_size, collate)
        before = _assess(model, data, batch_size, collate, device)
        state = State(identity, batch_size, [receipt.first_link(identity)], before)
        state.best_loss = before["loss"]
        torch.manual_seed(parameters.seed)
    else:
        path, state = found
        # Before the checkpoint is loaded: what counts is the model that training started from.
        data = measure_leads(model, data, state.batch_size, collate)
        store.load(path)
    examples = data.train.examples
    plan = Plan(len(examples), state.batch_size, parameters)
    if job.kind == "causal-lm":
        steps_left = plan.total_steps - state.step
        compile_where_it_pays(model, steps_left, device, deterministic=parameters.deterministic)
    _announce(events, job, data, plan, model, state, resumed=found is not None)

    first_step, first_tokens, training_began = state.step, state.tokens, time.monotonic()
    while not _is_finished(state, plan):
        if is_stopped():
            path = store.recover(state).relative_to(job.work_directory)
            events.write("stopped", step=state.step, path=path.as_posix())
            raise StoppedError

        rate = learning_rate(state.step, plan.total_steps, parameters)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batches = [collate([examples[row] for row in rows]) for rows in plan.batches(state.step)]
        targets = sum(batch.count for batch in batches)
        results = []
        for batch in batches:
            result = score(model, batch)
            # The mean over all targets of the step, however they are spread over its batches.
            (result.loss / targets).backward()  # type: ignore[no-untyped-call]
            results.append(Score(result.loss.detach(), result.correct))
        loss = sum(result.loss.item() for result in results) / targets
        correct = sum(int(result.correct) for result in results)
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
        state.links.append(receipt.next_link(state.chain, state.step, loss, norm, rate))
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
            scores = _evaluate(model, data, state.batch_size, collate)
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
    after = _assess(model, data, state.batch_size, collate, device)
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
        job.work_directory / "out",
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
    device = choose_device()
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
        path, job, inputs, state.step, state.batch_size, state.links, store.kept()
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


def _choose_collate(
    job: Job, data: JobData, model: nn.Module, device: torch.device, events: EventLog
) -> Collate:
    """Pack rows where the model can, which gives the same results in less time; else pad them."""
    asked, examples = job.hyperparameters.packing, data.train.examples
    packable = job.kind == "causal-lm" and examples[0].rejected is None
    if asked is not False:
        number = matrix_format(device)
        reason = (
            try_packing(model, [example.ids for example in examples], number)
            if packable
            else "only plain rows of causal language models can be packed"
        )
        if reason is None:
            return lambda rows: make_packed_batch(rows, device, number)
        if asked or packable:
            events.warn(f"Rows are padded instead of packed: {reason}.")
    return lambda rows: make_batch(rows, data.pad_id, device)


def _evaluate(model: nn.Module, data: JobData, batch_size: int, collate: Collate) -> Evaluation:
    """Measure on the validation dataset, or else on the first training rows."""
    return evaluate(model, _measured_examples(data), batch_size, collate)


def _assess(
    model: nn.Module, data: JobData, batch_size: int, collate: Collate, device: torch.device
) -> dict[str, Any]:
    """Measure loss and accuracy, and take samples."""
    scores = _evaluate(model, data, batch_size, collate)
    examples = _measured_examples(data)
    if data.encoder is None or data.labels:
        samples = sample_labels(model, data.pad_id, examples, data.labels, device)
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
        dataset=data.train.figures,
        environment=receipt.environment(job.threads),
    )
    if not resumed:
        _write_eval(events, 0, data, state.before["loss"], state.before["accuracy"])
