from .clusters import (
    Clusters as Clusters,
)
from .clusters import (
    cluster as cluster,
)
from .clusters import (
    write_clusters as write_clusters,
)
from .imagenet import (
    Guess as Guess,
)
from .imagenet import (
    classify as classify,
)
from .neighbours import (
    Neighbours as Neighbours,
)
from .neighbours import (
    similar as similar,
)
