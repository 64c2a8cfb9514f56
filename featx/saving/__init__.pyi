from .export import export_model as export_model
from .exported import (
    ExportedClassifier as ExportedClassifier,
)
from .exported import (
    ExportedModel as ExportedModel,
)
from .exported import (
    load_exported as load_exported,
)
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
