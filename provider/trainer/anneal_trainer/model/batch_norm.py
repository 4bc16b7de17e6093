"""Batch normalization while fine-tuning: the base model's statistics are kept."""

from torch import nn


class _KeptStatistics(nn.BatchNorm2d):
    """Normalizes with the base model's running mean and variance, also during training.

    The mean over a small batch is a poor estimate, and it would make a row's result depend on the
    rows beside it: a step over several small batches would not equal one over a large batch, and
    measuring would change the model. Scale and shift are trained as usual.
    """

    def train(self, mode: bool = True) -> "_KeptStatistics":
        super().train(mode=False)
        return self


def keep_statistics(model: nn.Module) -> None:
    """Let every batch normalization of a model keep its statistics from now on."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = _KeptStatistics
            module.eval()
