"""Which estimator: the part of a recipe that describes it."""

from typing import Annotated

from pydantic import Field

from mammoscope.models.estimators.boosting import BoostingEstimator
from mammoscope.models.estimators.forest import ForestEstimator
from mammoscope.models.estimators.kernel import SvmEstimator
from mammoscope.models.estimators.linear import LogisticEstimator

EstimatorConfig = Annotated[
    ForestEstimator | LogisticEstimator | SvmEstimator | BoostingEstimator, Field(discriminator="kind")
]
"""The closed set of estimators; `kind` chooses."""
