"""How a chat template takes what not every template knows: tools, reasoning, developers.

It is found out by rendering, never from the template's source. The client does the same.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from anneal_trainer.data.messages import Message, ToolCall
from anneal_trainer.data.template import ChatTemplate

Item = dict[str, Any]
"""A message as a template takes it."""


@dataclass(frozen=True)
class CallStyle:
    """How a template takes calls of tools and their answers."""

    object_arguments: bool
    """Whether arguments are an object, else JSON."""
    short_ids: bool
    """Whether it takes ids only if they have nine digits or letters, as Mistral's do."""
    null_content: bool
    """Whether a message with calls and no content has the content None, else an empty text."""


@dataclass(frozen=True)
class Traits:
    """What a template knows."""

    knows_tools: bool
    """Whether it writes the definitions of tools."""
    calls: CallStyle | None
    """How it takes calls of tools and their answers; None if it leaves them out."""
    knows_developer: bool
    """Whether it writes messages of a developer."""
    reasoning_key: str | None
    """The key under which it looks for the assistant's reasoning; None if it leaves it out."""


WORD, VALUE, RESULT = "kqzv", "zqvk", "wvzq"
"""Words that no template writes by itself."""

USER: Item = {"role": "user", "content": "Q"}
ANSWER: Item = {"role": "assistant", "content": "A"}
TOOL = {
    "type": "function",
    "function": {
        "name": WORD,
        "description": "D",
        "parameters": {
            "type": "object",
            "properties": {"p": {"type": "string", "description": "P"}},
            "required": ["p"],
        },
    },
}
UNKNOWN = Traits(knows_tools=False, calls=None, knows_developer=False, reasoning_key=None)


def read_traits(template: ChatTemplate) -> Traits:
    """Find out how a template takes what not every template knows."""

    def written(messages: Sequence[Item], tools: Sequence[Any] | None = None) -> str:
        try:
            return template.render(messages, tools=tools).text
        except ValueError:
            return ""

    styles = (
        CallStyle(object_arguments, short_ids, null_content)
        for object_arguments, short_ids, null_content in product(
            (True, False), (False, True), (True, False)
        )
    )
    keys = ("reasoning_content", "reasoning", "thinking")
    return Traits(
        knows_tools=WORD in written([USER, ANSWER], [TOOL]),
        calls=next((style for style in styles if _takes_calls(style, written)), None),
        knows_developer=WORD in written([{"role": "developer", "content": WORD}, USER, ANSWER]),
        reasoning_key=next(
            (key for key in keys if WORD in written([USER, {**ANSWER, key: WORD}])), None
        ),
    )


def _takes_calls(style: CallStyle, written: Any) -> bool:  # noqa: ANN401
    """Return whether name, argument and result of a call are in the text, of the right types."""
    call = Message("assistant", None, tool_calls=(ToolCall(WORD, {"p": VALUE}, None, "call_1"),))
    result = Message("tool", RESULT, name=WORD, tool_call_id="call_1")
    items = to_template([call, result], replace(UNKNOWN, calls=style))
    text: str = written([USER, *items, ANSWER], [TOOL])
    wrong = (f"{{'p': '{VALUE}'}}", f'\\"{VALUE}\\"')
    plain: str = written([USER, ANSWER], [TOOL])
    return (
        all(word in text for word in (WORD, VALUE, RESULT))
        and not any(sign in text for sign in wrong)
        and text.count("None") <= plain.count("None")
    )


def to_template(messages: Sequence[Message], traits: Traits) -> list[Item]:
    """Return messages as a template with these traits takes them."""
    calls = traits.calls
    numbers = _number_calls(messages) if calls and calls.short_ids else None
    items = []
    for place, message in enumerate(messages):
        is_system = message.role == "developer" and not traits.knows_developer
        content = message.content
        if content is None and not (calls and calls.null_content):
            content = ""
        item: Item = {"role": "system" if is_system else message.role, "content": content}
        if message.name is not None:
            item["name"] = message.name
        if message.reasoning:
            item[traits.reasoning_key or "reasoning_content"] = message.reasoning
        if message.tool_calls:
            item["tool_calls"] = [
                _call_item(call, numbers[place, index] if numbers else call.id, calls)
                for index, call in enumerate(message.tool_calls)
            ]
        answered = numbers.get((place, None)) if numbers else message.tool_call_id
        if answered is not None:
            item["tool_call_id"] = answered
        items.append(item)
    return items


def _call_item(call: ToolCall, id_: str | None, style: CallStyle | None) -> Item:
    arguments: Any = call.arguments
    if style and not style.object_arguments:
        text = call.arguments_text
        arguments = json.dumps(arguments, ensure_ascii=False) if text is None else text
    item = {"type": "function", "function": {"name": call.name, "arguments": arguments}}
    return item if id_ is None else {"id": id_, **item}


def _number_calls(messages: Sequence[Message]) -> dict[tuple[int, int | None], str]:
    """Return nine digits for each call, by message and call, and for each answer, by message.

    An answer has those of the call that it names, or else of the first that no answer has named.
    """
    numbers: dict[tuple[int, int | None], str] = {}
    by_id: dict[str | None, str] = {}
    unanswered: list[str] = []
    count = 0
    for place, message in enumerate(messages):
        for index, call in enumerate(message.tool_calls):
            short = f"{count:09d}"
            count += 1
            numbers[place, index] = short
            if call.id is not None:
                by_id[call.id] = short
            unanswered.append(short)
        if message.role != "tool":
            continue
        found = by_id.get(message.tool_call_id) or next(iter(unanswered), None)
        if found is not None:
            unanswered = [each for each in unanswered if each != found]
            numbers[place, None] = found
    return numbers
