"""Text to token ids with the model's own tokenizer, the same for counting and for training.

Only the `tokenizers` library is used, never a framework on top of it: the client counts with a
port of the same library, and the two counts must be equal.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from anneal_trainer.errors import ConfigError

CONFIG_HINT = "Ask the provider to repair the model's tokenizer files."


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
        path = model_directory / "tokenizer.json"
        if not path.is_file():
            raise ConfigError("The model has no tokenizer.json.", CONFIG_HINT)
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._config = _read_json(model_directory / "tokenizer_config.json")
        self._template = _read_template(model_directory, self._config)

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

    def encode(self, text: str) -> Tokens:
        """Encode without adding special tokens."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return Tokens(encoding.ids, encoding.offsets)

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

    def render(self, messages: Sequence[dict[str, str]], *, ask: bool = False) -> str:
        """Render a conversation with the tokenizer's chat template.

        `ask` adds the generation prompt. Raises ConfigError if the model has no template, and
        ValueError if the template refuses the messages.
        """
        if self._template is None:
            raise ConfigError(
                "The model's tokenizer has no chat_template, so it cannot be trained on messages.",
                "Choose a chat model or give prompt and completion.",
            )
        names = {name: self._special(name) or "" for name in ("bos_token", "eos_token")}
        try:
            text: str = self._template.render(messages=messages, add_generation_prompt=ask, **names)
        except TemplateError as error:
            raise ValueError(str(error)) from error
        return text

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


def _read_template(model_directory: Path, config: dict[str, Any]) -> Any:  # noqa: ANN401
    """Compile the chat template with the settings that chat templates expect."""
    path = model_directory / "chat_template.jinja"
    source = path.read_text(encoding="utf-8") if path.is_file() else config.get("chat_template")
    if not isinstance(source, str):
        return None

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.globals["raise_exception"] = raise_exception
    try:
        return environment.from_string(source)
    except TemplateError as error:
        raise ConfigError(f"The model's chat template is broken: {error}.", CONFIG_HINT) from None
