"""Direct Preference Optimization (Rafailov et al. 2023, arXiv:2305.18290): learning from pairs.

The loss of a pair is -log sigmoid(BETA · margin). The margin is the log-probability of the better
answer minus that of the worse one, in nats, minus the same difference before the training.
"""

import torch
from torch import Tensor
from torch.nn import functional

BETA = 0.1
"""Strength of the penalty for departing from the model before the training."""
ROUNDING = 1e-3
"""Margins up to this many nats do not count as a gain: rounding can cause them."""


def answer_log_probabilities(logits: Tensor, targets: Tensor, ignored: int) -> Tensor:
    """Log-probability of each row's targets in nats, (rows,).

    logits (rows, positions, words), targets (rows, positions) int64 or `ignored`.
    """
    losses = functional.cross_entropy(
        logits.float().transpose(1, 2), targets, ignore_index=ignored, reduction="none"
    )
    return -losses.sum(1)


def preference_loss(log_probabilities: Tensor, reference_margins: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the losses of pairs in nats, and how many better answers have gained, int64.

    log_probabilities (2 · pairs,): all better answers, then all worse ones in the same order;
    reference_margins (pairs,): better minus worse before the training, in nats.
    """
    better, worse = log_probabilities.chunk(2)
    margins = better - worse - reference_margins
    loss = -functional.logsigmoid(BETA * margins).sum()
    return loss, (margins.detach() > ROUNDING).sum().to(torch.int64)
