from .model_report import (
    ModelReport as ModelReport,
)
from .model_report import (
    report as report,
)
from .unseen import (
    report_fitted as report_fitted,
)
