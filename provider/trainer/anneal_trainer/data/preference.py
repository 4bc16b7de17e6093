"""Preference methods: what they learn from, and their settings."""

from dataclasses import dataclass

from anneal_trainer.data.example import Dataset
from anneal_trainer.errors import ConfigError
from anneal_trainer.job import Hyperparameters, Method, PreferenceMethod

PLAIN, PAIRS, UNPAIRED = "plain rows", "preference pairs", "answers with a label"
LEARNS_FROM: dict[Method, tuple[str, ...]] = {
    "sft": (PLAIN,),
    "dpo": (PAIRS,),
    "simpo": (PAIRS,),
    "orpo": (PAIRS,),
    "kto": (UNPAIRED, PAIRS),
}
BETAS: dict[PreferenceMethod, float] = {"dpo": 0.1, "simpo": 2.0, "orpo": 0.0, "kto": 0.1}
"""Default strengths, those of the papers; orpo has none."""


@dataclass(frozen=True)
class Preference:
    """A preference method with its settings."""

    method: PreferenceMethod
    """The method."""
    settings: Hyperparameters
    """The job's hyper-parameters."""

    @property
    def beta(self) -> float:
        """Strength with which the method holds on to what it compares with."""
        given = self.settings.dpo_beta
        return BETAS[self.method] if given is None else given

    @property
    def has_reference(self) -> bool:
        """Whether answers are compared with the model before the training."""
        return self.method in ("dpo", "kto")

    @property
    def likelihood_weight(self) -> float:
        """Weight of the cross-entropy of the better answers in the loss."""
        return {"dpo": self.settings.rpo_alpha, "orpo": 1.0}.get(self.method, 0.0)

    @property
    def learns_prompts(self) -> bool:
        """Whether that cross-entropy includes the prompts."""
        return self.likelihood_weight > 0 and self.settings.train_on_inputs is True


def kind_of_rows(dataset: Dataset) -> str:
    """Return what the rows of a causal language model's dataset are."""
    first = dataset.examples[0]
    if first.rejected is not None:
        return PAIRS
    return PLAIN if first.desirable is None else UNPAIRED


def choose_preference(parameters: Hyperparameters, train: Dataset) -> Preference | None:
    """Return the method that is set, or else fits the rows; None for sft.

    Raises ConfigError if the method that is set does not fit them.
    """
    kind = kind_of_rows(train)
    fitting: dict[str, Method] = {PLAIN: "sft", PAIRS: "dpo", UNPAIRED: "kto"}
    method = parameters.training_method or fitting[kind]
    wanted = LEARNS_FROM[method]
    if kind not in wanted:
        raise ConfigError(
            f"training_method is {method}, which learns from {' or '.join(wanted)}, but "
            f"{train.path.name} has {kind}.",
            f"Give other rows, or set training_method to {' or '.join(_methods_for(kind))}.",
        )
    return None if method == "sft" else Preference(method, parameters)


def _methods_for(kind: str) -> list[str]:
    return [method for method, kinds in LEARNS_FROM.items() if kind in kinds]
