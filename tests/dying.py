"""Work that misbehaves; in a file of its own, so that a worker imports nothing else."""

import os
import time

import numpy as np


def die_of_three(job: int) -> int:
    if job == 3:
        os._exit(1)
    return job


def misbehave(job: str) -> object:
    match job:
        case "crash":
            os.kill(os.getpid(), 11)
        case "hang":
            time.sleep(60)
        case "hoard":
            return np.ones(1 << 40, dtype=np.uint8).sum()
        case "fail":
            raise KeyError(job)
        case "process":
            return os.getpid()
        case "print":
            print("noise")  # noqa: T201
            os.write(1, b"noise")
            return sum(1 for _ in os.scandir("/proc/self/fd"))
        case "environment":
            return sorted(os.environ)
        case "function":
            return os.system
    return job
