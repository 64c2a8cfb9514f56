"""Shapes from formulae: alpha masks of 96 x 96 pixels.

As in `textures`: a *family* draws parameters and returns a *program*; a program draws one mask per call, each
a little different, as two leaves of one tree are. Outlines live in the square -1..1 until they are drawn.
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

SIZE = 96
CANVAS = 2 * SIZE  # drawn at twice the size and averaged, for smooth edges
Array = np.ndarray
Program = Callable[[np.random.Generator], Array]

ANGLE = np.linspace(0, 2 * np.pi, 180, endpoint=False)


def fit(points: Array) -> Array:
    """Centre the points and scale them into the square -1..1, keeping their proportions."""
    low, high = points.min(0), points.max(0)
    return (points - (low + high) / 2) / max((high - low).max() / 2, 5e-4)


def polar(radius: Array, angle: Array, aspect: float = 1) -> Array:
    """Points of a curve given by its radius at each angle, fitted."""
    return fit(np.stack([radius * np.cos(angle), aspect * radius * np.sin(angle)], 1))


def to_canvas(points: Array, scale: float = 0.46) -> list[tuple[float, float]]:
    """Pixel coordinates of points in -1..1; ``scale`` leaves a margin."""
    return [(float(x), float(y)) for x, y in (points * scale + 0.5) * CANVAS]


def new_canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return an empty canvas and a pen for it."""
    image = Image.new("L", (CANVAS, CANVAS), 0)
    return image, ImageDraw.Draw(image)


def finished(image: Image.Image) -> Array:
    """Average the canvas down to the mask."""
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX), np.uint8)


def filled(points: Array) -> Array:
    """Return the mask of a polygon."""
    image, pen = new_canvas()
    pen.polygon(to_canvas(points), fill=255)
    return finished(image)


def wavy_circle(draw: np.random.Generator) -> Callable[[np.random.Generator], Array]:
    """Draw a circle whose radius is a sum of 2 to 8 harmonics; the program returned gives outlines."""
    count = int(draw.integers(2, 9))
    order = draw.choice(np.arange(1, 13), count, replace=False)
    size, phase = draw.uniform(0.1, 0.6, count) / np.sqrt(order), draw.uniform(0, 2 * np.pi, count)
    aspect = draw.uniform(0.5, 1)

    def outline(rng: np.random.Generator) -> Array:
        sizes = size * np.exp(rng.normal(0, 0.12, count))
        shifted = order[:, None] * ANGLE + (phase + rng.normal(0, 0.12, count))[:, None]
        return polar(np.maximum(1 + sizes @ np.cos(shifted), 0.12), ANGLE, aspect)

    return outline


def harmonics(draw: np.random.Generator) -> Program:
    """Blobs, flowers and amoebas."""
    outline = wavy_circle(draw)
    return lambda rng: filled(outline(rng))


def nested_outlines(draw: np.random.Generator) -> Program:
    """One to four copies of an outline inside each other, as lines."""
    rings, outline = int(draw.integers(1, 5)), wavy_circle(draw)

    def program(rng: np.random.Generator) -> Array:
        points, width = outline(rng), int(rng.integers(4, 10))
        image, pen = new_canvas()
        for ring in range(rings):
            line = to_canvas(points * (1 - 0.22 * ring))
            pen.line([*line, line[0]], fill=255, width=width, joint="curve")
        return finished(image)

    return program


def superformula(draw: np.random.Generator) -> Program:
    """Stars, crosses and rounded polygons by Gielis' superformula."""
    symmetry, exponents = draw.integers(2, 10), draw.uniform([0.3, 0.5, 0.5], [4, 5, 5])
    aspect, turn = draw.uniform(0.6, 1), draw.uniform(0, 2 * np.pi)

    def program(rng: np.random.Generator) -> Array:
        first, second, third = exponents * np.exp(rng.normal(0, 0.08, 3))
        quarter = ANGLE * symmetry / 4
        base = np.abs(np.cos(quarter)) ** second + np.abs(np.sin(quarter)) ** third + 1e-6
        radius = base ** (-1 / first)
        return filled(polar(np.minimum(radius, 6 * np.median(radius)), ANGLE + turn, aspect))

    return program


def polygons(draw: np.random.Generator) -> Program:
    """Irregular polygons of 3 to 9 corners."""
    corners = int(draw.integers(3, 10))
    angle, radius = np.sort(draw.uniform(0, 2 * np.pi, corners)), draw.uniform(0.3, 1, corners)

    def program(rng: np.random.Generator) -> Array:
        return filled(
            polar(radius * np.exp(rng.normal(0, 0.08, corners)), angle + rng.normal(0, 0.06, corners))
        )

    return program


def glyphs(draw: np.random.Generator) -> Program:
    """Invented characters: 1 to 4 strokes, each a quadratic Bezier curve or an arc, most of them joined."""
    count, steps = int(draw.integers(1, 5)), 24
    control = draw.uniform(-1, 1, (count, 3, 2))
    for stroke in range(1, count):
        if draw.random() < 0.7:
            control[stroke, 0] = control[draw.integers(0, stroke), draw.choice([0, 2])]
    is_arc, radius = draw.random(count) < 0.3, draw.uniform(0.3, 0.8, count)
    start, sweep = draw.uniform(0, 2 * np.pi, count), draw.uniform(2, 2 * np.pi, count)
    t = np.linspace(0, 1, steps)[:, None]

    def stroke_points(points: Array, stroke: int, rng: np.random.Generator) -> Array:
        if is_arc[stroke]:
            angle = start[stroke] + t * (sweep[stroke] + rng.normal(0, 0.1))
            return points[0] / 2 + radius[stroke] * np.concatenate([np.cos(angle), np.sin(angle)], 1)
        return (1 - t) ** 2 * points[0] + 2 * t * (1 - t) * points[1] + t**2 * points[2]

    def program(rng: np.random.Generator) -> Array:
        jittered, width = control + rng.normal(0, 0.07, control.shape), int(rng.integers(8, 34))
        curves = [stroke_points(jittered[stroke], stroke, rng) for stroke in range(count)]
        image, pen = new_canvas()
        for curve in np.split(fit(np.concatenate(curves)), count):
            line = to_canvas(curve, 0.4)
            pen.line(line, fill=255, width=width, joint="curve")
            for x, y in (line[0], line[-1]):  # round ends
                pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
        return finished(image)

    return program


def contractions(draw: np.random.Generator) -> Array:
    """Draw 2 to 5 affine maps ``(n, 2, 3)`` whose attractor is neither a point nor the plane.

    The bounds on their singular values are those of Anderson and Farrell (Improving Fractal Pre-training,
    WACV 2022).
    """
    count = int(draw.integers(2, 6))
    singular = np.zeros((count, 2))
    while not (5 + count) / 2 <= singular @ [1, 2] @ np.ones(count) <= (6 + count) / 2:
        singular = np.sort(draw.random((count, 2)), 1)[:, ::-1]

    def rotations() -> Array:
        angle = draw.uniform(-np.pi, np.pi, count)
        cos, sin = np.cos(angle), np.sin(angle)
        return np.stack([cos, -sin, sin, cos], 1).reshape(count, 2, 2)

    signed = singular * draw.choice([-1, 1], (count, 2))
    return np.concatenate(
        [rotations() * signed[:, None] @ rotations(), draw.uniform(-1, 1, (count, 2, 1))], 2
    )


def attractor(maps: Array, rng: np.random.Generator, count: int) -> Array:
    """Play the chaos game with 400 points at once for ``count`` places, clipped to 99 %, fitted."""
    weight = np.abs(np.linalg.det(maps[:, :, :2])) + 0.01
    points, visited = np.zeros((400, 2)), []
    for step in range(15 + count // 400):
        chosen = maps[rng.choice(len(maps), 400, p=weight / weight.sum())]
        points = np.einsum("pij,pj->pi", chosen[:, :, :2], points) + chosen[:, :, 2]
        if step >= 15:
            visited.append(points)
    all_points = np.concatenate(visited)
    return fit(np.clip(all_points, *np.percentile(all_points, [0.5, 99.5], axis=0)))


def fractals(draw: np.random.Generator) -> Program:
    """Attractors of iterated function systems that fill at least a fifth of their square."""
    for _ in range(50):
        maps = contractions(draw)
        coarse, _, _ = np.histogram2d(*attractor(maps, draw, 4000).T, bins=32, range=[[-1, 1]] * 2)
        if (coarse > 0).mean() > 0.2:
            break

    def program(rng: np.random.Generator) -> Array:
        jittered = maps.copy()
        jittered[rng.integers(len(maps))] *= rng.uniform(0.9, 1.05)
        hits, _, _ = np.histogram2d(*attractor(jittered, rng, 24000).T, bins=SIZE, range=[[-1.05, 1.05]] * 2)
        return (255 * np.clip(hits / 2, 0, 1)).astype(np.uint8)

    return program


def assemblies(draw: np.random.Generator) -> Program:
    """Three to seven ellipses and boxes together, mostly mirror-symmetric, some parts cut out."""
    count = int(draw.integers(3, 8))
    parts = draw.uniform([-0.6, -0.8, 0.1, 0.1, 0], [0.6, 0.8, 0.5, 0.5, np.pi], (count, 5))
    is_box, is_hole = draw.random(count) < 0.35, draw.random(count) < 0.15
    is_hole[0] = False
    sides = (1, -1) if draw.random() < 0.65 else (1,)
    ellipse = np.stack([np.cos(ANGLE[::6]), np.sin(ANGLE[::6])], 1)
    box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])

    def program(rng: np.random.Generator) -> Array:
        image, pen = new_canvas()
        jittered = parts + rng.normal(0, 0.05, parts.shape)
        for (x, y, width, height, turn), square, hole in zip(jittered, is_box, is_hole, strict=True):
            cos, sin = math.cos(turn), math.sin(turn)
            unit = (box if square else ellipse) * [abs(width) + 0.03, abs(height) + 0.03]
            placed = unit @ [[cos, sin], [-sin, cos]] + [x, y]
            for side in sides:
                pen.polygon(to_canvas(placed * [side, 1], 0.42), fill=0 if hole else 255)
        return finished(image)

    return program


def trees(draw: np.random.Generator) -> Program:
    """Branching trees."""
    branches = int(draw.integers(2, 4))
    angle, shrink = draw.uniform(-1.1, 1.1, branches), draw.uniform(0.55, 0.82, branches)
    levels, thickness = (5 if branches == 3 else 6), draw.uniform(8, 20)

    def grow(
        start: Array, heading: float, length: float, level: int, rng: np.random.Generator
    ) -> list[Array]:
        end = start + length * np.array([math.cos(heading), math.sin(heading)])
        lines = [np.concatenate([start, end, [level]])]
        if level < levels:
            for turn, factor in zip(angle, shrink, strict=True):
                turned, shorter = heading + turn + rng.normal(0, 0.12), factor * math.exp(rng.normal(0, 0.08))
                lines += grow(end, turned, length * shorter, level + 1, rng)
        return lines

    def program(rng: np.random.Generator) -> Array:
        lines = np.array(grow(np.zeros(2), -np.pi / 2, 1, 0, rng))
        points = to_canvas(fit(np.concatenate([lines[:, :2], lines[:, 2:4]])))
        image, pen = new_canvas()
        for start, end, level in zip(points[: len(lines)], points[len(lines) :], lines[:, 4], strict=True):
            pen.line((start, end), fill=255, width=max(2, int(thickness * 0.68**level)))
        return finished(image)

    return program


# How many programs of each family: the families with more to vary have more of them.
FAMILIES = {
    harmonics: 130,
    superformula: 60,
    polygons: 60,
    glyphs: 150,
    fractals: 100,
    assemblies: 130,
    nested_outlines: 40,
    trees: 30,
}


def shape(seed: int, family: int, program: int, count: int) -> Array:
    """Draw ``count`` masks of one program.

    Parameters
    ----------
    seed, family, program
        Name the program; the same three give the same masks.
    count
        How many masks.

    Returns
    -------
    numpy.ndarray
        ``(count, 96, 96)`` uint8, 255 inside the shape.
    """
    render = list(FAMILIES)[family](np.random.default_rng([seed, 3, family, program]))
    rng = np.random.default_rng([seed, 4, family, program])
    return np.stack([render(rng) for _ in range(count)])
