"""A server on this machine that answers as the archive's do, and fails on request."""

import csv
import hashlib
import io
import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from mammoscope.download import Web
from mammoscope.download.web import plain_opener


class Impatient(Event):
    """Waits are noted, not waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return self.is_set()


def web(**given: object) -> Web:
    """Speaks to this machine only as `Web` does, without proxies and without waiting."""
    settings = {"opener": plain_opener(proxies={}), "attempts": 3, "timeout_s": 5.0, "stop": Impatient()}
    return Web(**(settings | given))  # type: ignore[arg-type]


@dataclass
class Archive:
    """What the server has, and how it misbehaves.

    Attributes:
        files: Body by path with its query.
        faults: By path, what happens to the first requests instead: a status, `cut` after so many bytes
            (`cut 10`), `torn` (a shorter body, announced as such), `silent`, `unannounced` (no length), `other part`,
            `to <address>`.
        etag: Whether bodies can be recognised.
        delay_s: Wait before each body.
        seen: Path and headers of every request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    etag: bool = True
    delay_s: float = 0.0
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def asked(self, path: str) -> list[dict[str, str]]:
        """Headers of the requests for a path."""
        return [headers for where, headers in self.seen if where == path]


@contextmanager
def serving(archive: Archive) -> Iterator[Archive]:
    """Run the server while the block runs."""

    class Handler(_Handler):
        shop = archive

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    archive.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield archive
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    shop: Archive

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.shop.seen.append((self.path, dict(self.headers)))
        faults = self.shop.faults.get(self.path, [])
        fault = faults.pop(0) if faults else ""
        body = self.shop.files.get(self.path)
        if fault.isdecimal():
            self._status(int(fault))
        elif fault.startswith("to "):
            self._status(302, Location=fault.removeprefix("to "))
        elif fault == "silent":
            time.sleep(0.6)
        elif body is None:
            self._status(404)
        else:
            time.sleep(self.shop.delay_s)
            self._send(body[:-30] if fault == "torn" else body, fault)

    def _status(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        if status == 429:
            self.send_header("Retry-After", "7")
        self.end_headers()

    def _send(self, body: bytes, fault: str) -> None:
        tag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        start = 0
        asked = self.headers.get("Range", "")
        if asked and (not self.headers.get("If-Range") or self.headers["If-Range"] == tag):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start > len(body):
            self._status(416)
            return
        told = start + 1 if fault == "other part" else start
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {told}-{len(body) - 1}/{len(body)}")
        if self.shop.etag:
            self.send_header("ETag", tag)
        if fault != "unannounced":
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        rest = body[start:]
        self.wfile.write(rest[: int(fault.split()[1])] if fault.startswith("cut") else rest)


VIEWS = (
    ("mass", "Training", "P_00001", "LEFT", "CC"),
    ("mass", "Training", "P_00001", "LEFT", "MLO"),
    ("mass", "Test", "P_00016", "RIGHT", "CC"),
    ("calc", "Training", "P_00005", "RIGHT", "CC"),
    ("calc", "Training", "P_00005", "RIGHT", "MLO"),
    ("calc", "Test", "P_00038", "LEFT", "CC"),
)
DESCRIPTORS = {"mass": ("mass shape", "mass margins"), "calc": ("calc type", "calc distribution")}
COLUMNS = (
    *("patient_id", "breast_density", "left or right breast", "image view", "abnormality id", "abnormality type"),
    *("assessment", "pathology", "subtlety", "image file path", "cropped image file path", "ROI mask file path"),
)


def plant_collection(folder: Path) -> None:
    """Twelve series of both halves and the four tables, laid out as the archive's downloader leaves them."""
    tables: dict[str, list[dict[str, str]]] = {}
    for number, (half, part, patient, side, view) in enumerate(VIEWS):
        subject = f"{half.capitalize()}-{part}_{patient}_{side}_{view}"
        full, lesion = f"{subject}/1.2.{number}.1/1.2.{number}.2", f"{subject}_1/1.2.{number}.3/1.2.{number}.4"
        grey = np.full((8, 6), 1000 + number, np.uint16)
        write_dicom(folder / full / "1-1.dcm", grey, number=1)
        write_dicom(folder / lesion / "1-1.dcm", grey[:4, :4], number=1)
        write_dicom(folder / lesion / "1-2.dcm", np.eye(8, 6, dtype=np.uint8) * 255, number=2)
        given = (patient, "2", side, view, "1", {"mass": "mass", "calc": "calcification"}[half], "4", "BENIGN", "3")
        row = dict(
            zip(COLUMNS, (*given, f"{full}/000000.dcm", f"{lesion}/000000.dcm", f"{lesion}/000001.dcm"), strict=True)
        )
        name = f"{half}_case_description_{'train' if part == 'Training' else 'test'}_set.csv"
        tables.setdefault(name, []).append(row | dict.fromkeys(DESCRIPTORS[half], "N/A"))
    for name, rows in tables.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def write_dicom(path: Path, pixels: np.ndarray, *, number: int) -> None:
    """A secondary capture of one series, as CBIS-DDSM is made of them."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = f"{path.parent.name}.{number}"
    picture = Dataset()
    picture.file_meta = meta
    picture.SOPClassUID, picture.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    picture.PatientID, picture.Modality = path.parts[-4], "MG"
    picture.StudyInstanceUID, picture.SeriesInstanceUID = path.parts[-3], path.parts[-2]
    picture.InstanceNumber, picture.SamplesPerPixel = number, 1
    picture.PhotometricInterpretation, picture.PixelRepresentation = "MONOCHROME2", 0
    picture.Rows, picture.Columns = pixels.shape
    picture.BitsAllocated = picture.BitsStored = 8 * pixels.itemsize
    picture.HighBit = picture.BitsStored - 1
    picture.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save_as(path, enforce_file_format=True)


def series_zip(files: dict[str, bytes], *, sums: dict[str, str] | None = None) -> bytes:
    """A series as getImageWithMD5Hash gives it: numbered files and the list of their sums."""
    found = {name: hashlib.md5(body, usedforsecurity=False).hexdigest() for name, body in files.items()}
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["Filename", "MD5Hash"])
    rows.writerows((found | (sums or {})).items())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
        archive.writestr("md5hashes.csv", text.getvalue())
    return packed.getvalue()


def series_row(folder: Path) -> dict[str, object]:
    """A row of getSeries, with the columns of version 4 of the interface."""
    files = sorted(folder.glob("*.dcm"))
    return {
        "SeriesInstanceUID": folder.name,
        "StudyInstanceUID": folder.parent.name,
        "Modality": "MG",
        "SeriesDescription": "full mammogram images",
        "BodyPartExamined": "BREAST",
        "SeriesNumber": "1",
        "AnnotationsFlag": "NO",
        "Collection": "CBIS-DDSM",
        "PatientID": folder.parent.parent.name,
        "ImageCount": len(files),
        "TimeStamp": "2017-09-14 00:00:00.0",
        "LicenseName": "Creative Commons Attribution 3.0 Unported License",
        "FileSize": sum(file.stat().st_size for file in files),
        "Authorized": "1",
    }


def collection(tree: Path, *, base: str = "/v4") -> dict[str, bytes]:
    """All that the archive serves of a CBIS-DDSM folder: the list, one zip a series, the tables."""
    folders = sorted({file.parent for file in tree.rglob("*.dcm")})
    served = {
        f"{base}/getSeries?Collection=CBIS-DDSM&format=json": json.dumps([series_row(f) for f in folders]).encode()
    }
    for folder in folders:
        files = {f"{n:08d}.dcm": file.read_bytes() for n, file in enumerate(sorted(folder.glob("*.dcm")), start=1)}
        served[f"{base}/getImageWithMD5Hash?SeriesInstanceUID={folder.name}"] = series_zip(files)
    return served | {f"/tables/{file.name}": file.read_bytes() for file in tree.glob("*.csv")}
