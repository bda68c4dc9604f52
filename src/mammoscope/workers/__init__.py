"""Work on files in processes of their own, with limits of memory and time: a file that kills one costs only itself."""

from mammoscope.workers.limits import Limits

__all__ = ["Limits"]
