"""Textures from formulae: grey fields of 128 x 128 pixels with values in 0..1.

Three words: a *family* is a formula; called with a random generator it draws the formula's parameters and
returns a *program*; called with another generator and a count, the program returns that many *fields*, which
look alike but are not equal. So one program is one kind of material, and its fields are pieces of it.

No photograph, font or shader of anyone is involved: everything here is noise, waves, distances and discs.
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

SIZE = 128
Array = np.ndarray
Program = Callable[[np.random.Generator, int], Array]

FREQUENCY_Y, FREQUENCY_X = np.meshgrid(
    np.fft.fftfreq(SIZE) * SIZE, np.fft.rfftfreq(SIZE) * SIZE, indexing="ij"
)
Y, X = np.meshgrid(*[np.arange(SIZE, dtype=np.float32) / SIZE] * 2, indexing="ij")


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform, for parameters where a factor matters, not a difference."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def standardise(fields: Array) -> Array:
    """Map each field's mean to 0.5 and 2.5 standard deviations to 0 and 1."""
    centred = fields - fields.mean((1, 2), keepdims=True)
    return np.clip(0.5 + centred / (fields.std((1, 2), keepdims=True) + 1e-6) / 5, 0, 1)


def filtered_noise(rng: np.random.Generator, count: int, gain: Array) -> Array:
    """White noise through a filter given by its gain at each frequency, standardised."""
    noise = rng.standard_normal((count, SIZE, SIZE)).astype(np.float32)
    return standardise(np.fft.irfft2(np.fft.rfft2(noise) * gain, s=(SIZE, SIZE)).astype(np.float32))


def cloud(rng: np.random.Generator, count: int, exponent: float, angle: float = 0, ratio: float = 1) -> Array:
    """Noise whose amplitude falls as frequency ** -exponent; ``ratio`` stretches it along ``angle``."""
    along, across = turned(FREQUENCY_Y, FREQUENCY_X, angle)
    gain = np.maximum(np.sqrt(along**2 * ratio + across**2 / ratio), 0.7) ** -exponent
    gain[0, 0] = 0  # the mean carries nothing
    return filtered_noise(rng, count, gain)


def ripples(
    rng: np.random.Generator, count: int, *, frequency: float, width: float, angle: float, focus: float
) -> Array:
    """Noise around one frequency, and around one direction the more, the larger ``focus`` is."""
    radius = np.hypot(FREQUENCY_Y, FREQUENCY_X) + 1e-6
    gain = np.exp(-0.5 * (np.log(radius / frequency) / width) ** 2)
    direction = np.arctan2(FREQUENCY_X, FREQUENCY_Y)
    return filtered_noise(rng, count, gain * np.exp(focus * (np.cos(2 * (direction - angle)) - 1)))


def warp(fields: Array, shift_x: Array, shift_y: Array) -> Array:
    """Move every pixel by its own shift in pixels; bilinear, and periodic at the border."""
    x, y = X * SIZE + shift_x, Y * SIZE + shift_y
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    part_x, part_y = x - left, y - top
    which = np.arange(len(fields))[:, None, None]

    def at(row: Array, column: Array) -> Array:
        return fields[which, row % SIZE, column % SIZE]

    upper = at(top, left) * (1 - part_x) + at(top, left + 1) * part_x
    lower = at(top + 1, left) * (1 - part_x) + at(top + 1, left + 1) * part_x
    return upper * (1 - part_y) + lower * part_y


def turned(x: Array, y: Array, angle: float | Array) -> tuple[Array, Array]:
    """Coordinates along an angle and across it."""
    cos, sin = np.cos(angle), np.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def phases(rng: np.random.Generator, count: int) -> Array:
    """One random phase per field, ready to broadcast over its pixels."""
    return rng.uniform(0, 2 * np.pi, (count, 1, 1))


def power_law(draw: np.random.Generator) -> Program:
    """Clouds: from fine grain to broad patches, often stretched."""
    exponent, angle = draw.uniform(0.5, 2.2), draw.uniform(0, np.pi)
    ratio = log_uniform(draw, 1, 4) if draw.random() < 0.6 else 1.0
    return lambda rng, count: cloud(rng, count, exponent, angle, ratio)


def band_pass(draw: np.random.Generator) -> Program:
    """Ripples of one scale, with or without a direction."""
    band = {"frequency": log_uniform(draw, 3, 30), "width": draw.uniform(0.12, 0.45)}
    band |= {"angle": draw.uniform(0, np.pi), "focus": draw.choice([0, 1, 4, 12])}
    return lambda rng, count: ripples(rng, count, **band)


def labyrinth(draw: np.random.Generator) -> Program:
    """Ripples cut at a level: labyrinths, and spots where the level is far from the middle."""
    band = {"frequency": log_uniform(draw, 3, 22), "width": draw.uniform(0.1, 0.4)}
    band |= {"angle": draw.uniform(0, np.pi), "focus": draw.choice([0, 0, 1, 4])}
    level, steepness = draw.uniform(0.38, 0.62), draw.uniform(15, 60)

    def program(rng: np.random.Generator, count: int) -> Array:
        return 1 / (1 + np.exp(steepness * (level - ripples(rng, count, **band))))

    return program


def gratings(draw: np.random.Generator) -> Program:
    """One to three gratings (sine, soft square or saw) on top of each other, some of them warped."""
    waves = [(log_uniform(draw, 3, 22), draw.uniform(0, np.pi)) for _ in range(draw.integers(1, 4))]
    kind, duty = draw.choice(["sine", "square", "saw"]), draw.uniform(-0.6, 0.6)
    bend = draw.choice([0, 0, 8, 24])

    def program(rng: np.random.Generator, count: int) -> Array:
        total = np.zeros((count, SIZE, SIZE), np.float32)
        for frequency, angle in waves:
            along, _ = turned(X, Y, angle + rng.normal(0, 0.05, (count, 1, 1)))
            stretched = frequency * np.exp(rng.normal(0, 0.06, (count, 1, 1)))
            phase = 2 * np.pi * stretched * along + phases(rng, count)
            if kind == "sine":
                total += np.sin(phase)
            elif kind == "square":
                total += np.tanh(6 * (np.sin(phase) - duty))
            else:
                total += phase / np.pi % 2 - 1
        fields = 0.5 + total / (2.2 * len(waves))
        if bend:
            shift = bend * (cloud(rng, 2 * count, 2.2) - 0.5)
            fields = warp(fields, shift[:count], shift[count:])
        return fields

    return program


def worley(draw: np.random.Generator) -> Program:
    """Cells around random points: distance to the nearest, walls between cells, or one grey per cell."""
    points, metric = int(log_uniform(draw, 8, 160)), draw.choice([1.0, 2.0, 4.0])
    kind = draw.choice(["nearest", "difference", "walls", "cells"])

    def field(rng: np.random.Generator) -> Array:
        centre = rng.random((points, 2), dtype=np.float32)
        tiled = np.concatenate([centre + np.array([a, b]) for a in (-1, 0, 1) for b in (-1, 0, 1)]).astype(
            np.float32
        )
        tiled = tiled[((tiled > -0.25) & (tiled < 1.25)).all(1)]  # the field is periodic, nearly
        grey = rng.random(len(tiled), dtype=np.float32)
        powered = (
            np.abs(X.reshape(-1, 1) - tiled[:, 0]) ** metric
            + np.abs(Y.reshape(-1, 1) - tiled[:, 1]) ** metric
        )
        if kind == "cells":
            return grey[powered.argmin(1)]
        two = np.partition(powered, 1, 1)[:, :2] ** (1 / metric) * math.sqrt(points)
        if kind == "nearest":
            return two[:, 0]
        wall = two[:, 1] - two[:, 0]
        return np.tanh(6 * wall) if kind == "walls" else wall

    def program(rng: np.random.Generator, count: int) -> Array:
        return np.stack([field(rng).clip(0, 1.2) / 1.2 for _ in range(count)]).reshape(-1, SIZE, SIZE)

    return program


def warped_cloud(draw: np.random.Generator) -> Program:
    """Clouds pulled about by smoother clouds."""
    fine, smooth, shift = draw.uniform(0.9, 1.9), draw.uniform(1.6, 2.5), draw.uniform(16, 80)

    def program(rng: np.random.Generator, count: int) -> Array:
        field = shift * (cloud(rng, 2 * count, smooth) - 0.5)
        return warp(cloud(rng, count, fine), field[:count], field[count:])

    return program


def marble(draw: np.random.Generator) -> Program:
    """Make a wave whose phase is a cloud: marble and wood."""
    frequency, angle = log_uniform(draw, 2, 14), draw.uniform(0, np.pi)
    bend, exponent, sharpness = draw.uniform(0.5, 4), draw.uniform(1.3, 2.2), draw.uniform(0.5, 3)

    def program(rng: np.random.Generator, count: int) -> Array:
        along, _ = turned(X, Y, angle + rng.normal(0, 0.06, (count, 1, 1)))
        bent = 6 * bend * (cloud(rng, count, exponent) - 0.5)
        wave = np.sin(2 * np.pi * frequency * along + bent + phases(rng, count))
        return 0.5 + 0.5 * np.sign(wave) * np.abs(wave) ** (1 / sharpness)

    return program


def lattice(draw: np.random.Generator) -> Program:
    """Checkers, bricks, dots or boxes, more or less regular."""
    periods, aspect, angle = log_uniform(draw, 4, 18), draw.uniform(0.6, 1.8), draw.uniform(-0.5, 0.5)
    kind, radius = draw.choice(["checker", "brick", "dot", "box"]), draw.uniform(0.2, 0.45)
    disorder = draw.choice([0, 0.1, 0.3])

    def field(rng: np.random.Generator) -> Array:
        along, across = turned(X, Y, angle + rng.normal(0, 0.05))
        scale = periods * math.exp(rng.normal(0, 0.06))
        x, y = scale * along + rng.random(), scale * aspect * across + rng.random()
        if kind == "brick":
            x = x + 0.5 * (np.floor(y) % 2)
        column, row = np.floor(x).astype(int), np.floor(y).astype(int)
        per_cell = rng.random((64, 64, 3), dtype=np.float32)[row % 64, column % 64]
        u = x - column - 0.5 + disorder * (per_cell[..., 0] - 0.5)
        v = y - row - 0.5 + disorder * (per_cell[..., 1] - 0.5)
        grey = per_cell[..., 2]
        if kind == "checker":
            return (column + row) % 2 * 0.8 + 0.2 * grey
        if kind == "brick":
            return np.where(np.maximum(np.abs(u), np.abs(v)) > 0.5 - 0.24 * radius, 0, 0.6 + 0.4 * grey)
        if kind == "dot":
            return 1 / (1 + np.exp(25 * (np.hypot(u, v) - radius)))
        return 1 / (1 + np.exp(25 * (np.maximum(np.abs(u), np.abs(v)) - radius))) * (0.5 + 0.5 * grey)

    return lambda rng, count: np.stack([field(rng) for _ in range(count)])


def ridges(draw: np.random.Generator) -> Program:
    """Draw the middle level of a cloud as bright ridges."""
    exponent, sharpness = draw.uniform(1, 2), draw.uniform(0.5, 3)
    return lambda rng, count: (
        (1 - np.minimum(1, 2.2 * np.abs(2 * cloud(rng, count, exponent) - 1))) ** sharpness
    )


def dead_leaves(draw: np.random.Generator) -> Program:
    """120 discs, squares or rhombi over each other, radii with density r ** -3 as in natural images."""
    kind, darkening = draw.choice(["disc", "square", "rhombus"]), 0.4 * draw.random()
    smallest, largest = log_uniform(draw, 0.015, 0.06), log_uniform(draw, 0.08, 0.4)

    def program(rng: np.random.Generator, count: int) -> Array:
        fields = np.broadcast_to(rng.random((count, 1, 1)), (count, SIZE, SIZE))
        for _ in range(120):
            quantile = rng.random((count, 1, 1))
            radius = (smallest**-2 + quantile * (largest**-2 - smallest**-2)) ** -0.5
            centre_x, centre_y, turn, grey = rng.random((4, count, 1, 1))
            u, v = turned(X - centre_x, Y - centre_y, 2 * np.pi * turn)
            squared = u**2 + v**2
            if kind == "disc":
                inside = squared < radius**2
            elif kind == "square":
                inside = np.maximum(np.abs(u), np.abs(v)) < 0.8 * radius
            else:
                inside = np.abs(u) + 2.5 * np.abs(v) < 1.3 * radius
            fields = np.where(inside, grey * (1 - darkening * squared / radius**2), fields)
        return fields

    return program


def spirals(draw: np.random.Generator) -> Program:
    """Rings, rays and spirals around one point."""
    frequency, arms = log_uniform(draw, 3, 16), draw.integers(0, 9)
    logarithmic, contrast = draw.random() < 0.5, draw.uniform(0.8, 4)

    def program(rng: np.random.Generator, count: int) -> Array:
        centre_x, centre_y = rng.uniform(0.1, 0.9, (2, count, 1, 1))
        radius = np.hypot(X - centre_x, Y - centre_y) + 0.01
        angle = np.arctan2(Y - centre_y, X - centre_x)
        turns = frequency * (0.5 * np.log(radius) if logarithmic else radius)
        return 0.5 + 0.5 * np.tanh(contrast * np.sin(2 * np.pi * turns + arms * angle + phases(rng, count)))

    return program


def strokes(draw: np.random.Generator) -> Program:
    """20 to 200 straight lines, parallel or crossing."""
    lines, length, width = (
        int(log_uniform(draw, 20, 200)),
        log_uniform(draw, 0.08, 0.8),
        int(draw.integers(1, 4)),
    )
    angle, spread = draw.uniform(0, np.pi), draw.choice([0.05, 0.3, 3.0])

    def field(rng: np.random.Generator) -> Array:
        image = Image.new("L", (SIZE, SIZE), int(rng.integers(0, 120)))
        pen = ImageDraw.Draw(image)
        for _ in range(lines):
            x, y = rng.random(2) * SIZE
            heading, half = angle + rng.normal(0, spread), 0.5 * length * SIZE
            dx, dy = half * math.cos(heading), half * math.sin(heading)
            pen.line((x - dx, y - dy, x + dx, y + dy), fill=int(rng.integers(90, 256)), width=width)
        return np.asarray(image, np.float32) / 255

    return lambda rng, count: np.stack([field(rng) for _ in range(count)])


def gradient(draw: np.random.Generator) -> Program:
    """Slope from dark to bright with a little cloud on it: light falling across a plain surface."""
    exponent, angle, noise = draw.uniform(1.6, 2.6), draw.uniform(0, 2 * np.pi), draw.uniform(0, 0.5)

    def program(rng: np.random.Generator, count: int) -> Array:
        slope, _ = turned(X - 0.5, Y - 0.5, angle + rng.normal(0, 0.3, (count, 1, 1)))
        return 0.5 + 0.7 * slope + noise * (cloud(rng, count, exponent) - 0.5)

    return program


def splats(draw: np.random.Generator) -> Program:
    """20 to 120 blobs or Gabor patches, bright and dark."""
    blobs, cycles, radius = (
        int(log_uniform(draw, 20, 120)),
        draw.choice([0, 1, 2]),
        log_uniform(draw, 0.012, 0.05),
    )
    angle, spread, aspect = draw.uniform(0, np.pi), draw.choice([0.1, 0.5, 3.0]), draw.uniform(1, 3)

    def program(rng: np.random.Generator, count: int) -> Array:
        total = np.zeros((count, SIZE, SIZE), np.float32)
        for _ in range(blobs):
            centre_x, centre_y = rng.random((2, count, 1, 1))
            x, y = (X - centre_x + 0.5) % 1 - 0.5, (Y - centre_y + 0.5) % 1 - 0.5
            along, across = turned(x, y, angle + rng.normal(0, spread, (count, 1, 1)))
            sign = rng.choice([-1, 1], (count, 1, 1))
            u, v = along / radius, across / radius / aspect
            total += sign * np.exp(-0.5 * (u**2 + v**2)) * np.cos(2 * cycles * u)
        return 0.5 + 0.35 * total

    return program


FAMILIES = (
    *(power_law, band_pass, labyrinth, gratings, worley, warped_cloud, marble),
    *(lattice, ridges, dead_leaves, spirals, strokes, gradient, splats),
)


def texture(seed: int, family: int, program: int, count: int) -> Array:
    """Render ``count`` fields of one program.

    Parameters
    ----------
    seed, family, program
        Name the program; the same three give the same fields.
    count
        How many fields.

    Returns
    -------
    numpy.ndarray
        ``(count, 128, 128)`` uint8.
    """
    render = FAMILIES[family](np.random.default_rng([seed, 1, family, program]))
    fields = render(np.random.default_rng([seed, 2, family, program]), count)
    return (np.clip(fields, 0, 1) * 255).astype(np.uint8)
