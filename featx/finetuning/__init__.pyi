from .estimators import (
    FineTuner as FineTuner,
)
from .estimators import (
    FineTunerRegressor as FineTunerRegressor,
)
