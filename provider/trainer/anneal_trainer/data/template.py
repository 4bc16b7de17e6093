"""Chat templates: conversations to text, exactly as transformers renders them for inference.

The client renders the same templates with an engine of its own, and the two texts must be equal,
because their tokens are what a task costs. Only the day is not today's.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jinja2.ext
import jinja2.nodes
import jinja2.parser
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from anneal_trainer.errors import ConfigError

CONFIG_HINT = "Ask the provider to repair the model's tokenizer files."

TODAY = datetime(2024, 7, 26)
"""The day that templates write as today's, so that counts and training do not depend on the day:
the one that Llama 3's own template falls back on. The client has the same."""

SPECIAL_TOKENS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
"""The special tokens that templates know by name, as in transformers."""


@dataclass(frozen=True)
class Rendered:
    """A rendered conversation."""

    text: str
    """Its text."""
    generated: tuple[tuple[int, int], ...]
    """Character ranges that the template itself marks as the assistant's."""


class ChatTemplate:
    """The chat template of a model, from its tokenizer_config.json."""

    def __init__(self, source: object, special_tokens: Mapping[str, str]) -> None:
        """Compile a template, or a list of templates with names.

        Raises ConfigError if there is none, or if it is broken.
        """
        sources = _read_sources(source)
        if "default" not in sources:
            raise ConfigError(
                "The model's tokenizer has no chat_template, so it cannot be trained on messages.",
                "Choose a chat model or give prompt and completion.",
            )
        self._plain = _compile(sources["default"])
        self._with_tools = _compile(sources["tool_use"]) if "tool_use" in sources else self._plain
        self._special_tokens = dict(special_tokens)

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        ask: bool = False,
        tools: Sequence[Any] | None = None,
    ) -> Rendered:
        """Render a conversation; `ask` adds the generation prompt.

        Raises ValueError if the template refuses the messages.
        """
        template = self._plain if tools is None else self._with_tools
        context = template.new_context(
            {
                "messages": messages,
                "tools": tools,
                "documents": None,
                "add_generation_prompt": ask,
                **self._special_tokens,
            }
        )
        blocks: list[str] = []
        marks: list[tuple[int, str]] = []
        context.vars[_MARKS] = blocks, marks
        try:
            blocks.extend(template.root_render_func(context))
        except Exception as error:  # whatever the template does with the messages
            raise ValueError(_reason(error)) from error
        text = "".join(blocks)
        exact = all(text.startswith(written, begin) for begin, written in marks)
        ranges = [(begin, begin + len(written)) for begin, written in marks]
        return Rendered(text, tuple(ranges) if exact else ())


_MARKS = "anneal_marks"


class _Generation(jinja2.ext.Extension):
    """{% generation %}, which changes no text: the position of a block that is not nested."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        call = self.call_method("_mark", [jinja2.nodes.ContextReference()])
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _mark(self, context: jinja2.runtime.Context, caller: jinja2.runtime.Macro) -> str:
        written: str = caller()
        blocks, marks = context[_MARKS]
        marks.append((sum(map(len, blocks)), written))
        return written


def _environment() -> ImmutableSandboxedEnvironment:
    """Return an environment as transformers makes it for chat templates."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Generation, jinja2.ext.loopcontrols],
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = TODAY.strftime
    return environment


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"


def _read_sources(source: object) -> dict[str, str]:
    """Return templates by name; a single one is the default."""
    if isinstance(source, str):
        return {"default": source}
    named = source if isinstance(source, list) else []
    return {each["name"]: each["template"] for each in named if isinstance(each, dict)}


def _compile(source: str) -> jinja2.Template:
    try:
        return _ENVIRONMENT.from_string(source)
    except TemplateError as error:
        raise ConfigError(f"The model's chat template is broken: {error}.", CONFIG_HINT) from None


_ENVIRONMENT = _environment()
