"""The token id that pads short rows."""

from torch import nn

from anneal_trainer.job import Kind
from anneal_trainer.model.generation import base_of


def settle_padding(model: nn.Module, kind: Kind, tokenizers: int) -> int:
    """Return the id to pad with: the model's, else the tokenizer's, else 0.

    Only an id of the vocabulary will do. Padding is masked, so that it changes nothing, but a
    decoder that classifies looks for the last token that is not its padding, and its configuration
    then names the same id.
    """
    if kind == "image-classification":
        return tokenizers
    base = base_of(model)
    words = base.get_input_embeddings().num_embeddings
    candidates = (base.config.pad_token_id, tokenizers)
    id_ = next((one for one in candidates if one is not None and 0 <= one < words), 0)
    if kind == "text-classification":
        base.config.pad_token_id = id_
    return id_
