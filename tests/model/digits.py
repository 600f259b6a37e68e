"""What the tests of a model share: the orders it was trained in, its data, and their groups."""

import numpy as np

from gdm_jax import data

ORDERS = ((0, 1, 2), (2, 0, 1))
SHAPE = (8, 8, 1)


def first_digits(model, count):
    return data.examples(data.open_source(model.config.data), range(count))[0]


def bands(model, x, chosen):
    """The elements of some groups of images, in the basis, `[n, elements]`."""
    index = np.asarray(model.process.groups.index)
    return np.asarray(model.process.basis.forward(np.asarray(x)))[:, np.isin(index, chosen), 0]
