"""The arrays in a ``.safetensors`` file, as timm and the Hugging Face Hub keep weights: a header and raw numbers."""

from pathlib import Path

import numpy as np

from featx.errors import WeightsError


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a ``.safetensors`` file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        Name → array.

    Raises
    ------
    WeightsError
        If the package ``safetensors`` is not installed, or the file holds something else or is damaged.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> from safetensors.numpy import save
    >>> with NamedTemporaryFile(suffix=".safetensors") as file:
    ...     done = Path(file.name).write_bytes(save({"conv.weight": np.zeros((8, 3, 3, 3), "f4")}))
    ...     read_safetensors(Path(file.name))["conv.weight"].shape
    (8, 3, 3, 3)
    """
    try:
        from safetensors.numpy import load
    except ImportError as error:
        raise WeightsError(
            f"{path} is read by the package safetensors, which is not installed: pip install 'featx[safetensors]'."
        ) from error
    try:
        # not by its path, which would map the file: a process that reads a mapped file dies where it is cut short
        return load(path.read_bytes())
    except KeyError as error:
        raise WeightsError(
            f"{path} holds numbers of the kind {error.args[0]}, which NumPy does not have. Save them as float32."
        ) from error
    except Exception as error:  # the disk's, and the package's own
        raise WeightsError(
            f"{path} cannot be read as .safetensors: {error}. Download or copy it again."
        ) from error
