"""One arm of the training benchmark, as a separate process: `python train_arms.py ARM WORKSPACE`.

Every arm trains the same start weights on the same rows, with the same rows per step, number of
steps and learning rates. It prints one line of JSON; the first step warms up and is not measured.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "provider" / "trainer"))

from anneal_trainer.__main__ import SETTINGS

os.environ.update(SETTINGS)

import torch

from anneal_trainer.data.batch import make_batch
from anneal_trainer.data.loading import JobData, load_data
from anneal_trainer.events import EventLog
from anneal_trainer.job import Job, load_job
from anneal_trainer.loss.score import Evaluation, evaluate
from anneal_trainer.model.device import choose_device
from anneal_trainer.model.loading import load_model
from anneal_trainer.model.matrix_format import matrix_format, plain_format
from anneal_trainer.train import TRAINING_SAMPLE, train


class Stopwatch:
    """Measures wall time and CPU time from the end of the first step to the end of the last."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []

    def mark(self) -> None:
        """Record the end of a step."""
        self.marks.append((time.perf_counter(), time.process_time()))

    def figures(self, tokens_per_step: Sequence[int]) -> dict[str, Any]:
        """Summarize the measured steps: useful tokens, wall seconds and CPU seconds."""
        (began, busy), (ended, idle) = self.marks[0], self.marks[-1]
        return {
            "tokens": sum(tokens_per_step[1:]),
            "seconds": ended - began,
            "processorSeconds": idle - busy,
        }


class TimedLog(EventLog):
    """The trainer's journal, which also records the ends of steps."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.stopwatch = Stopwatch()
        self.tokens: list[int] = []

    def write(self, type_: str, **fields: Any) -> None:  # noqa: ANN401
        """Append one event; `tokens` of a progress event is the sum over all steps so far."""
        if type_ == "progress":
            self.stopwatch.mark()
            self.tokens.append(fields["tokens"])
        super().write(type_, **fields)


def run_ours(workspace: Path) -> dict[str, Any]:
    """Train with Anneal's own loop, like a provider's job."""
    job = load_job(workspace)
    job.work_directory.mkdir(exist_ok=True)
    log = TimedLog(job.work_directory / "events.jsonl")
    figures = train(job, load_data(job), log, lambda: False, recovery_seconds=1e9)
    steps = [
        after - before
        for before, after in zip([0, *log.tokens], log.tokens, strict=False)
    ]
    measured = {**log.stopwatch.figures(steps), "peakBytes": peak_bytes()}
    return {**measured, "loss": figures["loss_after"]}


def run_trainer(workspace: Path, *, tuned: bool) -> dict[str, Any]:
    """Train with the Trainer of transformers: with default settings, or well tuned."""
    from transformers import AutoTokenizer, Trainer, TrainerCallback, TrainingArguments

    job = load_job(workspace)
    data = load_data(job)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parameters = job.hyperparameters
    model = load_start(job, data, tuned=tuned)
    stopwatch, tokens = Stopwatch(), list[int]()

    class Marks(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
            if device.type == "cuda" and len(stopwatch.marks) in (0, steps - 1):
                torch.cuda.synchronize()
            stopwatch.mark()

    collate = padding_collator(
        AutoTokenizer.from_pretrained(job.model_directory), tokens
    )
    rows = trainer_rows(data)
    steps = -(-len(rows) // int(parameters.batch_size))
    options: dict[str, Any] = {}
    if tuned:
        narrow = matrix_format(device) is torch.bfloat16
        options = {"train_sampling_strategy": "group_by_length", "bf16": narrow}
    arguments = TrainingArguments(
        output_dir=str(workspace / "trainer"),
        per_device_train_batch_size=int(parameters.batch_size),
        num_train_epochs=parameters.n_epochs,
        learning_rate=parameters.learning_rate,
        seed=parameters.seed,
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=device.type == "cpu",
        **options,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=collate,
        callbacks=[Marks()],
    )
    trainer.train()
    # Measuring the loss must not count, which may take more than training.
    figures = {**stopwatch.figures(tokens), "peakBytes": peak_bytes()}
    return {**figures, "loss": final_loss(model, data, device).loss}


def load_start(job: Job, data: JobData, *, tuned: bool) -> Any:  # noqa: ANN401
    """Load the start weights; the Trainer with default settings uses their own number format.

    A well tuned one trains weights of 32 bits and keeps frozen ones in the format of products.
    """
    torch.manual_seed(job.hyperparameters.seed)
    product = matrix_format(choose_device()) if tuned else torch.float32
    model = load_model(
        job.model_directory, job.kind, data.labels, job.hyperparameters, product=product
    )
    config = json.loads((job.model_directory / "config.json").read_text())
    stored = getattr(torch, config.get("dtype") or config["torch_dtype"])
    return model if tuned else model.to(stored)


def trainer_rows(data: JobData) -> list[dict[str, Any]]:
    """Convert the trainer's examples to the format of the Trainer."""
    return [
        {
            "input_ids": example.ids,
            "attention_mask": [1] * len(example.ids),
            "labels": [
                id_ if counts else -100
                for id_, counts in zip(example.ids, example.counts, strict=True)
            ],
        }
        for example in data.train.examples
    ]


def padding_collator(tokenizer: Any, tokens: list[int]) -> Callable[[Any], Any]:  # noqa: ANN401
    """Make the usual collator, which also records each batch's tokens without padding."""
    from transformers import DataCollatorForSeq2Seq

    collate = DataCollatorForSeq2Seq(tokenizer)

    def count_and_collate(rows: Sequence[dict[str, Any]]) -> Any:  # noqa: ANN401
        tokens.append(sum(len(row["input_ids"]) for row in rows))
        return collate(rows)

    return count_and_collate


def final_loss(
    model: torch.nn.Module, data: JobData, device: torch.device
) -> Evaluation:
    """Measure the trained model like the trainer's own loop, on the first training rows."""
    pad_id = data.pad_id
    rows = data.train.examples[:TRAINING_SAMPLE]
    collate = partial(make_batch, pad_id=pad_id, device=device)
    return evaluate(model, rows, 8, collate, plain_format(device))


ARMS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "stock": lambda workspace: run_trainer(workspace, tuned=False),
    "tuned": lambda workspace: run_trainer(workspace, tuned=True),
    "ours": run_ours,
}


def peak_bytes() -> int:
    """Peak memory of this process: on the GPU if there is one, otherwise in RAM."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) * 1024


if __name__ == "__main__":
    arm, workspace = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(load_job(workspace).threads)
    figures = ARMS[arm](workspace)
    figures["tokensPerSecond"] = figures["tokens"] / figures["seconds"]
    figures["tokensPerProcessorSecond"] = (
        figures["tokens"] / figures["processorSeconds"]
    )
    print(json.dumps({"arm": arm, **figures}))
