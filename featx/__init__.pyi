from .cache import EmbeddingCache as EmbeddingCache
from .embedding import FeatureExtractor as FeatureExtractor
from .errors import FeatxError as FeatxError
from .evaluation import evaluate as evaluate
from .finetuning import (
    FineTuner as FineTuner,
)
from .finetuning import (
    FineTunerRegressor as FineTunerRegressor,
)
from .heads import make_head as make_head
from .images import (
    load_folder as load_folder,
)
from .images import (
    load_table as load_table,
)
from .networks import backbones as backbones
from .reporting import report as report
from .saving import (
    load as load,
)
from .saving import (
    save as save,
)
from .transfer import (
    TransferClassifier as TransferClassifier,
)
from .transfer import (
    TransferRegressor as TransferRegressor,
)
from .transfer import (
    advise as advise,
)
from .transfer import (
    depth_curve as depth_curve,
)

__version__: str
