"""Data sets that a program cannot fetch: where to ask, how, and under which terms."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """How a person comes by a data set.

    Attributes:
        title: Its name.
        url: Where to ask.
        steps: What to do there.
        licence: Terms of the data.
    """

    title: str
    url: str
    steps: str
    licence: str


BY_HAND: dict[str, ByHand] = {
    "vindr": ByHand(
        title="VinDr-Mammo",
        url="https://physionet.org/content/vindr-mammo/",
        steps="Restricted access: make a PhysioNet account, complete what the page asks of you, sign its data use "
        "agreement, then fetch the files with the wget command that it shows to you, under your own name",
        licence="PhysioNet restricted health data licence and data use agreement, as the page states them",
    ),
    "inbreast": ByHand(
        title="INbreast",
        url="https://doi.org/10.1016/j.acra.2011.09.014",
        steps="The site that it was given out from does not answer any more; ask the authors of the paper, and keep "
        "their permission",
        licence="research, on request to the authors",
    ),
    "cmmd": ByHand(
        title="The Chinese Mammography Database",
        url="https://www.cancerimagingarchive.net/collection/cmmd/",
        steps="Open the page, save the manifest, fetch it with the archive's own downloader, and put the clinical "
        "data table (xlsx) beside the pictures",
        licence="CC BY 4.0",
    ),
    "cdd_cesm": ByHand(
        title="Categorized Digital Database for Low Energy and Subtracted Contrast Enhanced Spectral Mammography",
        url="https://www.cancerimagingarchive.net/collection/cdd-cesm/",
        steps="Open the page, fetch the pictures with the file transfer program that it names, and put the "
        "annotation tables beside them",
        licence="CC BY 4.0",
    ),
    "mini_mias": ByHand(
        title="mini-MIAS",
        url="http://peipa.essex.ac.uk/info/mias.html",
        steps="Read the licence agreement, fetch the archive with a browser, and keep Info.txt beside the pictures",
        licence="MIAS licence agreement: research only, cite, no redistribution",
    ),
    "embed": ByHand(
        title="EMBED, Emory Breast Imaging Dataset",
        url="https://github.com/Emory-HITI/EMBED_Open_Data",
        steps="Fill in the request form that the page links to, sign the data use agreement, then copy the files from "
        "the storage bucket that you are given, with your own account",
        licence="EMBED data use agreement, as the page states it",
    ),
}
"""By the name of the source that reads it, where there is one."""


def how_to_ask(name: str) -> str:
    """What to do for a data set that must be asked for.

    Example:
        >>> print(how_to_ask("mini_mias").splitlines()[0])
        mini_mias: mini-MIAS cannot be fetched by a program
    """
    one = BY_HAND[name]
    return (
        f"{name}: {one.title} cannot be fetched by a program\n"
        f"  where    {one.url}\n  how      {one.steps}\n  licence  {one.licence}"
    )
