"""What a person reads when the images cannot be used: the whole message, for each mistake."""

import pytest

from featx.errors import InputError
from featx.images import load_folder

MESSAGES = {
    "a folder that is not there": (
        lambda: load_folder("nowhere"),
        InputError,
        "'nowhere' is not there.",
    ),
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    says(*MESSAGES[mistake])
