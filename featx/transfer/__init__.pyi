from .advice import (
    Advice as Advice,
)
from .advice import (
    advise as advise,
)
from .depth_report import (
    DepthCurve as DepthCurve,
)
from .depth_report import (
    DepthRow as DepthRow,
)
from .depths import depth_curve as depth_curve
from .each_view import EachView as EachView
from .estimators import (
    TransferClassifier as TransferClassifier,
)
from .estimators import (
    TransferRegressor as TransferRegressor,
)
from .strategies import make_strategy as make_strategy
