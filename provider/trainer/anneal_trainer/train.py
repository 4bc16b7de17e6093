"""The training loop, to be read from top to bottom. Everything else is in the other files."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anneal_trainer import ranks, receipt
from anneal_trainer.batch_size import find_batch_size, recompute
from anneal_trainer.data.batch import Batch, Collate, make_batch, make_packed_batch
from anneal_trainer.data.example import Example
from anneal_trainer.data.loading import JobData
from anneal_trainer.errors import ConfigError, StoppedError
from anneal_trainer.events import EventLog
from anneal_trainer.job import Hyperparameters, Job
from anneal_trainer.loss.references import measure_references
from anneal_trainer.loss.score import Score, evaluate, score
from anneal_trainer.model.adaptable import describe_adapter
from anneal_trainer.model.checkpoint import (
    CheckpointStore,
    State,
    newest_checkpoint,
    write_directory,
)
from anneal_trainer.model.compiling import compile_if_worthwhile
from anneal_trainer.model.device import choose_device
from anneal_trainer.model.frozen_format import widen
from anneal_trainer.model.generation import base_of, settle_generation
from anneal_trainer.model.loading import (
    frozen_format,
    load_model,
    save_model,
    stored_format,
    trainable_parameters,
    try_save,
    weights_to_save,
)
from anneal_trainer.model.matrix_format import matrix_format, plain_format
from anneal_trainer.model.memory import refuse_too_large
from anneal_trainer.model.packing import PROBE_ROWS, try_packing
from anneal_trainer.model.padding import settle_padding
from anneal_trainer.model.positions import rope_changes_after
from anneal_trainer.model.quantized import make_8bit_adamw
from anneal_trainer.output import merge_samples, write_card, write_metrics
from anneal_trainer.sample import sample_labels, sample_texts
from anneal_trainer.schedule import Plan, learning_rate

TRAINING_SAMPLE = 64
"""Training rows that are measured if there is no validation dataset."""


@dataclass
class Run:
    """The parts of a training run; its progress is in its State."""

    job: Job
    """The job."""
    data: JobData
    """The rows."""
    events: EventLog
    """The journal."""
    device: torch.device
    """The device it runs on."""
    model: nn.Module
    """The model, on the device, in training mode; its weights are 32-bit floats."""
    whole: nn.Module
    """The same model for calls: its weights may be on several devices."""
    dtype: torch.dtype
    """Format of matrix products: float32, or bfloat16 with sums in float32."""
    collate: Collate
    """Makes a batch from rows: packed or padded."""
    weights: list[nn.Parameter]
    """The weights that are trained."""
    optimizer: torch.optim.Optimizer
    """The optimizer of those weights."""
    store: CheckpointStore
    """The store for checkpoints."""

    @property
    def measured(self) -> Sequence[Example]:
        """The examples of the validation dataset, or else the first training rows."""
        chosen = self.data.validation
        return chosen.examples if chosen else self.data.train.examples[:TRAINING_SAMPLE]

    @property
    def measured_on(self) -> str:
        """The name of `measured` in the journal."""
        return "validation" if self.data.validation else "training"


@dataclass(frozen=True)
class Step:
    """The results of one step."""

    rate: float
    """Learning rate."""
    loss: float
    """Mean over the targets of all its batches."""
    accuracy: float
    """Share of the targets that were the most likely prediction."""
    norm: float
    """Norm of the gradients before clipping."""
    tokens: int
    """Tokens without padding."""


def train(
    job: Job,
    data: JobData,
    events: EventLog,
    is_stopped: Callable[[], bool],
    recovery_seconds: float,
) -> dict[str, Any]:
    """Train a job to its end, from its newest checkpoint if there is one; return its figures.

    Raises StoppedError after saving if `is_stopped` returns True between two steps, and JobError if
    the job cannot be run. All ranks call it; the figures are the same on each.
    """
    device = _prepare_machine(job)
    with ranks.joined(device):
        return _train(job, data, events, is_stopped, recovery_seconds, device)


def _train(
    job: Job,
    data: JobData,
    events: EventLog,
    is_stopped: Callable[[], bool],
    recovery_seconds: float,
    device: torch.device,
) -> dict[str, Any]:
    began = time.monotonic()
    parameters = job.hyperparameters
    inputs = receipt.job_inputs(job)
    identity = receipt.identity_of(inputs)
    found = ranks.first_says(newest_checkpoint(job.work_directory, identity))

    shards = ranks.count() if job.sharded else 1
    # Shards are cut from weights of one format, before it is known whether rows can be packed.
    product = _packed_format(data, device) if shards == 1 else plain_format(device)
    kept = product if shards == 1 else torch.float32
    frozen = frozen_format(job.model_directory, job.kind, parameters, kept)
    refuse_too_large(job.model_directory, parameters, device, frozen, shards)
    torch.manual_seed(parameters.seed)
    model = load_model(
        job.model_directory,
        job.kind,
        data.labels,
        parameters,
        job.start_directory,
        job.model_name,
        kept,
    )
    for notice in settle_generation(model, data.end_tokens):
        events.warn(notice)
    data = replace(data, pad_id=settle_padding(model, job.kind, data.pad_id))
    try_save(model, job.model_directory, job.work_directory)
    job = _one_row_at_a_time(job, data, model, events)
    parameters = job.hyperparameters
    whole = ranks.Whole(model).train()
    if shards > 1:
        _refuse_in_shards(parameters)
        ranks.shard(whole, device, plain_format(device))
    whole.to(device)
    weights = list(trainable_parameters(model).values())
    optimizer = _make_optimizer(weights, parameters)
    store = CheckpointStore(job.work_directory, model, optimizer, recovery_seconds)
    if _is_packed(job, data, whole, product, events):
        dtype = product
        collate: Collate = partial(make_packed_batch, device=device, preference=data.preference)
    else:
        dtype = plain_format(device)
        collate = partial(make_batch, pad_id=data.pad_id, device=device, preference=data.preference)
    if dtype is torch.float32:
        widen(model)
    run = Run(job, data, events, device, model, whole, dtype, collate, weights, optimizer, store)
    state = _resume(run, *found) if found else _begin(run, identity)
    run.whole = ranks.replicate(whole)
    plan = Plan(len(data.train.examples), state.batch_size, parameters)
    if job.kind == "causal-lm":
        steps_left = plan.total_steps - state.step
        compile_if_worthwhile(model, steps_left, device, deterministic=parameters.deterministic)
    _announce(run, plan, state, resumed=found is not None)

    first_step, first_tokens, training_began = state.step, state.tokens, time.monotonic()
    while not _is_finished(state, plan):
        if ranks.any_of(is_stopped()):
            saved = store.recover(state).relative_to(job.work_directory)
            events.write("stopped", step=state.step, path=saved.as_posix())
            raise StoppedError

        done = _step(run, plan, state.step)
        state.step += 1
        state.tokens += done.tokens
        state.links.append(
            receipt.next_link(state.chain, state.step, done.loss, done.norm, done.rate)
        )
        seconds = time.monotonic() - training_began
        events.write(
            "progress",
            step=state.step,
            total=plan.total_steps,
            epoch=round(state.step / plan.steps_per_epoch, 4),
            loss=done.loss,
            accuracy=done.accuracy,
            lr=done.rate,
            grad_norm=done.norm,
            tokens=state.tokens,
            tokens_per_second=round((state.tokens - first_tokens) / seconds, 1),
            seconds_left=round(
                seconds / (state.step - first_step) * (plan.total_steps - state.step), 1
            ),
        )

        if state.step in plan.evaluate_after and state.step < plan.total_steps:
            _evaluate(run, state)
        if state.step in plan.checkpoint_after or _is_finished(state, plan):
            hash_ = _keep(run, state)
            path = f"checkpoints/step-{state.step}"
            events.write("checkpoint", step=state.step, path=path, hash=hash_)
        elif store.is_recovery_due():
            store.recover(state)

    result = _finish(run, plan, state, inputs)
    return {**result, "seconds": round(time.monotonic() - began, 3)}


def _step(run: Run, plan: Plan, number: int) -> Step:
    """Train on the rows of the step with this number, from 0."""
    rate = learning_rate(number, plan.total_steps, plan.parameters)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    examples = run.data.train.examples
    shares = plan.batches(number, ranks.rank(), ranks.count())
    batches = [_collate(run, [examples[row] for row in rows]) for rows in shares]
    targets, tokens = ranks.total(
        sum(batch.count for batch in batches), sum(batch.tokens for batch in batches)
    )
    results = []
    for place, batch in enumerate(batches, 1):
        with ranks.exchange_after(run.whole, place == len(batches)):
            result = score(run.whole, batch, run.dtype)
            # The mean over all targets of the step, however they are distributed over its batches.
            share = result.loss / (targets if batch.count else math.inf)
            share.backward()  # type: ignore[no-untyped-call]
        if batch.count:
            results.append(Score(result.loss.detach(), result.correct))
    loss, correct = ranks.total(
        sum(result.loss.item() for result in results),
        sum(int(result.correct) for result in results),
    )
    loss /= targets
    most = plan.parameters.max_grad_norm or math.inf
    norm = ranks.complete(nn.utils.clip_grad_norm_(run.weights, most)).item()
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise ConfigError(
            f"The loss is not finite at step {number + 1}.",
            "Lower learning_rate or set max_grad_norm.",
        )
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    return Step(rate, loss, correct / targets, norm, int(tokens))


def _collate(run: Run, examples: Sequence[Example]) -> Batch:
    """Make a batch; of no rows, one that does not count, to take part in a step of other ranks."""
    if examples:
        return run.collate(examples)
    return replace(run.collate(run.data.train.examples[:1]), count=0, tokens=0)


def _prepare_machine(job: Job) -> torch.device:
    """Choose GPU or CPU, and make the run deterministic."""
    device = choose_device()
    torch.set_num_threads(job.threads)
    torch.use_deterministic_algorithms(job.hyperparameters.deterministic or device.type == "cpu")
    # Filling only matters if memory is read before it is written, and it costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return device


def _make_optimizer(
    weights: Sequence[nn.Parameter], parameters: Hyperparameters
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2017, arXiv:1711.05101), with weight decay only on matrices.

    Its moments have 32 bits, or 8 (Dettmers et al. 2021, arXiv:2110.02861).
    """
    groups = [
        {
            "params": [weight for weight in weights if weight.ndim > 1],
            "weight_decay": parameters.weight_decay,
        },
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if parameters.optimizer == "adamw_8bit":
        return make_8bit_adamw(groups, parameters.learning_rate)
    return torch.optim.AdamW(groups, lr=parameters.learning_rate, fused=True)


def _refuse_in_shards(parameters: Hyperparameters) -> None:
    """Raise ConfigError for what cannot be cut into shards."""
    for name in ("quantize", "optimizer"):
        value = getattr(parameters, name)
        if value not in (None, "adamw"):
            raise ConfigError(
                f"{name} is {value}, but the model is too large for one of the provider's devices, "
                "and cannot be shared by several of them in that form.",
                f"Leave {name} out.",
            )


def _is_packed(
    job: Job, data: JobData, whole: nn.Module, product: torch.dtype, events: EventLog
) -> bool:
    """Prepare for packed rows if the model supports them: the same results in less time."""
    asked, examples = job.hyperparameters.packing, data.train.examples
    if asked is False:
        return False
    packable = job.kind == "causal-lm"
    probe = [example.ids for example in examples[:PROBE_ROWS]]
    reason = (
        try_packing(whole, probe, product)
        if packable
        else "only rows of causal language models can be packed"
    )
    if reason is not None and (asked or packable):
        events.warn(f"Rows are padded instead of packed: {reason}.")
    return reason is None


def _one_row_at_a_time(job: Job, data: JobData, model: nn.Module, events: EventLog) -> Job:
    """Make the same steps of batches of one row if rows would otherwise change each other."""
    limit, parameters = rope_changes_after(base_of(model).config), job.hyperparameters
    datasets = [one for one in (data.train, data.validation) if one]
    longest = max(max(one.examples.sizes) for one in datasets)
    if limit is None or longest <= limit or parameters.batch_size == 1:
        return job
    rows = 1 if parameters.batch_size == "max" else parameters.batch_size
    steps = rows * parameters.gradient_accumulation_steps
    events.warn(
        f"Batches have one row, {steps} of them a step: a row of more than {limit} tokens changes "
        "the rotary embedding of this model for the rows beside it."
    )
    alone = replace(parameters, batch_size=1, gradient_accumulation_steps=steps)
    return replace(job, hyperparameters=alone)


def _packed_format(data: JobData, device: torch.device) -> torch.dtype:
    """Choose the format of products: what answers differ by is less than 16 bits round off."""
    return matrix_format(device) if data.preference is None else plain_format(device)


def _begin(run: Run, identity: str) -> State:
    """Find the batch size and measure the model before the first step."""
    parameters, examples = run.job.hyperparameters, run.data.train.examples
    fit = find_batch_size(run.whole, examples, parameters, run.collate, run.dtype, run.device)
    if fit.checkpointing:
        run.events.warn(
            "Activations are computed again in the backward pass, because they would not fit: "
            "steps take about a third longer."
        )
    run.data = _measure_references(run, fit.batch_size)
    before = _assess(run, fit.batch_size)
    links = [receipt.first_link(identity)]
    state = State(identity, fit.batch_size, links, before, checkpointing=fit.checkpointing)
    state.best_loss = before["loss"]
    torch.manual_seed(ranks.seed_here(parameters.seed))
    return state


def _resume(run: Run, path: Path, state: State) -> State:
    """Restore the state of a checkpoint."""
    # Before the checkpoint is loaded: the reference is the model that training started from.
    run.data = _measure_references(run, state.batch_size)
    recompute(run.whole, on=state.checkpointing)
    torch.manual_seed(ranks.seed_here(run.job.hyperparameters.seed))
    run.store.load(path)
    return state


def _measure_references(run: Run, batch_size: int) -> JobData:
    seed = run.job.hyperparameters.seed
    return measure_references(run.whole, run.data, batch_size, run.collate, run.dtype, seed)


def _assess(run: Run, batch_size: int) -> dict[str, Any]:
    """Measure loss and accuracy, and take samples."""
    scores = evaluate(run.whole, run.measured, batch_size, run.collate, run.dtype)
    model, data, device = run.whole, run.data, run.device
    if data.encoder is None or data.labels:
        samples = sample_labels(model, data.pad_id, run.measured, data.labels, device)
    else:
        ends, length = data.train.end_ids, data.max_length
        samples = sample_texts(model, data.encoder, run.measured, length, ends, device)
    return {"loss": scores.loss, "accuracy": scores.accuracy, "samples": samples}


def _is_finished(state: State, plan: Plan) -> bool:
    """Return whether all steps are done, or enough evaluations brought no improvement."""
    patience = plan.parameters.early_stopping_patience
    gave_up = patience is not None and state.evaluations_without_gain >= patience
    return gave_up or state.step >= plan.total_steps


def _evaluate(run: Run, state: State) -> None:
    """Measure between two steps, and record whether it is the best result so far."""
    scores = evaluate(run.whole, run.measured, state.batch_size, run.collate, run.dtype)
    _write_eval(run, state.step, scores.loss, scores.accuracy)
    if state.best_loss is None or scores.loss < state.best_loss:
        state.best_loss, state.evaluations_without_gain = scores.loss, 0
    else:
        state.evaluations_without_gain += 1


def _keep(run: Run, state: State) -> str:
    """Write the user's checkpoint of this step; return its SHA-256."""
    base, weights = run.job.model_directory, _gather(run)
    return run.store.keep(state, lambda place: save_model(run.model, base, place, weights))


def _gather(run: Run) -> dict[str, Tensor] | None:
    number = stored_format(run.job.model_directory)
    return ranks.gather_weights(run.whole, weights_to_save, number)


def _write_eval(run: Run, step: int, loss: float, accuracy: float) -> None:
    run.events.write("eval", step=step, on=run.measured_on, loss=loss, accuracy=accuracy)


def _announce(run: Run, plan: Plan, state: State, *, resumed: bool) -> None:
    """Write the first event: environment, resolved parameters, sizes."""
    job = run.job
    run.events.write(
        "started",
        task_id=job.task_id,
        kind=job.kind,
        resumed_from=state.step if resumed else None,
        total=plan.total_steps,
        batch_size=state.batch_size,
        activation_checkpointing=state.checkpointing,
        parameters=asdict(job.hyperparameters),
        trainable_weights=sum(weight.numel() for weight in run.weights),
        all_weights=sum(weight.numel() for weight in run.model.parameters()),
        **describe_adapter(run.model),
        dataset=run.data.train.figures,
        end_tokens=list(run.data.end_tokens),
        environment=receipt.environment(job.threads),
    )
    if not resumed:
        _write_eval(run, 0, state.before["loss"], state.before["accuracy"])


def _finish(run: Run, plan: Plan, state: State, inputs: dict[str, Any]) -> dict[str, Any]:
    """Measure the trained model and write out/; return the figures of the run."""
    if state.step < plan.total_steps:
        run.events.warn(
            f"Training stopped early after step {state.step} of {plan.total_steps}: "
            f"{state.evaluations_without_gain} evaluations without a lower validation loss."
        )
    after = _assess(run, state.batch_size)
    _write_eval(run, state.step, after["loss"], after["accuracy"])
    figures = {
        "loss_on": run.measured_on,
        "loss_before": state.before["loss"],
        "loss_after": after["loss"],
        "accuracy_before": state.before["accuracy"],
        "accuracy_after": after["accuracy"],
        "steps": state.step,
        "tokens": state.tokens,
    }
    weights = _gather(run)
    if ranks.rank() == 0:
        write_directory(
            run.job.work_directory / "out",
            lambda place: _fill_output(place, run, state, inputs, figures, weights),
        )
    run.store.finish()
    dataset = run.data.train
    return {
        **figures,
        "total_steps": plan.total_steps,
        "batch_size": state.batch_size,
        "rows": len(dataset.examples),
        "dataset_tokens": dataset.tokens,
        "dataset_bytes": dataset.bytes,
        "checkpoints": run.store.kept(),
        "samples": merge_samples(state.before["samples"], after["samples"]),
    }


def _fill_output(
    place: Path,
    run: Run,
    state: State,
    inputs: dict[str, Any],
    figures: dict[str, Any],
    weights: Mapping[str, Tensor] | None,
) -> None:
    """Write all files of out/; the receipt last, because it contains the hash of the others."""
    job, kept = run.job, run.store.kept()
    save_model(run.model, job.model_directory, place, weights)
    write_card(place / "README.md", job, inputs, figures, list(run.data.end_tokens))
    write_metrics(place / "metrics.jsonl", run.events.read())
    path = place / "receipt.json"
    receipt.write_receipt(path, job, inputs, state.step, state.batch_size, state.links, kept)
