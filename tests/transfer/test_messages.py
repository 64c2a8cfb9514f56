"""What a person reads when no strategy can be chosen or made: the whole message, for each mistake."""

import pytest

from featx.errors import InputError, UnknownNameError
from featx.transfer import TransferClassifier, make_strategy

NOWHERE, LABELS = ["nowhere.png"] * 20, ["ant", "bee"] * 10
KNOWN = (
    "'pixels', 'start', 'end', 'default', 'all-depths', 'blend', 'ensemble', 'finetune', 'scratch', and stages, as "
    "'stage-3' or 'stages-2-4-grid2'."
)


def fit(told=None, /, **choices):
    return lambda: TransferClassifier(**choices).fit(NOWHERE, LABELS, **(told or {}))


MESSAGES = {
    "an unknown strategy": (
        lambda: make_strategy("all-depth"),
        UnknownNameError,
        f"Unknown strategy 'all-depth'. Did you mean 'all-depths'? Known: {KNOWN}",
    ),
    "an unknown strategy of an estimator": (
        fit(strategy="ends"),
        UnknownNameError,
        f"Unknown strategy 'ends'. Did you mean 'end'? Known: 'auto', {KNOWN}",
    ),
    "a head for a blend": (
        lambda: make_strategy("blend", "featx-mini", head="svm"),
        InputError,
        (
            "head='svm': 'blend' has a head of its own, ridge regression. Leave head at 'auto', or take another "
            "strategy."
        ),
    ),
    "a stage that is not there": (
        lambda: make_strategy("stages-2-9", "featx-mini"),
        InputError,
        "strategy='stages-2-9': this backbone has the stages 1 to 4. Name some of these, in order.",
    ),
    "stages in the wrong order": (
        lambda: make_strategy("stages-3-2-grid2", "featx-mini"),
        InputError,
        "strategy='stages-3-2-grid2': this backbone has the stages 1 to 4. Name some of these, in order.",
    ),
    "unlabelled images for fine-tuning": (
        fit({"unlabelled": NOWHERE}, strategy="finetune"),
        InputError,
        (
            "strategy='finetune' learns nothing from unlabelled images. Leave them out, or take a strategy that trains "
            "no network, such as 'default'."
        ),
    ),
    **{
        f"unlabelled images for trees, {strategy}": (
            fit({"unlabelled": NOWHERE}, strategy=strategy, head="xgboost"),
            InputError,
            (
                "XGBoostHead learns nothing from unlabelled images. Leave them out, or take another head, such as "
                "'logistic'."
            ),
        )
        for strategy in ("auto", "end")
    },
    **{
        f"a budget of {budget!r}": (
            fit(budget=budget),
            InputError,
            (
                f"budget={budget!r}: give a number, 1 or more, which says how many times as long as one fit of the "
                "head the choice may take; or None for no limit."
            ),
        )
        for budget in (0.5, "long", True)
    },
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_a_mistake_is_told_in_whole(mistake, says):
    """Before any image is read: what was given, what was expected, what to do."""
    says(*MESSAGES[mistake])
