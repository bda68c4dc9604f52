"""Work that misbehaves; in a file of its own, so that a worker imports nothing else."""

import os
import time
from pathlib import Path

import numpy as np

harmed = False


def die_of_three(job: int) -> int:
    if job == 3:
        os._exit(1)
    return job


def harm(job: str) -> str:
    """Answers once; the next job dies of it."""
    global harmed  # noqa: PLW0603
    if harmed:
        os._exit(1)
    harmed = True
    return job


def misbehave(job: str) -> object:  # noqa: C901
    match job:
        case "crash":
            os.kill(os.getpid(), 11)
        case "hang":
            time.sleep(60)
        case "spin":
            while True:
                pass
        case "hoard":
            return np.ones(1 << 48, dtype=np.uint8).sum()
        case "grow":
            held: list[bytes] = []
            while True:
                held.append(b"x" * (1 << 24))
        case "fail":
            raise KeyError(job)
        case "process":
            return os.getpid()
        case "print":
            print("noise")  # noqa: T201
            os.write(1, b"noise")
            return sum(1 for _ in Path("/proc/self/fd").iterdir())
        case "environment":
            return sorted(os.environ)
    return job


def fail_on(path: Path) -> Path:
    raise KeyError(str(path))
