"""Which types a saved model names, by their public names, and which of them are trusted."""

import io
import json
from importlib import import_module
from typing import Any
from zipfile import ZipFile

from sklearn.base import BaseEstimator

ROOMS = ("heads", "cache", "embedding", "finetuning", "transfer")
"""The rooms whose public estimators are trusted."""

DATA = frozenset({"featx.cache.EmbeddingCache", "featx.errors.BadImage", "featx.heads.Target"})
"""Plain data of featx that fitted estimators hold."""

OTHERS = frozenset(
    {
        "numpy.dtype",
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.utils._bunch.Bunch",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRegressor",
    }
)
"""Besides what skops trusts by itself. To make one of these runs no code that the file chose; functions and everything
else have to be named by the caller."""


def trusted(name: str) -> bool:
    """Tell whether a type may be made without being named by the caller: an estimator of featx, or plain data.

    Parameters
    ----------
    name
        Its full public name.

    Examples
    --------
    >>> [trusted(f"featx.{name}") for name in ("heads.LogisticHead", "heads.make_head", "heads.logistic.LogisticHead")]
    [True, False, False]
    """
    if name in DATA | OTHERS:
        return True
    featx, _, rest = name.partition(".")
    room, _, own = rest.partition(".")
    if featx != "featx" or room not in ROOMS:
        return False
    door = import_module(f"featx.{room}")
    kind = getattr(door, own) if own in door.__all__ else None
    return isinstance(kind, type) and issubclass(kind, BaseEstimator)


def public_name(module: str, name: str) -> tuple[str, str]:
    """Give the room and the name under which a type is public; itself where it is none of featx's public ones.

    Examples
    --------
    >>> public_name("featx.heads.logistic", "LogisticHead")
    ('featx.heads', 'LogisticHead')
    """
    door = ".".join(module.split(".")[:2])
    if module.startswith("featx.") and module != door and name in getattr(import_module(door), "__all__", ()):
        return door, name
    return module, name


def with_public_names(data: bytes) -> bytes:
    """Write every type in a skops file under its public name, so that moving a module breaks no saved model."""

    def renamed(node: dict[str, Any]) -> dict[str, Any]:
        module, name = node.get("__module__"), node.get("__class__")
        if isinstance(module, str) and isinstance(name, str):
            node["__module__"], node["__class__"] = public_name(module, name)
        return node

    out = io.BytesIO()
    with ZipFile(io.BytesIO(data)) as old, ZipFile(out, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            if member.filename == "schema.json":
                content = json.dumps(json.loads(content, object_hook=renamed), indent=2).encode()
            new.writestr(member, content)
    return out.getvalue()
