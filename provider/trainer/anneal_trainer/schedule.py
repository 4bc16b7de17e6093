"""The schedule: learning rate per step, order of rows, steps that evaluate or save.

Everything here is a pure function of the job, so a restart needs only the step number.
"""

import math
from dataclasses import dataclass

from anneal_trainer.data.order import row_order
from anneal_trainer.job import Hyperparameters


def learning_rate(step: int, total_steps: int, parameters: Hyperparameters) -> float:
    """Learning rate of the step with this number, from 0.

    Warm-up rises linearly and reaches the peak at its last step: peak · (step + 1) / warm.
    Afterwards, with p = (step - warm) / (total - warm) and m = min_lr_ratio, it is peak times
    m + (1 - m) · (1 - p) for linear, and m + (1 - m) · (1 + cos(2π · cycles · p)) / 2 for cosine
    (Loshchilov and Hutter 2016, arXiv:1608.03983).
    """
    peak, floor = parameters.learning_rate, parameters.min_lr_ratio
    warm = math.ceil(total_steps * parameters.warmup_ratio)
    if step < warm:
        return peak * (step + 1) / warm
    progress = (step - warm) / (total_steps - warm)
    if parameters.lr_scheduler_type == "linear":
        shape = 1 - progress
    else:
        shape = (1 + math.cos(2 * math.pi * parameters.scheduler_num_cycles * progress)) / 2
    return peak * (floor + (1 - floor) * shape)


@dataclass(frozen=True)
class Plan:
    """The steps of a training run, counted from 0; "after step n" means that n steps are done."""

    rows: int
    """Rows of the training dataset."""
    batch_size: int
    """Rows in one forward pass."""
    parameters: Hyperparameters
    """The job's hyper-parameters."""

    @property
    def rows_per_step(self) -> int:
        """Rows whose gradients make one step."""
        return self.batch_size * self.parameters.gradient_accumulation_steps

    @property
    def steps_per_epoch(self) -> int:
        """Steps in one pass; the last one of a pass may have fewer rows."""
        return math.ceil(self.rows / self.rows_per_step)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.parameters.n_epochs

    @property
    def evaluate_after(self) -> frozenset[int]:
        """Numbers of completed steps after which the validation dataset is evaluated."""
        count = self.parameters.n_evals
        return frozenset(math.ceil(self.total_steps * i / count) for i in range(1, count + 1))

    @property
    def checkpoint_after(self) -> frozenset[int]:
        """Numbers of completed steps after which a checkpoint is kept, always the end of a pass."""
        epochs, count = self.parameters.n_epochs, self.parameters.n_checkpoints
        return frozenset(
            self.steps_per_epoch * math.ceil(epochs * i / count) for i in range(1, count + 1)
        )

    def batches(self, step: int, rank: int = 0, ranks: int = 1) -> list[list[int]]:
        """Row numbers of the batches of a step, on one of several ranks.

        Each pass takes the rows in the order of torch.randperm, seeded with seed + number of the
        pass. Ranks take turns with the rows of a step, whose number does not depend on them. All
        ranks have equally many batches, so the last one may be empty.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        order = row_order(self.rows, self.parameters.seed + epoch)
        rows = order[place * self.rows_per_step : (place + 1) * self.rows_per_step]
        starts = range(0, math.ceil(len(rows) / ranks), self.batch_size)
        return [rows[rank::ranks][start : start + self.batch_size] for start in starts]
