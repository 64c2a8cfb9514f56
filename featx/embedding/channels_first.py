"""An OpenVINO graph of a network built channels last, with the transposes between its convolutions taken out.

OpenVINO convolves channels first only. So Keras' OpenVINO backend puts a transpose before and another behind each
convolution, pooling and normalisation, and such a graph runs at a quarter of its speed. Here each transpose is moved
down, past all that does not mind the order of the axes, until it meets its opposite and both vanish. What does mind, or
is not known here, gets its transpose before it: that costs time, and never changes a number.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

_ALIKE = {
    "Abs", "Add", "Clamp", "Convert", "Divide", "Elu", "Exp", "Gelu", "HSigmoid", "HSwish", "HardSigmoid", "Log",
    "Maximum", "Minimum", "Mish", "Multiply", "Negative", "Power", "Relu", "Selu", "Sigmoid", "SoftPlus", "SoftSign",
    "Sqrt", "SquaredDifference", "Subtract", "Swish", "Tanh",
}  # fmt: skip
"""Operators that treat every number of a tensor alike, so that its axes may have any order; NumPy's broadcasting."""


class _View(NamedTuple):
    """A value: an output of the graph, with its axes in another order."""

    output: Any
    order: tuple[int, ...] | None
    """As `numpy.transpose` takes it; None where the value is the output as it is."""


def sink_transposes(model: Any, batch: int) -> Any:
    """Take out the transposes that a graph does without, and make it one for any number of images.

    Parameters
    ----------
    model
        An `openvino.Model` with static shapes; it is changed.
    batch
        The number of images it was made for; a shape that begins with it takes the number from its input instead.

    Returns
    -------
    openvino.Model
        The same model.
    """
    from openvino.passes import ConstantFolding, Manager

    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)
    walk = _Walk(batch)
    for node in model.get_ordered_ops():
        walk.visit(node)
    model.validate_nodes_and_infer_types()
    return model


class _Walk:
    """Visits the operators from the input to the outputs; knows of each output which value it stands for now."""

    def __init__(self, batch: int) -> None:
        import openvino.opset13 as opset

        self.opset = opset
        self.batch = batch
        self.views: dict[tuple[str, int], _View] = {}
        self.made: dict[Any, Any] = {}  # transposes, so that none is made twice
        self.rules: dict[str, Callable[[Any, list[_View]], tuple[int, ...] | None]] = {
            "BatchNormInference": self._normalise,
            "Concat": self._concat,
            "Gather": self._gather,
            "Pad": self._pad,
            "Slice": self._slice,
            **dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"), self._reduce),
            **dict.fromkeys(_ALIKE, self._alike),
        }

    def visit(self, node: Any) -> None:
        """Give an operator the inputs it can do with, and note in which order its output then is."""
        views = [self.views.get(_key(source), _View(source, None)) for source in node.input_values()]
        kind = node.get_type_name()
        if kind == "Transpose" and (axes := _constant(views[1])) is not None:
            before = views[0].order or range(len(axes))
            composed = tuple(before[axis] for axis in axes)
            self.views[node.get_name(), 0] = _View(views[0].output, _or_none(composed))
            return
        if kind == "Reshape":
            self._for_any_batch(node, views)
        order: tuple[int, ...] | None = None
        if any(view.order for view in views) and kind in self.rules:
            order = self.rules[kind](node, views)
        if order is None:
            self._set(node, [self._plain(view) for view in views])
        else:
            self.views[node.get_name(), 0] = _View(node.output(0), _or_none(order))

    def _alike(self, node: Any, views: list[_View]) -> tuple[int, ...] | None:
        order = next(view.order for view in views if view.order)
        inputs = [self._in_order(view, order) for view in views]
        if any(one is None for one in inputs):
            return None
        self._set(node, inputs)
        return order

    def _concat(self, node: Any, views: list[_View]) -> tuple[int, ...] | None:
        order, before = next(view.order for view in views if view.order), node.get_attributes()["axis"]
        node.set_attribute("axis", order[before])
        inputs = [self._in_order(view, order, broadcasts=False) for view in views]
        self._set(node, inputs)
        return order

    def _normalise(self, node: Any, views: list[_View]) -> tuple[int, ...] | None:
        maps, *numbers = views
        if not maps.order or maps.order[1] != 1:  # the axis that it is about
            return None
        self._set(node, [maps.output, *map(self._plain, numbers)])
        return maps.order

    def _reduce(self, node: Any, views: list[_View]) -> tuple[int, ...] | None:
        maps, axes = views[0], _constant(views[1])
        if axes is None or not maps.order:
            return None
        order = maps.order
        gone = {int(axis) % len(order) for axis in axes.ravel()}
        self._set(node, [maps.output, self._number([order[axis] for axis in sorted(gone)])])
        if node.get_attributes()["keep_dims"]:
            return order
        left = [order[axis] for axis in range(len(order)) if axis not in gone]
        return tuple(sorted(left).index(axis) for axis in left)

    def _pad(self, node: Any, views: list[_View]) -> tuple[int, ...] | None:
        maps, *pads = views
        begin, end = (_constant(pad) for pad in pads[:2])
        if begin is None or end is None or not maps.order:
            return None
        back = np.argsort(maps.order)
        self._set(
            node,
            [maps.output, self._number(begin[back]), self._number(end[back]), *(v.output for v in pads[2:])],
        )
        return maps.order

    def _slice(self, node: Any, views: list[_View]) -> tuple[int, ...] | None:
        maps, *numbers = views
        axes = _constant(numbers[3]) if len(numbers) > 3 else None
        if axes is None or not maps.order:
            return None
        moved = self._number([maps.order[axis] for axis in axes])
        self._set(node, [maps.output, *(view.output for view in numbers[:3]), moved])
        return maps.order

    def _gather(self, node: Any, views: list[_View]) -> tuple[int, ...] | None:
        maps, which, axis = views
        place = _constant(axis)
        if place is None or not maps.order or len(which.output.get_shape()) != 1:
            return None
        self._set(node, [maps.output, which.output, self._number(maps.order[int(place)])])
        return maps.order

    def _for_any_batch(self, node: Any, views: list[_View]) -> None:
        """Let a shape that begins with the number of images take that from the input instead."""
        shape = _constant(views[1])
        if shape is not None and shape.size and shape[0] == self.batch == node.input(0).get_shape()[0]:
            node.set_attribute("special_zero", True)
            views[1] = _View(self._number([0, *shape[1:]]), None)

    def _in_order(self, view: _View, order: Sequence[int], *, broadcasts: bool = True) -> Any:
        """Give the output that, put into this order, is a value or broadcasts like it; None if that takes more."""
        shape = [1] * (len(order) - len(view.output.get_shape())) + list(view.output.get_shape())
        if view.order == order or (broadcasts and max(shape) == 1):
            return view.output
        numbers = _constant(view)
        if numbers is not None:
            return self.opset.constant(np.transpose(numbers.reshape(shape), np.argsort(order))).output(0)
        if len(view.output.get_shape()) < len(order):
            return None
        before = view.order or range(len(order))
        return self._plain(_View(view.output, _or_none(tuple(before[axis] for axis in np.argsort(order)))))

    def _plain(self, view: _View) -> Any:
        """Give the value itself, by a transpose where its axes are in another order."""
        if view.order is None:
            return view.output
        question = (*_key(view.output), view.order)
        if question not in self.made:
            self.made[question] = self.opset.transpose(view.output, self._number(view.order)).output(0)
        return self.made[question]

    def _number(self, values: Any) -> Any:
        return self.opset.constant(np.asarray(values, np.int64)).output(0)

    def _set(self, node: Any, inputs: Sequence[Any]) -> None:
        for place, output in enumerate(inputs):
            node.set_argument(place, output)
        node.validate_and_infer_types()


def _constant(view: _View) -> np.ndarray | None:
    node = view.output.get_node()
    return np.asarray(node.data) if node.get_type_name() == "Constant" and view.order is None else None


def _key(output: Any) -> tuple[str, int]:
    return output.get_node().get_name(), output.get_index()


def _or_none(order: tuple[int, ...]) -> tuple[int, ...] | None:
    return None if order == tuple(range(len(order))) else order
