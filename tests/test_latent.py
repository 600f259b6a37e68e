"""Operations on latents: each changes what is named, in the basis, and leaves the rest as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdm_jax as gdm


def test_swap(process, pair):
    z, donor = pair
    chosen = [0, process.k - 1]
    swapped = gdm.latent.swap(process, z, donor, chosen)
    bars = [np.asarray(process.basis.forward(v)) for v in (swapped, z, donor)]
    index = np.broadcast_to(process.groups.index.reshape(4, 4, -1), z.shape[1:])
    taken = np.isin(index, chosen)
    np.testing.assert_allclose(bars[0][:, taken], bars[2][:, taken], atol=1e-5)
    np.testing.assert_allclose(bars[0][:, ~taken], bars[1][:, ~taken], atol=1e-5)


def test_swap_all_and_nothing():
    process = gdm.Process(gdm.groups.bottom_to_top((4, 4), 2))
    z, donor = jax.random.normal(jax.random.key(0), (2, 3, 4, 4, 1))
    np.testing.assert_allclose(gdm.latent.swap(process, z, donor, [0, 1]), donor, atol=1e-6)
    np.testing.assert_array_equal(gdm.latent.swap(process, z, donor, []), z)


@pytest.mark.usefixtures("unchecked")
def test_bad_groups():
    process = gdm.Process(gdm.groups.bottom_to_top((4, 4), 2))
    z = np.zeros((1, 4, 4, 1), np.float32)
    with pytest.raises(ValueError, match=r"groups: 2 is out of range; there are groups 0..1"):
        gdm.latent.swap(process, z, z, [2])
    with pytest.raises(ValueError, match=r"expected data of shape \[batch, 4, 4, ...\], got \(1, 2, 4, 1\)"):
        gdm.latent.swap(process, z, z[:, :2], [0])


@pytest.fixture
def bars(process):
    """A function to coefficients, `[..., *shape]`, in float32 NumPy."""

    def to_bars(x):
        flat = np.reshape(x, (-1, *np.shape(x)[-3:]))
        return np.asarray(process.basis.forward(flat)).reshape(np.shape(x))

    return to_bars


def elements(process, chosen):
    """The elements of some groups as a mask `[4, 4, 2]`, written out."""
    index = np.asarray(process.groups.index)
    index = index if index.ndim == 3 else np.repeat(index[..., None], 2, axis=2)
    return np.isin(index, chosen)


def test_laws_for_every_process(process, pair, bars):
    """interpolate, resample and keep: what is not chosen, and what is, in the basis."""
    z, donor = pair
    chosen, latent = [process.k - 1], gdm.latent
    taken, a, b = elements(process, chosen), bars(z), bars(donor)

    for spherical in (True, False):
        path = bars(latent.interpolate(process, z, donor, chosen, [0.0, 0.25, 1.0], spherical=spherical))
        assert path.shape == (3, *z.shape)
        np.testing.assert_allclose(path[0], a, atol=1e-5)
        np.testing.assert_allclose(path[2], np.where(taken, b, a), atol=1e-5)
        np.testing.assert_allclose(path[1][:, ~taken], a[:, ~taken], atol=1e-5)
        if not spherical:
            np.testing.assert_allclose(path[1][:, taken], (0.75 * a + 0.25 * b)[:, taken], atol=1e-5)

    fresh = bars(latent.resample(process, z, chosen, jax.random.key(1), count=2))
    assert fresh.shape == (2, *z.shape)
    np.testing.assert_allclose(fresh[:, :, taken], np.broadcast_to(a, fresh.shape)[:, :, taken], atol=1e-5)
    assert (np.abs(fresh - a)[:, :, ~taken] > 1e-6).all()

    kept = bars(latent.keep(process, z, chosen))
    np.testing.assert_allclose(kept, np.where(taken, a, 0), atol=1e-5)


def test_traverse_for_every_process(process, pair, bars):
    """One element of one channel takes the values; in all channels where these share their groups."""
    z, _ = pair
    shape, values, number = process.groups.shape, np.array([-3.0, 0.5]), 6
    rank = process.basis.rank
    place = np.unravel_index(number, shape) if rank is None else tuple(np.argwhere(rank == number)[0])
    found = bars(gdm.latent.traverse(process, z, number, values))
    changed = np.zeros((4, 4, 2), bool)
    changed[place] = True
    expected = np.where(changed, values.reshape(2, 1, 1, 1, 1), bars(z))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    moved = bars(gdm.latent.traverse(process, z, number, values, relative=True))
    np.testing.assert_allclose(moved, bars(z) + np.where(changed, values.reshape(2, 1, 1, 1, 1), 0), atol=1e-5)
    assert changed.sum() == (1 if rank is None and len(shape) == 3 else 2)
    if len(place) == 2 == len(shape):
        one = bars(gdm.latent.traverse(process, z, tuple(int(i) for i in place), values, channel=1))
        changed[place] = False, True
        np.testing.assert_allclose(one, np.where(changed, expected, bars(z)), atol=1e-5)


def test_a_mask_is_as_good_as_groups(process, pair):
    z, donor = pair
    chosen = [0]
    mask = np.isin(process.groups.index, chosen)
    np.testing.assert_array_equal(gdm.latent.swap(process, z, donor, mask), gdm.latent.swap(process, z, donor, chosen))


STRIPES = gdm.Process(gdm.groups.bottom_to_top((4, 4), 2))
DCT = gdm.Process(gdm.groups.from_index(np.arange(16).reshape(4, 4) % 3), gdm.basis.dct(4))


@pytest.mark.parametrize("process", [STRIPES, DCT], ids=["identity", "dct"])
def test_spherical_keeps_norms(process, pair):
    """Ends of one norm: every point between has it too, and the angle grows evenly; a straight line cuts the corner."""
    chosen, weights = [1], np.linspace(0, 1, 5)
    mask = elements(process, chosen)
    bar = lambda x: np.asarray(process.basis.forward(x), np.float64)[:, mask]  # noqa: E731
    z, donor = pair
    length = np.sqrt((bar(z) ** 2).sum(1) / (bar(donor) ** 2).sum(1)).reshape(3, 1, 1, 1)
    donor = donor * length.astype(np.float32)
    norm = np.linalg.norm(bar(z), axis=1)
    path = np.stack([bar(x) for x in gdm.latent.interpolate(process, z, donor, chosen, weights)])
    np.testing.assert_allclose(np.linalg.norm(path, axis=2), np.broadcast_to(norm, (5, 3)), rtol=1e-5)
    steps = np.arccos((path[1:] * path[:-1]).sum(2) / norm**2)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[:1], (4, 3)), rtol=1e-3)
    straight = gdm.latent.interpolate(process, z, donor, chosen, [0.5], spherical=False)[0]
    assert (np.linalg.norm(bar(straight), axis=1) < 0.95 * norm).all()


def test_spherical_between_parallel_latents(pair):
    """No great circle is defined there: a line, and no NaN; none from zero or with nothing chosen either."""
    z, _ = pair
    for donor, chosen in [(z, [0, 1]), (2 * z, [0]), (-z, [0, 1]), (0 * z, [0]), (2 * z, [])]:
        found = gdm.latent.interpolate(STRIPES, z, donor, chosen, [0.0, 0.5, 1.0])
        line = gdm.latent.interpolate(STRIPES, z, donor, chosen, [0.0, 0.5, 1.0], spherical=False)
        assert np.isfinite(found).all()
        if np.abs(donor).max() > 0 and np.abs(donor + z).max() > 0:
            np.testing.assert_allclose(found, line, atol=2e-3)


def test_swap_twice_and_one_for_all(pair):
    z, donor = pair
    there = gdm.latent.swap(DCT, z, donor, [1])
    np.testing.assert_allclose(gdm.latent.swap(DCT, there, z, [1]), z, atol=1e-5)
    one = gdm.latent.swap(STRIPES, z, donor[:1], [1])
    np.testing.assert_array_equal(one, gdm.latent.swap(STRIPES, z, jnp.repeat(donor[:1], 3, axis=0), [1]))
    np.testing.assert_array_equal(gdm.latent.swap(STRIPES, z[:1], donor, [0]).shape, donor.shape)


def test_resampled_noise_is_standard_normal(pair):
    """Independent of z, of mean 0 and variance 1 in every element, to 5 standard errors; new for every key."""
    z, _ = pair
    count = 2000
    bar = jax.vmap(DCT.basis.forward)(gdm.latent.resample(DCT, z, [0], jax.random.key(0), count=count))
    free = np.asarray(bar, np.float64)[:, :, ~elements(DCT, [0])]
    assert (np.abs(free.mean(0)) < 5 / count**0.5).all()
    assert (np.abs(free.var(0) - 1) < 5 * (2 / count) ** 0.5).all()
    again, other = (gdm.latent.resample(DCT, z, [0], jax.random.key(n), count=2) for n in (0, 1))
    assert (np.abs(again - other) > 0).all()
    np.testing.assert_array_equal(again, gdm.latent.resample(DCT, z, [0], jax.random.key(0), count=2))


def test_lowest(process):
    """Nested, as many as asked, the lowest frequencies or the groups generated first, and a mask that swap takes."""
    size = process.groups.index.size
    masks = [gdm.latent.lowest(process, count) for count in range(size + 1)]
    assert [int(mask.sum()) for mask in masks] == list(range(size + 1))
    assert all((low <= high).all() for low, high in zip(masks, masks[1:]))
    assert masks[0].shape == process.groups.shape and masks[0].dtype == bool
    rank = process.basis.rank
    for mask in masks[1:-1:5]:
        if rank is None:
            assert process.groups.index[mask].max() <= process.groups.index[~mask].min()
        elif rank.shape == mask.shape:
            np.testing.assert_array_equal(mask, rank < mask.sum())
    zero = np.zeros((1, 4, 4, 2), np.float32)
    found = process.basis.forward(gdm.latent.swap(process, zero, process.basis.inverse(zero + 1), masks[3]))
    assert np.round(found).sum() == (3 if masks[3].ndim == 3 else 6)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_lowest_of_channels_with_groups_of_their_own(count):
    """In a frequency basis it is the frequencies that count, whatever the groups."""
    process = gdm.Process(gdm.groups.from_index(np.arange(8).reshape(2, 2, 2) % 2), gdm.basis.dct(2))
    mask, rank = gdm.latent.lowest(process, count), process.basis.rank[..., None].repeat(2, axis=2)
    assert rank[mask].max() <= rank[~mask].min()


def test_vectors():
    """Latents of one axis; elements are numbered as they lie."""
    process = gdm.Process(gdm.groups.from_index([2, 0, 1, 0]))
    z = np.arange(4, dtype=np.float32)[None]
    np.testing.assert_array_equal(gdm.latent.traverse(process, z, 2, [7.0])[0], [[0, 1, 7, 3]])
    np.testing.assert_array_equal(gdm.latent.keep(process, z, [0]), [[0, 1, 0, 3]])
    np.testing.assert_array_equal(gdm.latent.lowest(process, 3), [False, True, True, True])
    with pytest.raises(ValueError, match="channel: 0 is out of range; there are 0"):
        gdm.latent.traverse(process, z, 2, [7.0], channel=0)


@pytest.mark.parametrize("like", [np.asarray, jnp.asarray, list], ids=["numpy", "jax", "list"])
def test_every_kind_of_mask(like):
    """A mask of another kind than NumPy's must not pass for group numbers: it is taken as a mask, or refused."""
    process = gdm.Process(gdm.groups.from_index([0, 1, 2]))
    z, mask = np.zeros((1, 3), np.float32), like([False, False, True])
    try:
        found = gdm.latent.swap(process, z, z + 1, mask)
    except ValueError as error:
        assert "mask" in str(error) and like is not np.asarray
    else:
        np.testing.assert_array_equal(found, [[0, 0, 1]])


@pytest.mark.parametrize(
    "function, arguments, message",
    [
        (
            "swap",
            ("z", "z", np.ones((4, 3), bool)),
            r"mask: must be of shape \(4, 4\), that of the groups, got \(4, 3\)",
        ),
        ("keep", ("z", np.ones((4, 4, 2), bool)), r"mask: must be of shape \(4, 4\)"),
        ("keep", ("z", [0, 2]), r"2 is out of range; there are groups 0\.\.1"),
        ("resample", ("z", [-1], jax.random.key(0)), "-1 is out of range"),
        ("interpolate", ("z", "two", [0], [0.5]), "z and donor must be of one shape"),
        ("interpolate", ("z", "z", [5], [0.5]), "5 is out of range"),
        ("swap", ("z", np.zeros((3, 4, 4, 1)), [0]), "z and donor must be of one shape"),
        ("traverse", ("z", 16, [0.0]), r"element: 16 is out of range; there are elements 0\.\.15"),
        ("traverse", ("z", -1, [0.0]), "element: -1 is out of range"),
        ("traverse", ("z", (4, 0), [0.0]), r"element: \(4, 0\) is no position in a grid of shape \(4, 4\)"),
        ("traverse", ("z", (1, 2, 0), [0.0]), r"element: \(1, 2, 0\) is no position"),
        ("lowest", (17,), "count must be from 0 to 16, got 17"),
        ("lowest", (-1,), "count must be from 0 to 16, got -1"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_errors_in_one_line(function, arguments, message):
    arrays = {"z": np.zeros((3, 4, 4, 2), np.float32), "two": np.zeros((2, 4, 4, 2), np.float32)}
    arguments = [arrays[value] if isinstance(value, str) else value for value in arguments]
    with pytest.raises(ValueError, match=message) as raised:
        getattr(gdm.latent, function)(STRIPES, *arguments)
    assert "\n" not in str(raised.value)


def test_channel_out_of_range():
    for channel in (-1, 2):
        with pytest.raises(ValueError, match=f"channel: {channel} is out of range; there are 2"):
            gdm.latent.traverse(STRIPES, np.zeros((1, 4, 4, 2), np.float32), 0, [0.0], channel=channel)
