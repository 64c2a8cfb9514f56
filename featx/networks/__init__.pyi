from .backbone import Backbone as Backbone
from .catalogue import backbones as backbones
from .cost import (
    Cut as Cut,
)
from .cost import (
    cuts as cuts,
)
