from .models import (
    load as load,
)
from .models import (
    save as save,
)
from .tables import (
    export_recipe as export_recipe,
)
from .tables import (
    write_embeddings as write_embeddings,
)
