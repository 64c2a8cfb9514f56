from .datasets import (
    digits as digits,
)
from .datasets import (
    photographs as photographs,
)
from .datasets import (
    synthetic as synthetic,
)
from .datasets import (
    write_folder as write_folder,
)
from .datasets import (
    write_photographs as write_photographs,
)
from .folders import load_folder as load_folder
from .image_table import (
    ImageRow as ImageRow,
)
from .image_table import (
    ImageTable as ImageTable,
)
from .sharing import in_shard as in_shard
from .sources import as_sources as as_sources
from .tables import load_table as load_table
from .tars import load_tars as load_tars
