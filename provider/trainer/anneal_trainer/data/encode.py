"""Text to token ids with the model's own tokenizer, the same for counting and for training.

Only the `tokenizers` library is used, never a framework on top of it: the client counts with a
port of the same library, and the two counts must be equal.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from anneal_trainer.data.template import CONFIG_HINT, SPECIAL_TOKENS, ChatTemplate
from anneal_trainer.errors import ConfigError


@dataclass(frozen=True)
class Tokens:
    """Token ids of one text, and their positions in the text."""

    ids: list[int]
    """Token ids, in order."""
    spans: list[tuple[int, int]]
    """For each id the offset of its first character, and the offset after its last one."""


class TextEncoder:
    """The tokenizer of a model directory: tokenizer.json and tokenizer_config.json."""

    def __init__(self, model_directory: Path) -> None:
        names = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
        path, *others = (model_directory / name for name in names)
        if not path.is_file():
            raise ConfigError("The model has no tokenizer.json.", CONFIG_HINT)
        self.files = (path, *(other for other in others if other.is_file()))
        """The files that this encoder is made from."""
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._config = _read_json(model_directory / "tokenizer_config.json")
        self._template_source = _read_template(model_directory, self._config)

    @property
    def eos_id(self) -> int:
        """The id that ends a text."""
        id_ = self._special_id("eos_token")
        if id_ is None:
            raise ConfigError("The model's tokenizer_config.json has no eos_token.", CONFIG_HINT)
        return id_

    @property
    def pad_id(self) -> int:
        """The id that pads short rows; it is masked, so any id will do."""
        id_ = self._special_id("pad_token")
        if id_ is None:
            id_ = self._special_id("eos_token")
        return 0 if id_ is None else id_

    @property
    def vocabulary(self) -> int:
        """Upper bound of the ids: one more than the tokenizer's highest."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    @property
    def control_tokens(self) -> list[str]:
        """The special tokens, which have a meaning of their own, in the tokenizer's order."""
        added = self._tokenizer.get_added_tokens_decoder()
        return [added[id_].content for id_ in sorted(added) if added[id_].special]

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """The ids of the control tokens, and of the token that ends a text."""
        added = self._tokenizer.get_added_tokens_decoder()
        eos_id = self._special_id("eos_token")
        named = () if eos_id is None else (eos_id,)
        return frozenset((*(id_ for id_, token in added.items() if token.special), *named))

    @property
    def end_token(self) -> str | None:
        """The text of the token that ends a text."""
        return self._special("eos_token")

    def encode(self, text: str, cuts: Sequence[int] = ()) -> Tokens:
        """Encode without adding special tokens; no token goes across one of the cuts."""
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        for begin, end in pairwise((0, *cuts, len(text))):
            encoding = self._tokenizer.encode(text[begin:end], add_special_tokens=False)
            ids += encoding.ids
            previous = 0
            for start, stop in encoding.offsets:
                # Some tokenizers leave out the white space before a word.
                spans.append((begin + min(start, previous), begin + stop))
                previous = stop
        return Tokens(ids, spans)

    @cached_property
    def leading_ids(self) -> list[int]:
        """The special tokens that the tokenizer puts before a text, as at inference."""
        encoding = self._tokenizer.encode("a", add_special_tokens=True)
        special = zip(encoding.ids, encoding.special_tokens_mask, strict=True)
        return [id_ for id_, _ in takewhile(lambda pair: pair[1], special)]

    def token_text(self, id_: int) -> str:
        """Return a token as it is spelt in the vocabulary."""
        text: str | None = self._tokenizer.id_to_token(id_)
        return text or ""

    def is_blank(self, id_: int) -> bool:
        """Return whether a token is white space."""
        text: str = self._tokenizer.decode([id_], skip_special_tokens=False)
        return not text.strip()

    def encode_special(self, text: str) -> tuple[list[int], int]:
        """Encode with the tokenizer's own special tokens; also return how many are at the end."""
        encoding = self._tokenizer.encode(text, add_special_tokens=True)
        ending = 0
        for special in reversed(encoding.special_tokens_mask):
            if not special:
                break
            ending += 1
        return encoding.ids, ending

    def decode(self, ids: Sequence[int]) -> str:
        """Decode to text without special tokens."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    @cached_property
    def template(self) -> ChatTemplate:
        """The model's chat template. Raises ConfigError if it has none."""
        names = ((name, self._special(name)) for name in SPECIAL_TOKENS)
        return ChatTemplate(self._template_source, {k: v for k, v in names if v is not None})

    def _special(self, name: str) -> str | None:
        """Return a special token's text; the config has it as a string or as an object."""
        token = self._config.get(name)
        content = token.get("content") if isinstance(token, dict) else token
        return content if isinstance(content, str) else None

    def _special_id(self, name: str) -> int | None:
        token = self._special(name)
        if token is None:
            return None
        id_: int | None = self._tokenizer.token_to_id(token)
        return id_


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ConfigError(f"The model's {path.name} is not JSON.", CONFIG_HINT) from None
    return content


def _read_template(model_directory: Path, config: dict[str, Any]) -> object:
    """Return the source of the chat template, or a list of templates with names."""
    path = model_directory / "chat_template.jinja"
    return path.read_text(encoding="utf-8") if path.is_file() else config.get("chat_template")
