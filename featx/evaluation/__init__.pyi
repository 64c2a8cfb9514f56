from .duplicates import (
    Duplicates as Duplicates,
)
from .duplicates import (
    find_duplicates as find_duplicates,
)
from .duplicates import (
    leaked as leaked,
)
from .report import (
    Report as Report,
)
from .report import (
    evaluate as evaluate,
)
from .unseen import (
    evaluate_fitted as evaluate_fitted,
)
