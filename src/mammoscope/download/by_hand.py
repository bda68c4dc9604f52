"""Data sets that a program cannot fetch: what a person does, where, and under which terms."""

from mammoscope.sources import SOURCES

_CESM = (
    "Open the page, fetch the pictures with the file transfer program that it names, and put the annotation tables "
    "beside them"
)
BY_HAND: dict[str, str] = {
    "vindr": "Restricted access: make a PhysioNet account, complete what the page asks of you, sign its data use "
    "agreement, then fetch the files with the wget command that it shows to you, under your own name",
    "inbreast": "The site that gave it out is gone: ask the authors of the paper, and keep their answer",
    "cmmd": "Open the page, save the manifest, fetch it with the archive's own downloader, and put the clinical data "
    "table beside the pictures",
    "cdd_cesm": _CESM,
    "cdd_cesm_subtracted": _CESM,
    "mini_mias": "Read the licence agreement, fetch the archive with a browser, and keep Info.txt beside the pictures",
    "embed": "Fill in the request form that the page links to, sign the agreement, then copy the files from the "
    "storage bucket that you are let into, with your own account",
}
"""What to do, by the name of the source that reads the data set."""


def how_to_ask(name: str) -> str:
    """What to do for a data set that must be asked for.

    Args:
        name: A key of `BY_HAND`.

    Example:
        >>> print(how_to_ask("mini_mias"))
        mini_mias: cannot be fetched by a program
          where    http://peipa.essex.ac.uk/info/mias.html
          how      Read the licence agreement, fetch the archive with a browser, and keep Info.txt beside the pictures
          licence  MIAS licence agreement: research only, cite, no redistribution
          layout   mammoscope sources says how its folder must look
    """
    source = SOURCES[name]
    return (
        f"{name}: cannot be fetched by a program\n  where    {source.url}\n  how      {BY_HAND[name]}\n"
        f"  licence  {source.licence}\n  layout   mammoscope sources says how its folder must look"
    )
