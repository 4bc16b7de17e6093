"""The losses of preference methods: learning which answers are better.

A log-ratio is the log-probability of an answer minus that before the training, in nats.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from anneal_trainer.data.batch import Comparison

ROUNDING = 1e-3
"""Log-ratios and margins up to this many nats do not count as a gain: rounding can cause them."""
SURE = -1e-6
"""The largest mean log-probability that has odds in 32-bit floats."""


def dpo_loss(better: Tensor, worse: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Compute the loss of DPO (Rafailov et al. 2023, arXiv:2305.18290), (pairs,).

    `better` and `worse` are log-ratios, (pairs,). With label smoothing that share of the pairs is
    assumed to be the wrong way round ("conservative DPO", Mitchell 2023).
    """
    margins = beta * (better - worse)
    right, wrong = functional.logsigmoid(margins), functional.logsigmoid(-margins)
    return -(1 - label_smoothing) * right - label_smoothing * wrong


def simpo_loss(better: Tensor, worse: Tensor, beta: float, gamma: float) -> Tensor:
    """Compute SimPO's loss (Meng et al. 2024, arXiv:2405.14734), (pairs,).

    `better` and `worse` are mean log-probabilities per token, (pairs,).
    """
    return -functional.logsigmoid(beta * (better - worse) - gamma)


def odds_ratio_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Compute the odds ratio loss of ORPO (Hong et al. 2024, arXiv:2403.07691), (pairs,).

    Equation 7 of the paper. `better` and `worse` are mean log-probabilities per token, (pairs,).
    """
    return -functional.logsigmoid(_log_odds(better) - _log_odds(worse))


def kto_loss(
    ratios: Tensor,
    desirable: Tensor,
    divergence: Tensor,
    beta: float,
    weights: tuple[float, float] = (1.0, 1.0),
) -> Tensor:
    """Compute the loss of KTO (Ethayarajh et al. 2024, arXiv:2402.01306), (answers,).

    `ratios` are log-ratios, (answers,), `desirable` says which answers are, bool; `weights` are
    those of desirable and of undesirable answers. `divergence` is how far the model is from the one
    before the training, in nats, scalar: the mean log-ratio of mismatched answers, at least 0.
    """
    values = torch.where(desirable, ratios - divergence, divergence - ratios)
    weight = torch.where(desirable, *weights)
    return weight * (1 - torch.sigmoid(beta * values))


def _log_odds(mean: Tensor) -> Tensor:
    mean = mean.clamp(max=SURE)
    return mean - torch.log(-torch.expm1(mean))


@dataclass(frozen=True)
class Likelihoods:
    """How likely the answers of a batch are."""

    answers: Tensor
    """Log-probability of each answer in nats, (rows,)."""
    lengths: Tensor
    """Tokens of each answer, (rows,)."""
    targets: Tensor
    """Log-probability of each target in nats, (targets,)."""


def likelihoods(targets: Tensor, comparison: Comparison) -> Likelihoods:
    """Sum the log-probabilities of targets in nats, (targets,), over the answers of a batch."""
    rows, answered = comparison.rows, comparison.answered
    none = torch.zeros_like(comparison.references)
    sums = none.index_add(0, rows[answered], targets[answered])
    lengths = torch.bincount(rows[answered], minlength=len(none))
    return Likelihoods(sums, lengths, targets)


def preference_loss(
    found: Likelihoods, comparison: Comparison, divergence: Tensor
) -> tuple[Tensor, Tensor]:
    """Sum of the losses in nats, and how many pairs or answers with a label come out right, int64.

    With a reference, what has changed in the right direction is right; without one, a pair whose
    better answer is more likely per token. `divergence` is that of kto_loss.
    """
    preference = comparison.preference
    settings, beta = preference.settings, preference.beta
    ratios = found.answers - comparison.references
    if comparison.desirable is not None:
        weights = settings.kto_desirable_weight, settings.kto_undesirable_weight
        losses = kto_loss(ratios, comparison.desirable, divergence, beta, weights)
        gains = torch.where(comparison.desirable, ratios, -ratios)
        return losses.sum(), _count(gains)
    if settings.dpo_normalize_logratios_by_length or not preference.has_reference:
        ratios = ratios / found.lengths
    better, worse = ratios.chunk(2)
    if preference.method == "dpo":
        losses = dpo_loss(better, worse, beta, settings.dpo_label_smoothing)
    elif preference.method == "simpo":
        losses = simpo_loss(better, worse, beta, settings.simpo_gamma)
    else:
        losses = settings.orpo_lambda * odds_ratio_loss(better, worse)
    loss = losses.sum()
    if preference.likelihood_weight:
        # As in TRL, the mean over all tokens of the batch, not over its answers.
        surprise = -found.targets[comparison.rows < len(losses)].mean()
        loss = loss + preference.likelihood_weight * len(losses) * surprise
    return loss, _count(better - worse)


def _count(gains: Tensor) -> Tensor:
    return (gains.detach() > ROUNDING).sum().to(torch.int64)
