"""While the tests run, arrays of another shape or type than a signature says are refused."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from mammoscope.images.codecs import WaveletLevels
from mammoscope.images.levels import ArrayLevels, Levels, block_mean


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(TypeCheckError):
        block_mean(np.zeros(4, dtype=np.uint8), rows=2, cols=2)


@pytest.mark.parametrize("kind", [ArrayLevels, WaveletLevels])
def test_functions_of_array_types_by_another_name_are_checked_too(kind: type[Levels]) -> None:
    assert hasattr(kind.read, "__wrapped__")
