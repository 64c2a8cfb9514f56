"""Configurations as Keras 2 wrote them, in words that Keras 3 takes."""

import inspect
from collections.abc import Mapping
from typing import Any

_KERAS = {"keras", "tf_keras", "tensorflow"}
"""Packages that Keras 2 came in."""
_GONE = {"groups": 1, "time_major": False, "ragged": False, "implementation": 1}
"""Arguments that Keras 2 wrote for layers that do not take them in Keras 3, with the value that means nothing."""


def renewed(config: Any, *, outermost: bool = True) -> Any:
    """Write a configuration of Keras 2, such as Teachable Machine's, so that Keras 3 takes it.

    Parameters
    ----------
    config
        Of a model, in JSON's types. It is not changed.
    outermost
        Whether it is that of the whole model.

    Examples
    --------
    >>> renewed({"class_name": "DepthwiseConv2D", "config": {"kernel_size": [3, 3], "groups": 1}})
    {'class_name': 'DepthwiseConv2D', 'config': {'kernel_size': [3, 3]}}
    """
    from featx.networks.quiet_keras import keras

    if isinstance(config, list):
        return [renewed(value, outermost=False) for value in config]
    if not isinstance(config, Mapping):
        return config
    written = {key: renewed(value, outermost=False) for key, value in config.items()}
    name, inner = str(config.get("class_name")), written.get("config")
    if not isinstance(inner, dict) or str(config.get("module", "keras")).partition(".")[0] not in _KERAS:
        return written
    for key in ("module", "registered_name"):  # Keras finds its own classes by their names alone
        written.pop(key, None)
    _leave_out(inner, getattr(keras.layers, name, None))
    if name == "BatchNormalization" and isinstance(inner.get("axis"), list) and len(inner["axis"]) == 1:
        (inner["axis"],) = inner["axis"]
    if (
        name in {"Functional", "Model"} and not outermost
    ):  # else Keras 3 takes it for one that gives a list of one
        for key in ("input_layers", "output_layers"):
            if isinstance(inner.get(key), list) and len(inner[key]) == 1:
                (inner[key],) = inner[key]
    return written


def _leave_out(config: dict[str, Any], kind: Any) -> None:
    """Leave out of a layer's configuration what Keras 3 does not take, and what means nothing."""
    known = inspect.signature(kind).parameters if isinstance(kind, type) else config
    for key, value in _GONE.items():
        if key not in known and config.get(key) == value:
            config.pop(key, None)
