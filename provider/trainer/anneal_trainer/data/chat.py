"""The assistant's turns in a rendered conversation: the part that counts in the loss.

A chat template may trim, rewrite or drop what it is given, and templates differ in how they do so.
So nothing is guessed from their text: a turn is what the template appends when its message is
added, if the whole conversation has it in its place. It begins where it differs from a generation
prompt and from other answers. The client's dataset checker follows the same rules.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from typing import Any

from anneal_trainer.data.messages import Message, ToolCall
from anneal_trainer.data.template import ChatTemplate, Rendered
from anneal_trainer.data.traits import Item, Traits, read_traits, to_template

EXACT_MESSAGES = 32
"""Up to this number of messages, a turn is located after all messages before it, beyond only after
the last ones."""

PLACEHOLDER = "kqzvzqvkwvzq"
"""Stands for an answer that a template would change."""


@dataclass(frozen=True)
class Turn:
    """A turn of the assistant in a text."""

    number: int
    """Number of its message, from 0."""
    begin: int
    """Its first character."""
    end: int
    """The character after its end marker."""


@dataclass(frozen=True)
class Conversation:
    """A rendered conversation and its turns that can be learned."""

    text: str
    """Its text."""
    turns: tuple[Turn, ...]
    """The assistant's turns, in order."""
    hidden: int
    """Turns that count but cannot be located, because the template rewrites them."""
    unlocated: str | None = None
    """Why not even the assistant's last turn can be located; `turns` is then empty."""
    cuts: tuple[int, ...] = ()
    """Where the text is cut before it becomes tokens, so that control tokens that people wrote stay
    text."""


@dataclass(frozen=True)
class _Opening:
    """What precedes an answer when the model is asked, and in every turn."""

    asked: str | None
    common: str


@dataclass(frozen=True)
class _Context:
    """A conversation that is read."""

    messages: Sequence[Message]
    items: list[Item]
    write: Callable[[Sequence[Item]], Rendered]
    opening_before: Callable[[int], _Opening]
    tail: str
    control: Sequence[str]

    def base(self, items: Sequence[Item]) -> str:
        """Render messages without the end of the text."""
        return self.write(items).text.removesuffix(self.tail) if items else ""


class ConversationReader:
    """Reads conversations with one chat template."""

    def __init__(self, template: ChatTemplate, end: str | None, control: Sequence[str]) -> None:
        """Take the token that ends a text, and all tokens with a meaning of their own."""
        self._template = template
        self._end = end
        self._control = control
        self._openings: dict[tuple[str | None, bool], _Opening] = {}

    def read(
        self, messages: Sequence[Message], tools: list[dict[str, Any]] | None = None, given: int = 0
    ) -> Conversation:
        """Render a conversation and locate the assistant's turns.

        The `given` messages at the start are never learned, whatever their role. Raises ValueError
        if the template refuses the messages, or leaves out part of what is to be learned.
        """
        found = self._read_as(messages, tools, given)
        neutral, neutral_tools = _neutralize((messages, tools), self._control)
        if (neutral, neutral_tools) == (messages, tools):
            return found
        text = self._read_as(neutral, neutral_tools, given).text
        return replace(found, cuts=_cuts(found.text, text))

    @cached_property
    def _traits(self) -> Traits:
        return read_traits(self._template)

    @cached_property
    def _tail(self) -> str:
        return _find_tail(self._template, self._end)

    def _read_as(
        self, messages: Sequence[Message], tools: list[dict[str, Any]] | None, given: int
    ) -> Conversation:
        _require_known(messages, tools, self._traits)
        items = to_template(messages, self._traits)
        context = _Context(
            messages=messages,
            items=items,
            write=lambda some: self._template.render(some, tools=tools),
            opening_before=lambda number: self._opening(items, number, has_tools=bool(tools)),
            tail=self._tail,
            control=self._control,
        )
        return _learnable(context, given)

    def _opening(self, items: Sequence[Item], number: int, *, has_tools: bool) -> _Opening:
        role = items[number - 1]["role"] if number else None
        if (role, has_tools) not in self._openings:
            before = _preceding(role, self._traits)
            opening = _find_opening(
                self._template, before, TOOLS if has_tools else None, self._tail
            )
            self._openings[role, has_tools] = opening
        return self._openings[role, has_tools]


def _require_known(
    messages: Sequence[Message], tools: list[dict[str, Any]] | None, traits: Traits
) -> None:
    if tools and not traits.knows_tools:
        raise ValueError("it has no place for tools")
    calls = any(message.role == "tool" or message.tool_calls for message in messages)
    if calls and not traits.calls:
        raise ValueError("it has no place for calls of tools")


def _learnable(context: _Context, given: int) -> Conversation:
    """Return the turns that count, each with all of its answer."""
    messages = context.messages
    rendered = context.write(context.items)
    text = rendered.text
    speaking = [number for number, each in enumerate(messages) if each.role == "assistant"]
    counting = [number for number in speaking if number >= given and messages[number].weight]
    if len(rendered.generated) == len(speaking):
        pairs = zip(speaking, rendered.generated, strict=True)
        located = [Turn(number, begin, end) for number, (begin, end) in pairs]
    else:
        located = _locate(context, text, speaking)
    turns = [
        turn
        for turn in located
        if turn.number in counting and _is_whole(messages[turn.number], text[turn.begin : turn.end])
    ]
    last = counting[-1]
    if turns and turns[-1].number == last:
        return Conversation(text, tuple(turns), len(counting) - len(turns))
    if all(turn.number != last for turn in located) and _is_whole(messages[last], text):
        reason = (
            f"it rewrites earlier turns, so the assistant's message {last + 1} cannot be located"
        )
        return Conversation(text, (), len(counting), reason)
    restored = _restore(context, last)
    if restored is None:
        raise ValueError(f"it leaves out part of the assistant's message {last + 1}")
    text, turn = restored
    turns = [*(each for each in turns if each.end <= turn.begin), turn]
    return Conversation(text, tuple(turns), len(counting) - len(turns))


def _is_whole(message: Message, turn: str) -> bool:
    """Return whether a turn has all that its message says."""
    parts = [
        *re.split("</?think>", message.content or ""),
        message.reasoning or "",
        *(call.name for call in message.tool_calls),
    ]
    return all(part.strip() in turn for part in parts)


# -- Positions -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Appended:
    """What the template writes between the assistant's turn before and this one, and for this."""

    between: str | None
    """None if the template rewrites the turn before."""
    turn: str
    dropped: int
    """Length of the end of the turn before that the template then leaves out: an end marker before
    a tool's answer."""


def _locate(context: _Context, text: str, speaking: Sequence[int]) -> list[Turn]:
    """Find the turns from the start of the text and from its end.

    As far, that is, as the text is what the template appends message by message.
    """
    appended = _append_all(context, text, speaking)
    turns: list[Turn] = []
    begin = 0
    for number, found in zip(speaking, appended, strict=True):
        if found is None or found.between is None:
            break
        if not text.startswith(found.between + found.turn, begin):
            break
        turns.append(_turn(context, number, begin + len(found.between), found.turn))
        begin += len(found.between) + len(found.turn)
    later: list[Turn] = []
    end = len(text.removesuffix(context.tail))
    rest = range(len(speaking) - 1, len(turns) - 1, -1)
    for index in rest if speaking[-1] == len(context.messages) - 1 else ():
        found = appended[index]
        if found is None or not text[begin:end].endswith(found.turn):
            break
        later.insert(0, _turn(context, speaking[index], end - len(found.turn), found.turn))
        end -= len(found.turn)
        if found.between is None or not text[begin:end].endswith(found.between):
            break
        end -= len(found.between)
    return [_with_tail(turn, text, context.tail) for turn in (*turns, *later)]


def _append_all(context: _Context, text: str, speaking: Sequence[int]) -> list[_Appended | None]:
    """Return what is appended for each turn.

    Without what the template leaves out of it when the next one follows.
    """
    write = _prefix_writer(context, text)
    found = [_append(context, write, speaking, index) for index in range(len(speaking))]
    messages = [context.messages[number] for number in speaking]
    kept: list[_Appended | None] = []
    for index, each in enumerate(found):
        if each is None:
            kept.append(None)
            continue
        before = found[index - 1] if index else None
        rewritten = each.dropped > 0 and not (
            before and _is_whole(messages[index - 1], _kept(before, each))
        )
        turn = _kept(each, found[index + 1] if index + 1 < len(found) else None)
        # A turn that is not whole without its end is rewritten by the next one, which says so.
        turn = turn if _is_whole(messages[index], turn) else each.turn
        kept.append(replace(each, turn=turn, between=None if rewritten else each.between))
    return kept


def _kept(appended: _Appended, following: _Appended | None) -> str:
    dropped = following.dropped if following else 0
    return appended.turn[: max(0, len(appended.turn) - dropped)]


def _with_tail(turn: Turn, text: str, tail: str) -> Turn:
    """Give the end of the text to the last turn, if nothing else is between them."""
    return replace(turn, end=len(text)) if turn.end + len(tail) == len(text) else turn


def _turn(context: _Context, number: int, at: int, turn: str) -> Turn:
    opening = context.opening_before(number)
    if opening.asked is not None and turn.startswith(opening.asked):
        opened = len(opening.asked)
    else:
        opened = _shared_length(turn, opening.common)
    return Turn(number, at + opened, at + len(turn))


_WriteUpTo = Callable[[int, int], str]
"""Writes the messages from the start up to a number, or the last ones before `previous` and those
from it on."""


def _prefix_writer(context: _Context, text: str) -> _WriteUpTo:
    items = context.items
    prefixes = {0: "", len(items): text.removesuffix(context.tail)}
    roles = [message.role for message in context.messages]
    head = len(list(takewhile(lambda role: role in ("system", "developer"), roles)))
    questions = _last_questions(roles)

    def write(number: int, previous: int) -> str:
        if previous > EXACT_MESSAGES:
            question = questions[previous]
            asked = [] if question is None else [items[question]]
            return context.base([*items[:head], *asked, *items[previous:number]])
        if number not in prefixes:
            prefixes[number] = context.base(items[:number])
        return prefixes[number]

    return write


def _last_questions(roles: Sequence[str]) -> list[int | None]:
    """Return the number of the user's last message before each message."""
    last: int | None = None
    questions = []
    for number, role in enumerate(roles):
        questions.append(last)
        last = number if role == "user" else last
    return questions


def _append(
    context: _Context, write: _WriteUpTo, speaking: Sequence[int], index: int
) -> _Appended | None:
    number = speaking[index]
    previous = speaking[index - 1] if index else -1
    try:
        spoken = write(previous + 1, previous) if index else ""
        asked = write(number, previous)
        said = write(number + 1, previous)
    except ValueError:
        return None
    if not said.startswith(asked):
        return None
    kept = len(spoken)
    if not asked.startswith(spoken):
        kept = _kept_length(spoken, asked, context.control)
    return _Appended(asked[kept:], said[len(asked) :], len(spoken) - kept)


def _kept_length(spoken: str, asked: str, control: Sequence[str]) -> int:
    """Return the length of the common start that ends within no control token of the first."""
    shared = _shared_length(spoken, asked)
    kept = shared
    for token in control:
        start = spoken.rfind(token, 0, shared - 1 + len(token))
        if start >= 0 and start + len(token) > shared:
            kept = min(kept, start)
    return kept


def _shared_length(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


# -- What a template writes around answers ---------------------------------------------------------

USER: Item = {"role": "user", "content": "Q"}
CALL = Message("assistant", None, tool_calls=(ToolCall("f", {}, None, "call_1"),))
RESULT = Message("tool", "R", name="f", tool_call_id="call_1")
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "f",
            "description": "D",
            "parameters": {"type": "object", "properties": {}},
        },
    }
]


def _answer(content: str) -> Item:
    return {"role": "assistant", "content": content}


def _find_tail(template: ChatTemplate, end: str | None) -> str:
    """Return the end of a text, after the last message: empty, or the end token."""
    if not end:
        return ""
    try:
        asked = template.render([USER]).text
        said = template.render([USER, _answer("A")]).text
    except ValueError:
        return ""
    is_tail = not said.startswith(asked) and asked.endswith(end) and said.endswith(end)
    return end if is_tail and said.startswith(asked.removesuffix(end)) else ""


def _find_opening(
    template: ChatTemplate, before: list[Item], tools: list[dict[str, Any]] | None, tail: str
) -> _Opening:
    """Find what a template writes between messages and an answer to them, whatever it is."""

    def after(*items: Item, ask: bool = False) -> str | None:
        try:
            start = template.render(before, tools=tools).text.removesuffix(tail) if before else ""
            text = template.render([*before, *items], tools=tools, ask=ask).text
        except ValueError:
            return None
        return text[len(start) :] if text.startswith(start) else None

    asked = after(ask=True) if before else None
    answers = [asked, after(_answer("A")), after(_answer("B"))]
    first, *rest = [each for each in answers if each is not None] or [""]
    for other in rest:
        first = first[: _shared_length(first, other)]
    return _Opening(asked, first)


def _preceding(role: str | None, traits: Traits) -> list[Item]:
    """Return messages that end with one of this role."""
    if role is None:
        return []
    if role == "user":
        return [USER]
    if role == "assistant":
        return [USER, _answer("P")]
    if role == "tool":
        return [USER, *to_template([CALL, RESULT], traits)]
    return [{"role": role, "content": "S"}]


# -- What a template leaves out --------------------------------------------------------------------


def _restore(context: _Context, number: int) -> tuple[str, Turn] | None:
    """Put the last message as its row has it in the place of what the template would write.

    Templates of reasoning models drop the reasoning of answers, but it is what the model has to
    learn. None if there is no such place.
    """
    message, items, tail = context.messages[number], context.items, context.tail
    if message.tool_calls or number != len(items) - 1:
        return None
    if message.reasoning and "<think>" not in (context.opening_before(number).asked or ""):
        return None
    before = context.base(items[:number])
    text = context.write([*items[:number], _answer(PLACEHOLDER)]).text
    if not text.startswith(before) or text.count(PLACEHOLDER) != 1:
        return None
    thought = f"<think>\n{message.reasoning}\n</think>\n\n" if message.reasoning else ""
    whole = text.replace(PLACEHOLDER, thought + (message.content or ""))
    turn = _turn(context, number, len(before), whole.removesuffix(tail)[len(before) :])
    return whole, _with_tail(turn, whole, tail)


# -- Control tokens that people wrote --------------------------------------------------------------

NEUTRAL = "\ue000"
"""Of private use: stands for the first character of a control token."""


def _neutralize(value: Any, control: Sequence[str]) -> Any:  # noqa: ANN401
    """Return a value in which the control tokens are text."""
    if isinstance(value, str):
        for token in control:
            value = value.replace(token, NEUTRAL + token[1:])
        return value
    if isinstance(value, list | tuple):
        return type(value)(_neutralize(each, control) for each in value)
    if isinstance(value, dict):
        return {_neutralize(key, control): _neutralize(value[key], control) for key in value}
    if isinstance(value, Message | ToolCall):
        fields = {key: _neutralize(each, control) for key, each in vars(value).items()}
        return replace(value, **fields)
    return value


def _cuts(text: str, neutral: str) -> tuple[int, ...]:
    """Return the ends of the first characters of all control tokens that people wrote."""
    places = [
        place for place, (one, other) in enumerate(zip(text, neutral, strict=False)) if one != other
    ]
    if len(text) != len(neutral) or any(neutral[place] != NEUTRAL for place in places):
        raise ValueError("it changes what people wrote, and they wrote control tokens")
    return tuple(place + 1 for place in places)
