"""From records and pixels to tensors: cache, augmentation, order, batches."""

from mammoscope.batches.augment import PARAMETERS, Augment, apply, draw
from mammoscope.batches.cache import PREPARE_CODES, prepare
from mammoscope.batches.cluster import Cluster, ClusterError, connected
from mammoscope.batches.export import Export, Exported, export_folders
from mammoscope.batches.loading import Batch, Pictures, Samples, batches, read_batch, read_pictures, steps_of
from mammoscope.batches.mixup import Mixed, mixed
from mammoscope.batches.patches import Patches, PatchSettings, patch_batches, patch_table, patches_of
from mammoscope.batches.places import lesion_places
from mammoscope.batches.sampling import Sampling, epoch_order

__all__ = [
    "PARAMETERS",
    "PREPARE_CODES",
    "Augment",
    "Batch",
    "Cluster",
    "ClusterError",
    "Export",
    "Exported",
    "Mixed",
    "PatchSettings",
    "Patches",
    "Pictures",
    "Samples",
    "Sampling",
    "apply",
    "batches",
    "connected",
    "draw",
    "epoch_order",
    "export_folders",
    "lesion_places",
    "mixed",
    "patch_batches",
    "patch_table",
    "patches_of",
    "prepare",
    "read_batch",
    "read_pictures",
    "steps_of",
]
