"""The pictures of a run that excite a layer's channels most."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mammoscope.pipeline.feature_maps import data_uri
from mammoscope.pipeline.machine import device_named
from mammoscope.pipeline.part_samples import PartSamples, counted_part, part_samples
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    import torch

    from mammoscope.explain import Field, Peaks
    from mammoscope.models import Classifier

BATCH = 16
WHOLE_PX, CROP_PX = 220, 160

Row = dict[str, Any]


def draw_activations(
    run: Path,
    *,
    cache: Path,
    layer: str | None = None,
    channels: Sequence[int] | None = None,
    most: int = 8,
    each: int = 6,
    part: Part = Part.TUNE,
    device: str = "auto",
    break_seal: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Row:
    """Find the pictures that excite channels most; leaves `activations.html` and `activations.json` in the run folder.

    The pictures are read batch by batch: memory does not grow with their number.

    Args:
        run: A trained run folder.
        cache: Folder of its prepared pictures.
        layer: One of `layer_names`; the last convolution if None.
        channels: Numbers; if None those whose highest value differs most between pictures.
        most: How many of these.
        each: Pictures for each channel.
        part: Of the run. The default is tune: who looks at test pictures and then changes something has used them.
        device: cpu, cuda, mps or auto.
        break_seal: Look at a sealed test set whose budget is spent.
        progress: Called with (pictures done, pictures in all).

    Returns:
        What `activations.json` holds.

    Raises:
        SourceError: The run is not complete, or its pictures are not in the cache.
        BundleError: There is no such layer or channel, or no convolution.
        SealError: The test set is sealed and may not be looked at.
    """
    from mammoscope.explain import chosen_channels, strongest_activations
    from mammoscope.models import Bundle, keep_memory
    from mammoscope.report import write_activations

    keep_memory()
    bundle = Bundle.from_pretrained(run / "bundle")
    network = bundle.network.to(device_named(device))
    with counted_part(run, part=part, what="feature-maps", break_seal=break_seal) as looking:
        found = part_samples(run, part=part, cache=cache, clinical=None)
        count = len(found.samples.files)
        peaks = strongest_activations(
            network,
            _batches(found, device=network_device(network)),
            layer=layer,
            each=each,
            progress=None if progress is None else lambda done: progress(done, count),
        )
        chosen = chosen_channels(peaks, channels, most=most)
        looking.result = {"layer": peaks.watched.layer}
    rows = [_channel(one, peaks, found=found, network=network) for one in chosen]
    facts = {
        "layer": peaks.watched.layer,
        "shown": peaks.watched.shown,
        "part": part.value,
        "pictures": peaks.pictures,
        "channels_in_all": len(peaks.value),
        "named": channels is not None and len(channels) > 0,
        "silent": int((peaks.sd == 0).sum()),
        "channels": [{**row, "pictures": [_bare(one) for one in row["pictures"]]} for row in rows],
        "sealed": [seal.sentence for seal in looking.seals],
    }
    write_text(run / "activations.json", json.dumps(facts, indent=1, allow_nan=False) + "\n")
    write_activations({**facts, "title": bundle.manifest.name, "channels": rows}, run=run)
    return facts


def network_device(network: "Classifier") -> "torch.device":
    """Where its weights are."""
    return next(network.parameters()).device


def _bare(row: Row) -> Row:
    """What JSON keeps of a picture: all but the picture."""
    return {name: value for name, value in row.items() if name not in {"whole", "crop", "box", "crop_box"}}


def _batches(found: PartSamples, *, device: "torch.device") -> Iterator["torch.Tensor"]:
    from mammoscope.batches import read_pictures

    numbers = np.arange(len(found.samples.files))
    for start in range(0, len(numbers), BATCH):
        yield read_pictures(found.samples, numbers[start : start + BATCH]).to(device)


def _channel(channel: int, peaks: "Peaks", *, found: PartSamples, network: "Classifier") -> Row:
    pictures = [_picture(channel, at, peaks, found=found, network=network) for at in range(peaks.picture.shape[1])]
    patients = len({(one["source"], one["patient_id"]) for one in pictures})
    return {
        "channel": channel,
        "mean": float(peaks.mean[channel]),
        "sd": float(peaks.sd[channel]),
        "patients": patients,
        "pictures": pictures,
    }


def _picture(channel: int, at: int, peaks: "Peaks", *, found: PartSamples, network: "Classifier") -> Row:
    from mammoscope.batches import read_pictures
    from mammoscope.explain import cut_out, field_of

    number = int(peaks.picture[channel, at])
    pixels = read_pictures(found.samples, np.array([number])).to(network_device(network))
    place = {"row": int(peaks.row[channel, at]), "col": int(peaks.col[channel, at])}
    field = field_of(network, pixels, watched=peaks.watched, channel=channel, **place)
    grey = pixels[0, 0].cpu().numpy()
    crop, (x0, y0, *_) = cut_out(grey, field)
    inside = replace(field, x0=field.x0 - x0, y0=field.y0 - y0, x1=field.x1 - x0, y1=field.y1 - y0)
    return {
        **found.about(number),
        "value": float(peaks.value[channel, at]),
        "map_row": place["row"],
        "map_col": place["col"],
        "seen_px": [field.x0, field.y0, field.x1, field.y1],
        "place_px": [field.x, field.y],
        "whole": data_uri(_rgb(grey), most_px=WHOLE_PX),
        "crop": data_uri(_rgb(_enlarged(crop)), most_px=CROP_PX),
        "box": _shares(field, shape=grey.shape),
        "crop_box": _shares(inside, shape=crop.shape),
    }


def _rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)[:, :, None], 3, axis=2)


def _enlarged(crop: np.ndarray) -> np.ndarray:
    """A small part in larger squares, so that a page does not blur it."""
    times = max(1, CROP_PX // max(crop.shape))
    return np.kron(crop, np.ones((times, times), dtype=crop.dtype))


def _shares(field: "Field", *, shape: tuple[int, ...]) -> dict[str, float]:
    """Box and place as percent of the picture, for a page."""
    rows, cols = shape
    return {
        "left": 100 * field.x0 / cols,
        "top": 100 * field.y0 / rows,
        "width": 100 * (field.x1 - field.x0) / cols,
        "height": 100 * (field.y1 - field.y0) / rows,
        "x": 100 * field.x / cols,
        "y": 100 * field.y / rows,
    }
