"""What is said of a map: its method by the name of its paper, and what its colours mean."""

from typing import assert_never

from mammoscope.explain.maps import Method
from mammoscope.models import Task

CALLED: dict[str, str] = {
    "grad-cam": "Grad-CAM",
    "grad-cam++": "Grad-CAM++",
    "hires-cam": "HiResCAM",
    "layer-cam": "LayerCAM",
    "integrated-gradients": "Integrated gradients",
    "smooth-grad": "SmoothGrad",
    "occlusion": "Occlusion",
    "rise": "RISE",
    "attention-rollout": "Attention rollout",
    "saliency": "Saliency",
}
"""Methods by the names that papers give them."""


def asked_words(task: Task, of: int | None) -> str:
    """A class of a task in words.

    Args:
        task: Whose class it is.
        of: Its number; of two classes None is the positive one.

    Returns:
        Such as `malignant` or `density C`.

    Example:
        >>> asked_words(Task(name="malignant", classes=("no", "yes"), kind="binary"), None)
        'malignant'
        >>> asked_words(Task(name="density", classes=("A", "B", "C"), kind="ordinal"), 2)
        'density C'
    """
    if task.classes == ("no", "yes"):
        return f"not {task.name}" if of == 0 else task.name
    return f"{task.name} {task.classes[1 if of is None else of]}"


def scale_words(method: Method, *, asked: str) -> str:
    """What the colours of a map mean.

    Args:
        method: That made it.
        asked: The class it is of, in words.

    Returns:
        Part of a sentence.

    Example:
        >>> scale_words("grad-cam", asked="density C")
        'evidence for density C'
    """
    match method:
        case "grad-cam" | "grad-cam++" | "hires-cam" | "layer-cam":
            said = f"evidence for {asked}"
        case "integrated-gradients":
            said = f"what a place adds to the score of {asked}"
        case "smooth-grad":
            said = f"how strongly the score of {asked} hangs on a place"
        case "occlusion":
            said = f"what the score of {asked} loses when a place is covered"
        case "rise":
            said = f"what the score of {asked} gains when a place is shown"
        case "attention-rollout":
            said = "where the answer can have come from, whatever it is"
        case "saliency":
            said = "where the network itself looked first"
        case _:
            assert_never(method)
    return said
