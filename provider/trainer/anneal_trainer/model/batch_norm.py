"""Batch normalization while fine-tuning: the base model's statistics are kept."""

from torch import nn


class _KeptStatistics(nn.modules.batchnorm._BatchNorm):
    """Normalizes with the base model's running mean and variance, also during training.

    The mean over a small batch is a poor estimate, and it would make a row's result depend on the
    rows beside it: a step over several small batches would not equal one over a large batch, and
    measuring would change the model. Scale and shift are trained as usual.
    """

    def train(self, mode: bool = True) -> "_KeptStatistics":
        super().train(mode=False)
        return self


class _Kept1d(_KeptStatistics, nn.BatchNorm1d):
    """Of vectors, as in LeViT."""


class _Kept2d(_KeptStatistics, nn.BatchNorm2d):
    """Of images."""


KEPT: dict[type[nn.Module], type[nn.Module]] = {nn.BatchNorm1d: _Kept1d, nn.BatchNorm2d: _Kept2d}


def keep_statistics(model: nn.Module) -> None:
    """Let every batch normalization of a model keep its statistics from now on."""
    for module in model.modules():
        kept = KEPT.get(type(module))
        if kept is not None:
            module.__class__ = kept
            module.eval()
