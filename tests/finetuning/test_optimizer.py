"""Learning rates: up, then down a half cosine; each variable at its own, whatever the optimizer."""

import numpy as np
import pytest

from featx.errors import InputError, UnknownNameError
from featx.finetuning.optimizer import Settings, make_optimizer, schedule


def settings(**choices):
    return Settings(
        **{
            "epochs": 4,
            "batch_size": 8,
            "learning_rate": 0.1,
            "optimizer": "sgd",
            "weight_decay": 0.0,
            "momentum": 0.9,
            "warmup": 0.1,
            "unfreeze": "at-once",
            "patience": 5,
            "max_seconds": None,
            **choices,
        }
    )


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_the_schedule_rises_to_one_then_falls_to_zero(warmup):
    """It never leaves 0..1, has its top where the warm-up ends, and stays down when the time is over."""
    points = np.linspace(0, 1, 201)
    values = np.array([schedule(point, warmup) for point in points])

    assert values.min() >= 0
    assert values.max() == pytest.approx(1, abs=1e-3)
    assert points[values.argmax()] == pytest.approx(warmup, abs=0.01)
    assert (np.diff(values[points <= warmup]) > 0).all()
    assert (np.diff(values[points > warmup]) < 0).all()
    assert schedule(1.7, warmup) == pytest.approx(0, abs=1e-12)


def step(optimizer_settings, rates, turns, gradients, progress=1.0):
    """Give how far variables of ones move by three steps."""
    import keras

    variables = [keras.Variable(np.ones((2, 2), np.float32)) for _ in rates]
    optimizer = make_optimizer(optimizer_settings, variables, rates, turns)
    optimizer.progress.assign(progress)
    for _ in range(3):
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], variables)
    return [float(1 - np.asarray(variable)[0, 0]) for variable in variables]


@pytest.mark.parametrize("choice", [{"optimizer": "sgd"}, {"optimizer": "adamw", "weight_decay": 0.01}])
def test_a_share_of_the_rate_is_a_share_of_every_step(choice):
    """A variable with half the share moves as by an optimizer of half the rate; one with none does not move."""
    gradients = [np.full((2, 2), 0.3, np.float32)] * 3
    moved = step(settings(**choice), [1.0, 0.5, 0.0], [0, 0, 0], gradients)
    half = step(settings(**choice, learning_rate=0.05), [1.0, 1.0, 1.0], [0, 0, 0], gradients)

    assert moved[0] > 0
    assert moved[1] == pytest.approx(half[0], rel=0.02)  # weight decay acts on what the step has left
    assert moved[2] == 0


def test_adamw_does_not_walk_on_noise():
    """A gradient ten times as large makes the same step, but one a million times smaller hardly any."""
    sizes = (1.0, 0.1, 1e-7)
    gradients = [np.full((2, 2), size, np.float32) for size in sizes]
    large, small, noise = step(settings(optimizer="adamw", weight_decay=0.0), [1.0] * 3, [0] * 3, gradients)

    assert small == pytest.approx(large, rel=0.05)
    assert noise < large / 100


def test_gradually_the_deeper_stages_begin_first():
    """A stage moves from its turn on: of three, the second after a sixth of the training, the third after a third."""
    gradients = [np.ones((2, 2), np.float32)] * 3
    for progress, expected in (
        (0.1, [True, False, False]),
        (0.2, [True, True, False]),
        (0.4, [True, True, True]),
    ):
        moved = step(settings(unfreeze="gradual"), [1.0, 1.0, 1.0], [0, 1, 2], gradients, progress)
        assert [way != 0 for way in moved] == expected


def test_vectors_do_not_decay():
    """Weight decay acts on matrices and kernels, not on biases."""
    import keras

    variables = [keras.Variable(np.ones((2, 2), np.float32)), keras.Variable(np.ones(2, np.float32))]
    optimizer = make_optimizer(settings(weight_decay=0.5), variables, [1.0, 1.0], [0, 0])
    optimizer.apply([keras.ops.zeros((2, 2)), keras.ops.zeros(2)], variables)

    assert np.asarray(variables[0]).max() < 1
    assert np.asarray(variables[1]).min() == 1


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"epochs": 0}, "epochs=0: give a whole number"),
        ({"batch_size": 2.5}, "batch_size=2.5: give a whole number"),
        ({"learning_rate": -1}, r"learning_rate=-1: give a number of at least 0\."),
        ({"learning_rate": "fast"}, "learning_rate='fast'"),
        ({"momentum": 1.0}, "momentum=1.0: give a number of at least 0 and less than 1"),
        ({"warmup": True}, "warmup=True"),
        ({"weight_decay": np.nan}, "weight_decay=nan"),
        ({"patience": 0}, "patience=0"),
        ({"max_seconds": -3}, "max_seconds=-3"),
    ],
)
def test_impossible_settings_are_refused(choice, message):
    """Before anything is computed, with the parameter's name."""
    with pytest.raises(InputError, match=message):
        settings(**choice)


def test_unknown_names_are_refused_with_a_guess():
    """As everywhere in featx."""
    with pytest.raises(UnknownNameError, match=r"Unknown optimizer 'adam'\. Did you mean 'adamw'"):
        settings(optimizer="adam")
    with pytest.raises(UnknownNameError, match="Unknown unfreeze 'slowly'"):
        settings(unfreeze="slowly")


def test_the_default_rate_depends_on_the_optimizer():
    """SGD and AdamW count in different units."""
    assert (
        settings(learning_rate="auto", optimizer="sgd").rate
        != settings(learning_rate="auto", optimizer="adamw").rate
    )
    assert settings(learning_rate=0.25).rate == 0.25
