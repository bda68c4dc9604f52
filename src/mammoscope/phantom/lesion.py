"""A lesion is a mass or a cluster of calcifications."""

from typing import assert_never

import numpy as np

from mammoscope.phantom.cluster import Cluster, cluster_shadow
from mammoscope.phantom.mass import Mass, mass_shadow
from mammoscope.phantom.shadow import Shadow

Lesion = Mass | Cluster


def lesion_shadow(
    lesion: Lesion,
    *,
    centre_mm: tuple[float, float],
    rows: int,
    cols: int,
    spacing_mm: float,
    random: np.random.Generator,
) -> Shadow:
    """Project a lesion; see `mass_shadow` and `cluster_shadow`."""
    match lesion:
        case Mass():
            return mass_shadow(lesion, centre_mm=centre_mm, rows=rows, cols=cols, spacing_mm=spacing_mm, random=random)
        case Cluster():
            return cluster_shadow(
                lesion, centre_mm=centre_mm, rows=rows, cols=cols, spacing_mm=spacing_mm, random=random
            )
        case _:
            assert_never(lesion)
