"""Synthetic mammograms from a seed, with exact truth, laid out like a real data set."""

from mammoscope.phantom.cbis_ddsm import write_cbis_ddsm
from mammoscope.phantom.layout import Layout
from mammoscope.phantom.layouts import LAYOUTS, write_phantom
from mammoscope.phantom.malignancy import difficulty_for, ideal_auc, malignancy_probability
from mammoscope.phantom.page import contact_page
from mammoscope.phantom.picture import Picture, phantom_view

__all__ = [
    "LAYOUTS",
    "Layout",
    "Picture",
    "contact_page",
    "difficulty_for",
    "ideal_auc",
    "malignancy_probability",
    "phantom_view",
    "write_cbis_ddsm",
    "write_phantom",
]
