from .activation import (
    ClassActivation as ClassActivation,
)
from .activation import (
    class_activation as class_activation,
)
from .maps import (
    DepthMaps as DepthMaps,
)
from .maps import (
    StrongestMaps as StrongestMaps,
)
from .maps import (
    strongest_maps as strongest_maps,
)
from .pictures import (
    write_picture as write_picture,
)
