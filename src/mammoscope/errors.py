"""Everything mammoscope raises on purpose.

MammoscopeError
├─ SourceError   a data set on disk, or a table made of it, is not as its source expects
├─ ImageError    one file is not a readable mammogram
├─ RecipeError   a recipe does not describe a run
├─ BundleError   a trained model cannot be used here
├─ StorageError  a file could not be written
├─ DownloadError a data set could not be fetched (in mammoscope.download)
├─ SealError     a sealed test set may not be evaluated on (in mammoscope.evaluation)
└─ ClusterError  a cluster cannot be used (in mammoscope.batches)

Catch by what you can do about it: fix the data set, set the image aside, edit the recipe,
fetch another model, make room, ask or wait. Anything else that escapes is our bug.
"""

from difflib import get_close_matches


class MammoscopeError(Exception):
    """Base of every error raised on purpose; its text says where, what, what is allowed, what to do."""


class SourceError(MammoscopeError, ValueError):
    """A data set on disk, or a table made of it, is not as its source expects: fix the data set."""


class ImageError(MammoscopeError, ValueError):
    """One file is not a readable mammogram: set the image aside.

    Attributes:
        code: One word of a closed set (see `mammoscope.images.CODES`), for tables and machines.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        """Keep `code` when the error crosses a process boundary."""
        return (_image_error, (str(self), self.code))


def _image_error(message: str, code: str) -> ImageError:
    return ImageError(message, code=code)


class RecipeError(MammoscopeError, ValueError):
    """A recipe does not describe a run: edit the recipe."""


class BundleError(MammoscopeError, ValueError):
    """A trained model cannot be used here: fetch or train another."""


class StorageError(MammoscopeError, OSError):
    """A file could not be written: make room, or choose another folder."""


def nearest(word: str, allowed: "list[str] | tuple[str, ...]") -> str:
    """Finish an error message with the nearest allowed word.

    Example:
        >>> nearest("head", ["heads", "depth"])
        "; did you mean 'heads'?"
        >>> nearest("xyz", ["heads", "depth"])
        ''
    """
    found = get_close_matches(word, allowed, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
