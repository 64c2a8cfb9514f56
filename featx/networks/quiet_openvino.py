"""OpenVINO, imported so that its makers are not told.

Whatever may be the first in a process to use it takes it from here.
"""

from featx.networks.uncounted import uncounted

__all__ = ["openvino"]

with uncounted():
    import openvino
