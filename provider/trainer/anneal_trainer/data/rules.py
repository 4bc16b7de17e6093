"""The rules that a dataset can break, and how to fix a violation.

Names and hints are those of the client's dataset checker (sdk/dataset/formats/rules.ts), which
reports the same problems in the same words.
"""

import json
from pathlib import Path

from anneal_trainer.errors import DataError

_ONE_OBJECT = "Write one JSON object on each line."
_ONE_FORMAT = (
    "Give every row exactly the keys of one format: messages and optionally tools; prompt and "
    "completion; prompt, completion and label; text; instruction, output and optionally input; "
    "chosen, rejected and optionally prompt; input, preferred_output and non_preferred_output; for "
    "a text classifier text and label."
)
_FILL_IN = "Fill it in or remove the row."
_MESSAGES = 'Write messages as [{"role": "user", "content": "…"}, …].'
_PACK_AGAIN = "Pack the class folders again with zip or tar."

HINTS = {
    "file-type": "Convert the dataset, or give the file the extension for its content.",
    "no-rows": "Give at least one row, in an archive at least one image: class/image.",
    "compressed": "Unpack it.",
    "not-utf-8": "Save the file as UTF-8.",
    "line-too-long": "Split the row, and check its quotation marks and line ends.",
    "blank-line": "Remove the line.",
    "json-array": _ONE_OBJECT,
    "invalid-json": _ONE_OBJECT,
    "not-an-object": _ONE_OBJECT,
    "unknown-format": _ONE_FORMAT,
    "missing-field": _ONE_FORMAT,
    "unknown-field": _ONE_FORMAT,
    "mixed-formats": _ONE_FORMAT,
    "wrong-type": "Write the value in quotation marks.",
    "empty-text": _FILL_IN,
    "empty-answer": _FILL_IN,
    "half-character": "Write the character itself, or both halves of its escape.",
    "bad-messages": _MESSAGES,
    "bad-message": _MESSAGES,
    "unknown-role": "Use system, developer, user, assistant or tool.",
    "content-part": (
        'Give a text, or parts of the form {"type": "text", "text": "…"}; images and sound are not '
        "learned."
    ),
    "bad-weight": ("Write 0 for an answer that is not learned, and 1 or nothing for the others."),
    "bad-tools": (
        'Write tools as [{"type": "function", "function": {"name": "…", "description": "…", '
        '"parameters": {…}}}, …].'
    ),
    "bad-tool-call": (
        'Write calls as {"id": "…", "type": "function", "function": {"name": "…", "arguments": '
        '"{…}"}}, and their id as the tool_call_id of the answer.'
    ),
    "no-assistant": "Add the assistant's answer or remove the row.",
    "same-answers": "Give two answers that differ within max_seq_length, or remove the row.",
    "template-refuses": (
        "Give messages as the model's chat template takes them, or prompt and completion; if it "
        "rewrites earlier turns, cut the conversation after each answer, or train with "
        "train_on_inputs true."
    ),
    "no-prompt": "Put a user message before the assistant's, or set train_on_inputs to true.",
    "nothing-learned": "Give an answer to learn, shorten the prompt, or raise max_seq_length.",
    "bad-header": "Start the file with a header of the two columns text and label.",
    "column-count": (
        "Give every row exactly a text and a label; in .csv put a text with commas in quotation "
        "marks."
    ),
    "bad-quotes": (
        'Put fields with commas in quotation marks and double those inside: "a ""b"" c".'
    ),
    "missing-label": "Give the row a label or remove it.",
    "bad-label": (
        "Write labels as 0, 1, … or as words, for answers as true or false; a .tsv file with words "
        "needs a header."
    ),
    "mixed-labels": "Write all labels alike.",
    "label-gap": "Number the labels from 0 without gaps, or use words.",
    "one-label": "Give rows of at least two labels.",
    "unknown-label": ("Add rows with this label to the training dataset, or remove the row."),
    "damaged-archive": _PACK_AGAIN,
    "archive-too-large": "Give fewer or smaller images, compressed as JPEG or PNG.",
    "unsafe-path": _PACK_AGAIN,
    "not-a-file": "Put the file itself into the archive.",
    "unreadable-entry": (
        "Pack the class folders again with deflate, zip's default, and without a password."
    ),
    "no-class-folder": (
        "Put every image into the folder of its class: class/image, or with one top folder around "
        "all classes, top/class/image."
    ),
    "duplicate-entry": "Remove one of them.",
    "image-type": "Convert the image to JPEG or PNG.",
    "image-damaged": "Replace the image with an undamaged one or remove it.",
    "image-too-large": "Scale the image down, or crop it.",
    "image-animated": "Give a single frame.",
    "image-deep": "Save it with 8 bits per channel.",
    "image-cmyk": "Convert it to RGB.",
    "damaged-parquet": "Write the file again as parquet.",
    "bad-columns": (
        "Give the column input_ids, a list of integers, and optionally attention_mask and labels."
    ),
    "parquet-codec": "Write it with zstd or snappy.",
    "row-group-too-large": "Write it with smaller row groups: row_group_size=1000.",
    "parquet-too-large": "Use less padding, and no rows that repeat one token.",
    "null-value": "Write a number or remove the row.",
    "column-length": "Give one value for each token.",
    "bad-mask": "Write 1 for tokens and 0 for the padding before or after them.",
    "no-tokens": "Remove the row.",
    "unknown-token": "Use the tokenizer of the model that is trained.",
    "shifted-labels": "Repeat input_ids in labels without a shift, or write -100.",
}

MAX_QUOTED = 40
"""Maximum number of characters of a quoted value."""


def rule_error(path: Path, place: int | str, rule: str, message: str) -> DataError:
    """Return the error about a broken rule; `place` is a line, or an entry of an archive."""
    return DataError(f"{path.name}:{place}: {message}", HINTS[rule])


def quote(value: object) -> str:
    """Return a value as JSON, shortened to fit into a sentence."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 1] + "…"
