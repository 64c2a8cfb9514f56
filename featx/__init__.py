"""featx: cut a pretrained CNN at any depth, embed images once, fit any scikit-learn head on the embeddings.

The names below are loaded on first use, so that ``import featx`` costs a few milliseconds.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "EmbeddingCache": "cache",
    "FeatureExtractor": "extractor",
    "FeatxError": "errors",
    "FineTuner": "finetune",
    "FineTunerRegressor": "finetune",
    "TransferClassifier": "transfer",
    "TransferRegressor": "transfer",
    "advise": "advice",
    "backbones": "catalogue",
    "depth_curve": "depths",
    "evaluate": "report",
    "load": "saving",
    "load_folder": "listing",
    "load_table": "listing",
    "make_head": "heads",
    "save": "saving",
}

__all__ = sorted(_HOME)  # noqa: PLE0605 - derived from the one list there is


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'featx' has no attribute {name!r}. Public names: {', '.join(__all__)}.")
    return getattr(import_module(f"featx.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
