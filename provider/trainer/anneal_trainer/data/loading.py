"""The data of a job: rows to token ids or pixels, and what counts in the loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from anneal_trainer.data.causal import read_causal_dataset
from anneal_trainer.data.encode import TextEncoder
from anneal_trainer.data.encoded_rows import label_tokens
from anneal_trainer.data.example import Dataset, Example, Examples
from anneal_trainer.data.image_processor import ImageProcessor, load_image_processor
from anneal_trainer.data.images import image_labels, read_images
from anneal_trainer.data.label_rows import label_set, read_label_rows
from anneal_trainer.data.preference import Preference, choose_preference, kind_of_rows
from anneal_trainer.data.rules import quote, rule_error
from anneal_trainer.data.token_cache import TokenCache
from anneal_trainer.errors import ConfigError, DataError
from anneal_trainer.job import Job
from anneal_trainer.model.files import read_model_config
from anneal_trainer.model.positions import maximum_length


@dataclass(frozen=True)
class JobData:
    """Everything a job reads, checked and ready to be trained on."""

    encoder: TextEncoder | None
    """The base model's tokenizer; image models have none."""
    max_length: int
    """Tokens kept of a row; 1 for images."""
    train: Dataset
    """The training dataset."""
    validation: Dataset | None
    """The validation dataset; None measures on training rows."""
    labels: list[str]
    """Classification: the classes in the order of their numbers. Causal LM: empty."""
    pad_id: int = 0
    """The token id that pads short rows."""
    preference: Preference | None = None
    """How answers are compared; None if rows are learned as they are."""

    @property
    def end_tokens(self) -> dict[str, int]:
        """The tokens that are learned as the end of an answer, and their ids."""
        encoder = self.encoder
        return {encoder.token_text(id_): id_ for id_ in self.train.end_ids} if encoder else {}


def load_data(job: Job) -> JobData:
    """Read tokenizer and datasets of a job. Raises ConfigError or DataError."""
    config = read_model_config(job.model_directory)
    path = job.validation_path
    if job.kind == "image-classification":
        processor = load_image_processor(job.model_directory, config)
        place = job.work_directory
        train, labels = read_image_dataset(job.train_path, processor, None, place)
        validation = read_image_dataset(path, processor, labels, place)[0] if path else None
        return JobData(None, 1, train, validation, labels)
    max_length = maximum_length(config, job.hyperparameters.max_seq_length)
    encoder = TextEncoder(job.model_directory)

    def tokens_of(dataset: Path) -> TokenCache:
        return TokenCache(job.tokens_path(dataset), dataset, encoder)

    if job.kind == "text-classification":

        def read_labels(dataset: Path, labels: Sequence[str] | None) -> tuple[Dataset, list[str]]:
            return read_label_dataset(dataset, encoder, max_length, labels, tokens_of(dataset))

        train, labels = read_labels(job.train_path, None)
        validation = read_labels(path, labels)[0] if path else None
        return JobData(encoder, max_length, train, validation, labels, encoder.pad_id)
    parameters = job.hyperparameters

    def read_causal(dataset: Path) -> Dataset:
        return read_causal_dataset(
            dataset,
            encoder,
            max_length,
            tokens_of(dataset),
            mask_inputs=parameters.train_on_inputs is not True,
            unpair=parameters.training_method == "kto",
            pack=parameters.pack_documents,
        )

    train = read_causal(job.train_path)
    preference = choose_preference(parameters, train)
    validation = read_causal(path) if path else None
    _check_vocabulary(config, encoder, [train, validation])
    _check_alike(train, validation)
    return JobData(encoder, max_length, train, validation, [], encoder.pad_id, preference)


def read_label_dataset(
    path: Path,
    encoder: TextEncoder,
    max_length: int,
    labels: Sequence[str] | None,
    cache: TokenCache | None = None,
) -> tuple[Dataset, list[str]]:
    """Build classification examples of at most `max_length` tokens, and return the label set.

    `labels` is the label set to use, None to use the file's own. A truncated row keeps the special
    tokens at its end.
    """
    rows = list(read_label_rows(path))
    known = list(labels) if labels is not None else label_set(path, rows)
    number_of = _numbering(path, known)
    examples, tokens, truncated = Examples(), 0, 0
    for row, (ids, ending) in zip(rows, label_tokens(rows, encoder, cache), strict=True):
        label = number_of(row.label, str(row.line))
        tokens += len(ids)
        if len(ids) > max_length:
            truncated += 1
            ids = ids[: max_length - ending] + ids[len(ids) - ending :]
        examples.append(Example(row.line, ids, [], 0, label, row.text))
    warnings = _missing_classes(path, known, examples)
    if truncated:
        warnings.append(
            f"{path.name}: {truncated} of {len(rows)} rows were cut to {max_length} tokens."
        )
    return Dataset(path, examples, tokens, truncated, tuple(warnings)), known


def read_image_dataset(
    path: Path, processor: ImageProcessor, labels: Sequence[str] | None, scratch: Path
) -> tuple[Dataset, list[str]]:
    """Build image examples, and return the label set; `labels` is the one to use, if given.

    The decoded pixels are in a file in the directory `scratch`.
    """
    images = read_images(path, processor, scratch)
    known = list(labels) if labels is not None else image_labels(path, (i.label for i in images))
    number_of = _numbering(path, known)
    examples = Examples(
        Example(
            number, [], [], 0, number_of(image.label, image.name), image.name, picture=image.picture
        )
        for number, image in enumerate(images, start=1)
    )
    warnings = _missing_classes(path, known, examples)
    return Dataset(path, examples, len(images), 0, tuple(warnings)), known


def _numbering(path: Path, labels: Sequence[str]) -> Callable[[str, str], int]:
    """Return a function from a label and its place in the file to the number of the class."""
    numbers = {label: number for number, label in enumerate(labels)}

    def number_of(label: str, place: str) -> int:
        if label in numbers:
            return numbers[label]
        message = f"The label {quote(label)} is not in the training dataset."
        raise rule_error(path, place, "unknown-label", message)

    return number_of


def _missing_classes(path: Path, labels: Sequence[str], examples: Examples) -> list[str]:
    """Warn about classes that a validation dataset cannot measure."""
    found = {example.label for example in examples}
    missing = [label for number, label in enumerate(labels) if number not in found]
    if not missing:
        return []
    if len(missing) == 1:
        what, so = f"the class {quote(missing[0])}", "it is"
    else:
        what, so = f"any of {len(missing)} classes", "they are"
    return [f"{path.name}: No row has {what} of the training dataset, so {so} not measured."]


def _check_vocabulary(
    config: dict[str, object], encoder: TextEncoder, datasets: Sequence[Dataset | None]
) -> None:
    """Refuse a tokenizer with more token ids than the model has embeddings."""
    size = config.get("vocab_size")
    if not isinstance(size, int) or size >= encoder.vocabulary:
        return
    for dataset in datasets:
        if dataset and dataset.examples.largest_id >= size:
            raise ConfigError(
                f"The model has {size} token embeddings, fewer than its tokenizer has tokens.",
                "Choose another model from the provider's catalogue.",
            )


def _check_alike(train: Dataset, validation: Dataset | None) -> None:
    """Refuse to measure pairs on plain rows, and the like: the losses differ."""
    if validation is None:
        return
    trains, measures = (kind_of_rows(dataset) for dataset in (train, validation))
    if trains != measures:
        raise DataError(
            f"{validation.path.name}:1: The validation dataset has {measures}, the training "
            f"dataset {trains}.",
            "Give both in the same format.",
        )
