"""One server, one address: read it or save it, with patience that ends.

Only http and https are spoken. A saved file appears under its name when it is whole; before that it is `NAME.part`,
and an interrupted transfer goes on where it stopped if the server said how to recognise the same bytes
(RFC 9110, 13.1.5 If-Range and 14.2 Range); else it starts over.
"""

import logging
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from threading import Event
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from mammoscope import __version__
from mammoscope.download.failure import DownloadError
from mammoscope.errors import StorageError

LOG = logging.getLogger(__name__)
BLOCK_BYTES = 1 << 20
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})  # RFC 9110, 15.5 and 15.6: the same request may succeed later
SCHEMES = ("http", "https")
MEANING = {
    400: "refuses the request",
    401: "asks to sign in",
    403: "refuses access",
    404: "has nothing there",
    410: "has nothing there any more",
}
T = TypeVar("T")


class _NoDowngrade(HTTPRedirectHandler):
    """Follows a redirection to http or https, but never from https to http."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in {"https", req.type} or scheme not in SCHEMES:
            raise DownloadError(f"{req.host}: leads from {req.type} to {scheme}. Not followed", status=code)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def plain_opener(*, proxies: dict[str, str] | None = None) -> OpenerDirector:
    """What opens addresses: http and https only, proxies from the environment unless given, certificates checked."""
    opener = OpenerDirector()
    for handler in (
        *(ProxyHandler(proxies), HTTPHandler(), HTTPSHandler(context=ssl.create_default_context())),
        *(_NoDowngrade(), HTTPDefaultErrorHandler(), HTTPErrorProcessor()),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", f"mammoscope/{__version__}"), ("Accept-Encoding", "identity")]
    return opener


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """How servers are spoken to, and how long they are waited for.

    Attributes:
        opener: Opens an address.
        attempts: Times that one address is tried.
        pause_s: Wait before the second attempt; it doubles each time.
        longest_pause_s: Longest wait between attempts, also where the server asks for more.
        timeout_s: Longest silence of a connection.
        deadline_s: Longest time for one address, all attempts together.
        stop: Set it to end transfers that are under way.
    """

    opener: OpenerDirector = field(default_factory=plain_opener)
    attempts: int = 5
    pause_s: float = 1.0
    longest_pause_s: float = 60.0
    timeout_s: float = 60.0
    deadline_s: float = 3600.0
    stop: Event = field(default_factory=Event)


class _CutError(OSError):
    """The transfer ended early; the next attempt may go on from there."""


def read_url(url: str, *, what: str, web: Web, limit_bytes: int) -> bytes:
    """The whole body behind an address.

    Args:
        url: The address.
        what: Its name in messages.
        web: How servers are spoken to.
        limit_bytes: A longer answer is refused.

    Raises:
        DownloadError: The server refuses, does not answer in time, or answers too much.
    """

    def once(deadline: float) -> bytes:
        request = Request(url)  # noqa: S310  the opener speaks http and https only
        with web.opener.open(request, timeout=web.timeout_s) as reply:
            blocks = list(_blocks(reply, what=what, web=web, room_bytes=limit_bytes, deadline=deadline))
            body = b"".join(blocks)
            _refuse_short(len(body), announced=_length(reply))
            return body

    return _retried(once, url=url, what=what, web=web)


def save_url(url: str, *, what: str, to: Path, web: Web, limit_bytes: int) -> None:
    """Save what is behind an address, going on with `to`.part if there is one.

    Args:
        url: The address.
        what: Its name in messages.
        to: The file; it appears when it is whole.
        web: How servers are spoken to.
        limit_bytes: A longer file is refused.

    Raises:
        DownloadError: The server refuses, does not answer in time, or sends too much.
        StorageError: The file system refused.
    """
    part, tag = to.with_name(f"{to.name}.part"), to.with_name(f"{to.name}.part.tag")

    def once(deadline: float) -> None:
        start, validator = _begun(part, tag)
        request = Request(url)  # noqa: S310  the opener speaks http and https only
        if start:
            request.add_header("Range", f"bytes={start}-")
            request.add_header("If-Range", validator)
        try:
            with web.opener.open(request, timeout=web.timeout_s) as reply:
                start = _resumed_at(reply, start)
                with _disk(part):
                    _remember(reply, tag)
                    _append(reply, part, start=start, what=what, web=web, limit_bytes=limit_bytes, deadline=deadline)
        except HTTPError as error:
            if error.code != 416:  # Range Not Satisfiable: what we hold is not a beginning of it
                raise
            error.close()
            _forget(part, tag)
            raise _CutError("the server cannot go on from there") from error
        with _disk(to):
            part.replace(to)
            tag.unlink(missing_ok=True)

    _retried(once, url=url, what=what, web=web)


def _begun(part: Path, tag: Path) -> tuple[int, str]:
    """Bytes already here and the server's mark of their version; 0 if they cannot be matched."""
    if not (part.is_file() and tag.is_file()):
        return 0, ""
    return part.stat().st_size, tag.read_text(encoding="latin-1")


def _resumed_at(reply: HTTPResponse, start: int) -> int:
    if reply.status != 206:
        return 0
    told = reply.headers.get("Content-Range", "")
    if not told.startswith(f"bytes {start}-"):
        raise _CutError(f"asked from byte {start}, was sent {told or 'some other part'!r}")
    return start


def _remember(reply: HTTPResponse, tag: Path) -> None:
    """Keep what tells that a later answer is the same file: a strong ETag, else its date."""
    etag = reply.headers.get("ETag", "")
    validator = etag if etag and not etag.startswith("W/") else reply.headers.get("Last-Modified", "")
    if validator:
        tag.write_text(validator, encoding="latin-1")
    else:
        tag.unlink(missing_ok=True)


def _append(
    reply: HTTPResponse, part: Path, *, start: int, what: str, web: Web, limit_bytes: int, deadline: float
) -> None:
    announced = _length(reply)
    if announced is not None and start + announced > limit_bytes:
        raise _too_much(what, limit_bytes)
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        file.truncate()
        for block in _blocks(reply, what=what, web=web, room_bytes=limit_bytes - start, deadline=deadline):
            file.write(block)
        got = file.tell() - start
    _refuse_short(got, announced=announced)


def _blocks(reply: HTTPResponse, *, what: str, web: Web, room_bytes: int, deadline: float) -> Iterator[bytes]:
    got = 0
    while True:
        try:
            block = reply.read(BLOCK_BYTES)
        except OSError as error:  # else it would be taken for the disk's
            raise _CutError(str(error) or type(error).__name__) from error
        if not block:
            return
        got += len(block)
        if got > room_bytes:
            raise _too_much(what, room_bytes)
        if web.stop.is_set():
            raise DownloadError(f"{what}: stopped. Run the same command again to go on")
        if time.monotonic() > deadline:
            raise DownloadError(f"{what}: still not whole after {web.deadline_s:.0f} s. Run the same command again")
        yield block


def _too_much(what: str, limit_bytes: int) -> DownloadError:
    return DownloadError(f"{what}: the server sends more than the {limit_bytes:,} bytes that it can be. Not taken")


def _length(reply: HTTPResponse) -> int | None:
    told = reply.headers.get("Content-Length", "")
    return int(told) if told.isdecimal() else None


def _refuse_short(got: int, *, announced: int | None) -> None:
    if announced is not None and got != announced:
        raise _CutError(f"{got:,} of {announced:,} bytes arrived")


def _forget(part: Path, tag: Path) -> None:
    with _disk(part):
        part.unlink(missing_ok=True)
        tag.unlink(missing_ok=True)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Tell the disk's refusals from the network's."""
    try:
        yield
    except (_CutError, DownloadError, HTTPError):
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(
            f"{path.name}: could not be written, {reason}. Make room or choose another folder, then run the same "
            "command again"
        ) from error


def _retried(once: Callable[[float], T], *, url: str, what: str, web: Web) -> T:
    """Try until it works, is refused, or patience ends."""
    host = urlsplit(url).hostname or "the server"
    if urlsplit(url).scheme not in SCHEMES:
        raise DownloadError(
            f"{what}: its address begins with {urlsplit(url).scheme!r}, not with {' or '.join(SCHEMES)}"
        )
    deadline = time.monotonic() + web.deadline_s
    last = "nothing was tried"
    for attempt in range(web.attempts):
        asked_s = 0.0
        try:
            return once(deadline)
        except (StorageError, DownloadError):
            raise
        except HTTPError as error:
            error.close()
            last = f"HTTP {error.code}"
            if error.code not in AGAIN:
                raise _refusal(what, host, error.code) from error
            asked_s = _retry_after_s(error.headers)
        except (OSError, HTTPException) as error:  # no route, time-out, reset, cut
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise DownloadError(
                    f"{what}: the certificate of {host} is not valid ({reason.verify_message})"
                ) from error
            last = str(reason) or type(reason).__name__
        pause_s = min(max(web.pause_s * 2**attempt, asked_s), web.longest_pause_s)
        LOG.info("%s: %s from %s, attempt %d of %d", what, last, host, attempt + 1, web.attempts)
        if attempt + 1 == web.attempts or time.monotonic() + pause_s > deadline:
            break
        if web.stop.wait(pause_s):
            raise DownloadError(f"{what}: stopped. Run the same command again to go on")
    raise DownloadError(
        f"{what}: {host} did not deliver in {attempt + 1} attempts, the last time: {last}. "
        "Check the connection, or run the same command again later"
    )


def _refusal(what: str, host: str, status: int) -> DownloadError:
    meaning = MEANING.get(status, "refuses")
    return DownloadError(f"{what}: {host} {meaning} (HTTP {status}). Look at the data set's own page", status=status)


def _retry_after_s(headers: Message) -> float:
    told = headers.get("Retry-After", "")
    return float(told) if told.isdecimal() else 0.0
