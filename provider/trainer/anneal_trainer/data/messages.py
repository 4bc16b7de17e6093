"""Messages of conversations: roles, contents, weights, and calls of tools.

The rules are the same as those of the client's dataset checker.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anneal_trainer.data.lines import Place, is_whole, refuse_constant, text_field, type_name
from anneal_trainer.data.rules import quote

ROLES = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
"""The roles that rows may name, and what they mean: a function is the tool of an older format."""

KEYS: dict[str, tuple[str, ...]] = {
    "system": ("name",),
    "developer": ("name",),
    "user": ("name",),
    "assistant": (
        "name",
        "reasoning_content",
        "reasoning",
        "thinking",
        "tool_calls",
        "function_call",
        "weight",
    ),
    "tool": ("name", "tool_call_id"),
}
"""The keys of a message beside role and content."""

REASONING = ("reasoning_content", "reasoning", "thinking")
"""The names under which datasets have what the assistant thought."""


@dataclass(frozen=True)
class ToolCall:
    """A function that the assistant calls."""

    name: str
    """Its name, not empty."""
    arguments: dict[str, Any]
    """A JSON object."""
    arguments_text: str | None = None
    """The arguments as the row has them, if it has them as a text."""
    id: str | None = None
    """What the answer refers to."""


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: str
    """system, developer, user, assistant or tool."""
    content: str | None
    """Text parts are joined. None only in a message with tool calls."""
    name: str | None = None
    """Who speaks, or the tool that answers."""
    reasoning: str | None = None
    """What the assistant thought before it answered."""
    tool_calls: tuple[ToolCall, ...] = field(default=())
    """The functions that the assistant calls."""
    tool_call_id: str | None = None
    """The call that a message of a tool answers."""
    weight: int = 1
    """0: the message of the assistant is not learned."""


def read_conversation_field(place: Place, record: Mapping[str, Any], key: str) -> list[Message]:
    """Return checked messages with an answer of the assistant that counts."""
    messages = read_messages(place, record[key], key)
    check_answers(place, messages, key)
    return messages


def check_answers(place: Place, messages: Sequence[Message], key: str) -> None:
    """Require an answer of the assistant that counts."""
    answers = [message for message in messages if message.role == "assistant"]
    if not answers:
        raise place.error("no-assistant", f"{key} has no message from the assistant.")
    if all(answer.weight == 0 for answer in answers):
        message = f"{key} has the weight 0 in every message from the assistant."
        raise place.error("nothing-learned", message)


def read_messages(place: Place, value: object, key: str) -> list[Message]:
    """Return checked messages of any roles."""
    if not isinstance(value, list) or not value:
        raise place.error("bad-messages", f"{key} is not a list with at least one message.")
    return [_message(place, each, f"{key}[{number}]") for number, each in enumerate(value)]


def _message(place: Place, value: object, name: str) -> Message:
    if not isinstance(value, dict):
        raise place.error("bad-message", f"{name} is not an object.")
    fields = {key: each for key, each in value.items() if each is not None or key == "content"}
    if "role" not in fields:
        raise place.error("bad-message", f"{name} has no role.")
    if not isinstance(fields["role"], str) or fields["role"] not in ROLES:
        raise place.error("unknown-role", f"{name} has the role {quote(fields['role'])}.")
    role = ROLES[fields["role"]]
    for key in fields:
        if key not in ("role", "content", *KEYS[role]):
            what = f"which is not one of a message with the role {role}"
            raise place.error("bad-message", f"{name} has the key {quote(key)}, {what}.")
    calls = _tool_calls(place, fields, name)
    return Message(
        role=role,
        content=_content(place, fields, name, role, has_calls=bool(calls)),
        name=_optional_text(place, fields, "name", name),
        tool_call_id=_optional_text(place, fields, "tool_call_id", name),
        reasoning=_reasoning(place, fields, name),
        weight=_weight(place, fields, name),
        tool_calls=calls,
    )


def _content(
    place: Place, fields: Mapping[str, Any], name: str, role: str, *, has_calls: bool
) -> str | None:
    content = fields.get("content")
    if has_calls and content in (None, ""):
        return None
    if "content" not in fields:
        raise place.error("bad-message", f"{name} has no content.")
    if isinstance(content, list):
        content = "".join(_parts(place, content, f"{name}.content"))
    empty = "empty-answer" if role == "assistant" else "empty-text"
    rule = None if role == "tool" else empty
    return text_field(place, {"content": content}, "content", rule, f"{name}.content")


def _parts(place: Place, parts: Iterable[object], name: str) -> Iterable[str]:
    for number, part in enumerate(parts):
        fields = part if isinstance(part, dict) else {}
        if fields.get("type") != "text":
            what = f"the type {quote(fields['type'])}" if "type" in fields else "no type"
            raise place.error("content-part", f'{name}[{number}] has {what}, not "text".')
        if not isinstance(fields.get("text"), str) or len(fields) > len(("type", "text")):
            message = (
                f'{name}[{number}] is not an object of the form {{"type": "text", "text": "…"}}.'
            )
            raise place.error("content-part", message)
        yield fields["text"]


def _optional_text(place: Place, fields: Mapping[str, Any], key: str, name: str) -> str | None:
    return text_field(place, fields, key, name=f"{name}.{key}") if key in fields else None


def _reasoning(place: Place, fields: Mapping[str, Any], name: str) -> str | None:
    keys = [key for key in REASONING if key in fields]
    if len(keys) > 1:
        raise place.error("bad-message", f"{name} has both {keys[0]} and {keys[1]}.")
    if not keys:
        return None
    return text_field(place, fields, keys[0], None, f"{name}.{keys[0]}")


def _weight(place: Place, fields: Mapping[str, Any], name: str) -> int:
    weight = fields.get("weight", 1)
    is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if is_number and weight in (0, 1):
        return int(weight)
    found = _number(weight) if is_number else type_name(weight)
    raise place.error("bad-weight", f"{name}.weight is {found}, not 0 or 1.")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _tool_calls(place: Place, fields: Mapping[str, Any], name: str) -> tuple[ToolCall, ...]:
    """Return the calls: tool_calls, or function_call, as one was called before."""
    if "tool_calls" in fields and "function_call" in fields:
        raise place.error("bad-tool-call", f"{name} has both tool_calls and function_call.")
    if "function_call" in fields:
        return (_call(place, fields["function_call"], f"{name}.function_call"),)
    calls = fields.get("tool_calls", [])
    if not isinstance(calls, list):
        raise place.error("bad-tool-call", f"{name}.tool_calls is not a list.")
    return tuple(
        _tool_call(place, call, f"{name}.tool_calls[{number}]") for number, call in enumerate(calls)
    )


def _tool_call(place: Place, call: object, name: str) -> ToolCall:
    is_form = (
        isinstance(call, dict)
        and call.keys() <= {"id", "type", "function"}
        and call.get("type", "function") == "function"
        and isinstance(call.get("function"), dict)
    )
    if not isinstance(call, dict) or not is_form:
        form = '{"id": …, "type": "function", "function": {"name": …, "arguments": …}}'
        raise place.error("bad-tool-call", f"{name} is not an object of the form {form}.")
    parsed = _call(place, call["function"], f"{name}.function")
    id_ = call.get("id")
    if id_ is None:
        return parsed
    if not isinstance(id_, str) or not id_ or has_half_character(id_):
        raise place.error("bad-tool-call", f"{name}.id is not a text.")
    return ToolCall(parsed.name, parsed.arguments, parsed.arguments_text, id_)


def _call(place: Place, value: object, name: str) -> ToolCall:
    fields = value if isinstance(value, dict) else {}
    called = fields.get("name")
    if not isinstance(called, str) or not called or has_half_character(called):
        raise place.error("bad-tool-call", f"{name} has no name.")
    if not fields.keys() <= {"name", "arguments"}:
        raise place.error("bad-tool-call", f"{name} has keys other than name and arguments.")
    given = fields.get("arguments")
    parsed = _arguments(given) if isinstance(given, str) else given
    if not isinstance(parsed, dict):
        raise place.error("bad-tool-call", f"{name}.arguments is not a JSON object.")
    if has_half_character(parsed):
        message = f"{name}.arguments contains half of a surrogate pair."
        raise place.error("half-character", message)
    return ToolCall(called, parsed, given if isinstance(given, str) else None)


def _arguments(text: str) -> object:
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        return None


def read_tools(
    place: Place, record: Mapping[str, Any], prefix: str = ""
) -> list[dict[str, Any]] | None:
    """Return the tools of a row, or its functions, as the same were called before."""
    tools, functions = record.get("tools"), record.get("functions")
    if tools is not None and functions is not None:
        raise place.error("bad-tools", f"{prefix}tools and functions are both given.")
    key, given = ("tools", tools) if functions is None else ("functions", functions)
    if given is None:
        return None
    if not isinstance(given, list):
        raise place.error("bad-tools", f"{prefix}{key} is not a list.")
    form = '{"type": "function", "function": {"name": …}}' if key == "tools" else '{"name": …}'
    found = []
    for number, each in enumerate(given):
        tool = each if key == "tools" else {"type": "function", "function": each}
        name = f"{prefix}{key}[{number}]"
        if not _is_tool(tool):
            raise place.error("bad-tools", f"{name} is not an object of the form {form}.")
        if has_half_character(tool):
            message = f"{name} contains half of a surrogate pair."
            raise place.error("half-character", message)
        found.append(tool)
    return found or None


def _is_tool(tool: object) -> bool:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return False
    definition = tool.get("function")
    if not isinstance(definition, dict):
        return False
    name = definition.get("name")
    return isinstance(name, str) and name != ""


def has_half_character(value: object) -> bool:
    """Return whether a text anywhere in the value is cut within a character."""
    if isinstance(value, str):
        return not is_whole(value)
    if isinstance(value, list):
        return any(map(has_half_character, value))
    if isinstance(value, dict):
        return any(has_half_character(key) or has_half_character(value[key]) for key in value)
    return False


def check_call_ids(place: Place, messages: Sequence[Message], key: str) -> None:
    """Require that every message of a tool answers a call before it, if it names one."""
    known: set[str] = set()
    for number, message in enumerate(messages):
        known.update(call.id for call in message.tool_calls if call.id is not None)
        if message.tool_call_id is not None and message.tool_call_id not in known:
            name = f"{key}[{number}].tool_call_id"
            raise place.error("bad-tool-call", f"{name} is the id of no call before it.")
