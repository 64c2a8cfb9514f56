from .blend import (
    BlendHead as BlendHead,
)
from .blend import (
    BlendRegressorHead as BlendRegressorHead,
)
from .boosting import (
    XGBoostHead as XGBoostHead,
)
from .boosting import (
    XGBoostRegressorHead as XGBoostRegressorHead,
)
from .ensemble import EnsembleHead as EnsembleHead
from .logistic import LogisticHead as LogisticHead
from .named import (
    make_head as make_head,
)
from .named import (
    search_space as search_space,
)
from .pipeline import (
    HeadPipeline as HeadPipeline,
)
from .pipeline import (
    UnweightedPipeline as UnweightedPipeline,
)
from .scaler import SteadyScaler as SteadyScaler
from .selector import RelevanceSelector as RelevanceSelector
from .targets import Target as Target
