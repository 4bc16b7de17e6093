"""Direct Preference Optimization (Rafailov et al. 2023, arXiv:2305.18290): learning from pairs.

The loss of a pair is -log sigmoid(BETA · margin), where the margin is by how many nats the model
prefers the better answer to the worse one, less by how many it did before the training.
"""

import torch
from torch import Tensor
from torch.nn import functional

BETA = 0.1
"""How dearly the model pays for leaving what it was."""
ROUNDING = 1e-3
"""Margins up to this many nats, which another order of rows in a batch can make, are no gain."""


def answer_log_probabilities(logits: Tensor, targets: Tensor, ignored: int) -> Tensor:
    """Log-probability of each row's targets in nats, (rows,).

    logits (rows, positions, words), targets (rows, positions) int64 or `ignored`.
    """
    losses = functional.cross_entropy(
        logits.float().transpose(1, 2), targets, ignore_index=ignored, reduction="none"
    )
    return -losses.sum(1)


def preference_loss(log_probabilities: Tensor, leads: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the losses of pairs in nats, and how many better answers have gained, int64.

    log_probabilities (2 · pairs,): all better answers, then all worse ones in the same order;
    leads (pairs,): by how many nats each better answer led before the training.
    """
    better, worse = log_probabilities.chunk(2)
    margins = better - worse - leads
    loss = -functional.logsigmoid(BETA * margins).sum()
    return loss, (margins.detach() > ROUNDING).sum().to(torch.int64)
