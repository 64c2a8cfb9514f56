from .activation import (
    ClassActivation as ClassActivation,
)
from .activation import (
    class_activation as class_activation,
)
from .inceptionism import (
    dream as dream,
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
from .maximisation import (
    Maximised as Maximised,
)
from .maximisation import (
    maximise as maximise,
)
from .pictures import (
    write_picture as write_picture,
)
