"""Saved models as commands load them: at work as the options say, with the answers they always give."""

from pathlib import Path
from typing import Any

import featx


def load_model(folder: Path, **choices: Any) -> Any:
    """Load a saved model, and tell every extractor in it how to work; or an exported model.

    Parameters
    ----------
    folder
        The saved or exported model.
    choices
        Parameters that change no answer, such as ``n_jobs`` and ``cache``, for each part that has them.
    """
    from featx.saving.exported import is_exported, load_exported

    if is_exported(folder):
        exported = load_exported(folder)
        exported.n_jobs = choices.get("n_jobs")
        return exported
    from featx.embedding.composition import OnExtractor, parts_of
    from featx.images.inputs import ImageTransformer

    model = featx.load(folder)
    for part in list(parts_of(model)):
        if isinstance(part, ImageTransformer):
            known = part.get_params(deep=False)
            part.set_params(
                on_error="raise", **{name: value for name, value in choices.items() if name in known}
            )
        elif isinstance(part, OnExtractor):
            part.set_params(**{f"extractor__{name}": value for name, value in choices.items()})
    return model
