"""Render and read chat templates: `python tests/render_templates.py`.

For the client's tests. On stdin {"wheels": [path], "templates": {name: source}, "conversations":
{name: row}}; a row has messages and optionally tools and add_generation_prompt. On stdout one line
of JSON per template, of those and of all in the wheels: {"name", "source", "found": {conversation:
{"transformers", "trainer", "read"}}}, in which a text is None if the template refuses the
conversation, and "read" is how the trainer reads it as a row.
"""

import json
import sys
from dataclasses import asdict
from datetime import datetime
from itertools import chain
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from transformers.utils import chat_template_utils  # noqa: E402

from anneal_trainer.data.chat import ConversationReader  # noqa: E402
from anneal_trainer.data.lines import Place  # noqa: E402
from anneal_trainer.data.messages import read_conversation_field, read_tools  # noqa: E402
from anneal_trainer.data.template import TODAY, ChatTemplate  # noqa: E402
from anneal_trainer.errors import JobError  # noqa: E402

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
CONTROL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>"]


class _Today:
    """Stands for the clock of transformers' own renderer, which reads nothing else of it."""

    @staticmethod
    def now() -> datetime:
        return TODAY


chat_template_utils.datetime = _Today


def templates(wheels):
    """Yield the different templates of all wheels: files, and texts in JSON."""
    seen = set()
    for path in wheels:
        package = Path(path).name.split("-")[0]
        with ZipFile(path) as wheel:
            for entry in sorted(wheel.namelist()):
                for name, source in _templates_in(wheel, entry):
                    if source not in seen:
                        seen.add(source)
                        yield f"{package}/{name}", source


def _templates_in(wheel, entry):
    name = PurePosixPath(entry).stem
    if entry.endswith(".jinja"):
        yield name, wheel.read(entry).decode()
    elif entry.endswith(".json"):
        try:
            document = json.loads(wheel.read(entry))
        except ValueError:
            return
        yield from _texts(document, name)


def _texts(value, name):
    if isinstance(value, list):
        for each in value:
            yield from _texts(each, name)
    elif isinstance(value, dict):
        name = str(value.get("model_name", name))
        for key, each in value.items():
            if key == "chat_template" and isinstance(each, str) and "{%" in each:
                yield name, each
            else:
                yield from _texts(each, name)


def by_transformers(source, row):
    try:
        texts, _ = chat_template_utils.render_jinja_template(
            [row["messages"]],
            tools=row.get("tools"),
            chat_template=source,
            add_generation_prompt=row.get("add_generation_prompt", False),
            **TOKENS,
        )
    except Exception:
        return None
    return texts[0]


def by_trainer(template, row):
    try:
        ask = row.get("add_generation_prompt", False)
        return template.render(row["messages"], tools=row.get("tools"), ask=ask).text
    except ValueError:
        return None


def as_row(reader, row):
    place = Place(Path("row"), 1)
    try:
        messages = read_conversation_field(place, row, "messages")
        return asdict(reader.read(messages, read_tools(place, row)))
    except (ValueError, JobError) as error:
        return {"refused": type(error).__name__}


def main():
    given = json.load(sys.stdin)
    for name, source in chain(templates(given["wheels"]), given["templates"].items()):
        template = ChatTemplate(source, TOKENS)
        reader = ConversationReader(template, "</s>", CONTROL)
        found = {
            key: {
                "transformers": by_transformers(source, row),
                "trainer": by_trainer(template, row),
                "read": as_row(reader, row),
            }
            for key, row in given["conversations"].items()
        }
        print(json.dumps({"name": name, "source": source, "found": found}))


if __name__ == "__main__":
    main()
