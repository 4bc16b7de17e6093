"""The places of an archive's images. The client's dataset checker follows the same rules."""

from collections.abc import Sequence

from anneal_trainer.data.rules import quote


class Layout:
    """Either class/image, or top/class/image with the same top folder for all images.

    The first image decides.
    """

    def __init__(self) -> None:
        self._first: Sequence[str] | None = None

    def problem(self, folders: Sequence[str]) -> str | None:
        """Return what is wrong with the folders around an image, as a sentence."""
        if not folders:
            return "The file is not in a class folder."
        if self._first is None:
            if len(folders) > 2:
                return "The path is neither class/image nor top/class/image."
            return None
        top = self._first[0] if len(self._first) == 2 else None
        if len(folders) == len(self._first) and top in (None, folders[0]):
            return None
        place = "at the top level" if top is None else f"in {quote(top)}"
        return f"The first image is in a class folder {place}, this file is not."

    def settle(self, folders: Sequence[str]) -> None:
        """Note an image without a problem."""
        if self._first is None:
            self._first = folders
