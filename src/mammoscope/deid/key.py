"""The secret that pseudonyms, UIDs and date shifts are made with: the same input and key give the same output."""

import base64
import hmac
import os
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from mammoscope.errors import RecipeError, StorageError

KEY_BYTES = 32
LEAST_DAYS, MOST_DAYS = 365, 3650  # dates move back by 1 to 10 years


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A secret key. Who holds it can link old and new; who does not cannot.

    Attributes:
        secret: 32 random bytes; not shown when printed.
    """

    secret: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Tells keys apart and says nothing about them."""
        return self._digest("fingerprint", "")[:6].hex()

    def uid(self, original: str) -> str:
        """The UID that stands for another one.

        Source:
            DICOM PS3.5 B.2: 2.25 and a 128-bit number; here of a keyed hash in place of a UUID.

        Example:
            >>> Key(secret=bytes(32)).uid("1.2.3") == Key(secret=bytes(32)).uid("1.2.3")
            True
        """
        return f"2.25.{int.from_bytes(self._digest('uid', original)[:16], 'big')}"

    def pseudonym(self, patient: str) -> str:
        """What stands for Patient ID (0010,0020) and Patient's Name (0010,0010).

        Example:
            >>> Key(secret=bytes(32)).pseudonym("A1") == Key(secret=bytes(32)).pseudonym("A2")
            False
        """
        return f"P{self._word('patient', patient)}"

    def accession(self, original: str) -> str:
        """What stands for Accession Number (0008,0050): 13 characters, of at most 16."""
        return f"A{self._word('accession', original)}"

    def inputs(self, paths: str) -> str:
        """Tells lists of paths apart, and says nothing about them."""
        return self._digest("inputs", paths)[:6].hex()

    def days(self, patient: str) -> int:
        """By how many days the dates of a patient move: negative, one to ten years."""
        number = int.from_bytes(self._digest("days", patient)[:8], "big")
        return -(LEAST_DAYS + number % (MOST_DAYS - LEAST_DAYS + 1))

    def _word(self, purpose: str, text: str) -> str:
        return base64.b32encode(self._digest(purpose, text)).decode()[:12]

    def _digest(self, purpose: str, text: str) -> bytes:
        return hmac.digest(self.secret, f"{purpose}\0{text}".encode("utf-8", "surrogatepass"), sha256)


def drawn_key() -> Key:
    """A key that nobody has yet.

    Example:
        >>> drawn_key().fingerprint == drawn_key().fingerprint
        False
    """
    return Key(secret=secrets.token_bytes(KEY_BYTES))


def key_of(path: Path) -> Key:
    """Read the key of a file; draw one and write it, for the owner's eyes only, if there is none.

    Args:
        path: Holds 64 hexadecimal digits. Keep it apart from the files, and secret.

    Returns:
        The key.

    Raises:
        RecipeError: The file holds no key.
        StorageError: It can be neither read nor written.
    """
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return _written(path, drawn_key())
    except OSError as error:
        raise StorageError(f"{path.name}: could not be read, {error.strerror}. Check its permissions") from error
    except UnicodeDecodeError:
        text = ""
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        what = f"holds no key, which is {2 * KEY_BYTES} hexadecimal digits. Name another file, and one will be written"
        raise RecipeError(f"{path.name}: {what}")
    return Key(secret=secret)


def write_private(path: Path, text: str, *, fresh: bool = False) -> None:
    """Write to the end of a text file that only its owner can read; it is made if missing.

    Args:
        path: The file.
        text: What it is to hold after what it holds already.
        fresh: Refuse if there is one already.

    Raises:
        StorageError: The file system refused.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        how = os.O_WRONLY | os.O_CREAT | (os.O_EXCL if fresh else os.O_APPEND)
        with os.fdopen(os.open(path, how, 0o600), "w", encoding="utf-8", errors="backslashreplace") as file:
            path.chmod(0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        what = f"could not be written, {error.strerror}. Choose a folder that can be written"
        raise StorageError(f"{path.name}: {what}") from error


def _written(path: Path, key: Key) -> Key:
    write_private(path, key.secret.hex() + "\n", fresh=True)
    return key
