from .backbone import Backbone as Backbone
from .catalogue import backbones as backbones
from .cuts import (
    Depth as Depth,
)
from .cuts import (
    depths as depths,
)
