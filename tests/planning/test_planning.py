"""Plans: a small network compiled for four chips that are not here, and what is made of the compiler's numbers."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import pytest

from gdm_jax import cli, planning
from gdm_jax import config as configs
from gdm_jax.planning import hlo, planner, programs
from tests.runs import config_file, created

ASKED = "--topology: must be a chip (v4, v5e, v5p, v6e, tpu7x) and a shape, as v5e:4x4"
CHIP = planning.CHIPS["v5e"]
SLICES = [("v4:2x2x1", 4), ("v5p:2x2x1", 4), ("v6e:2x4", 8), ("tpu7x:2x2x1", 8), ("v5e:16x16", 256)]
TEXT = """
  %all-reduce.3 = (f32[16]{0:T(128)S(1)}, /*index=1*/bf16[3,4]{1,0}) all-reduce(%a, %b), channel_id=1
  %start = f32[8]{0} all-gather-start(%c)
  %done = f32[8]{0} all-gather-done(%start)
  %fused = f32[7]{0} fusion(%d), metadata={op_name="all-reduce"}
"""


def program(batch, total, **others):
    size = planning.Size(total, 0, 0, 0)
    values = {"operations": 1.0, "traffic": {"update": 1}, "accessed": 1.0, "collectives": [], "seconds": 0.0}
    values |= {"recomputed": 0, "text": ""} | others
    return planning.Program(batch, size, **values)


@pytest.fixture(scope="module")
def small(tiny):
    """The step of the tests' tiny MLP on four chips, two examples on each."""
    _, chips = planning.devices("v5e:2x2")
    config = tiny()
    found = configs.check(config)
    step = planning.compiled(planning.training_step(config, found, chips, 2), 2)
    return config, found, step, planning.compiled(planning.sampling_step(config, found, chips, 2), 2)


def test_chips_exchange_gradients_and_metrics_alone(small):
    """One sum, of the gradients and the loss, where equal ones of two biases go once; and none in sampling."""
    config, found, step, sampling = small
    params = jax.eval_shape(lambda: created(config, found.network, found.process.k)).params
    numbers = sum(leaf.size for leaf in jax.tree.leaves(params)) + 1
    [(name, size)] = step.collectives
    assert name == "all-reduce" and 0.99 * 4 * numbers < size <= 4 * numbers
    assert sampling.collectives == []


def test_the_state_stays_in_its_place(small):
    """Every array of the state is written over: the metrics alone are new."""
    config, found, step, _ = small
    whole = jax.eval_shape(lambda: created(config, found.network, found.process.k))
    assert step.text.count("may-alias") + step.text.count("must-alias") == len(jax.tree.leaves(whole))
    assert step.size.results < 4096 < step.size.arguments


@pytest.mark.parametrize("topology, count", SLICES)
def test_slices_that_the_compiler_knows(topology, count):
    if topology.startswith("tpu7x") and jax.__version_info__ < (0, 8):
        pytest.skip("the compiler that belongs to this JAX is older than TPU7x")
    assert len(planning.devices(topology)[1]) == count


def test_collectives_of_a_text():
    assert hlo.collectives(TEXT) == [("all-reduce", 4 * 16 + 2 * 12), ("all-gather", 32)]


def compiled_for_one_chip(function, *shapes):
    """The text of a function compiled for one chip."""
    mesh = jax.sharding.Mesh(planning.devices("v5e:2x2")[1][:1], ("all",))
    here = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32, sharding=here) for shape in shapes]
    return jax.jit(function, out_shardings=here).lower(*arguments).compile().as_text()


def test_traffic():
    """What is too large for the chip is read and written each time; what fits is read and written once in all."""
    gib = 2**30
    large = compiled_for_one_chip(lambda x: x + 1, (2**28,))
    assert sum(hlo.traffic(large).values()) == 2 * gib
    chain = compiled_for_one_chip(lambda x: functools.reduce(lambda y, n: jnp.sin(y @ x), range(8), x), (1024, 1024))
    assert 2 * 2**22 <= sum(hlo.traffic(chain).values()) < 4 * 2**22

    def turned(n):
        return lambda x: jax.lax.fori_loop(0, n, lambda _, x: jnp.roll(x, 1, 0) + x, x)

    five, ten = (sum(hlo.traffic(compiled_for_one_chip(turned(n), (2**14, 2**14))).values()) for n in (5, 10))
    assert 5 * 2 * gib < ten - five <= 5 * 6 * gib


def test_parts_one_after_another(small, tiny):
    """A batch in four parts turns a loop four times, and has the operations of four batches."""
    _, found, step, _ = small
    chips = planning.devices("v5e:2x2")[1]
    config = tiny(accumulate=4)
    in_parts = planning.compiled(planning.training_step(config, found, chips, 8), 8, 4)
    assert hlo.loops(in_parts.text) == [4] and hlo.loops(step.text) == []
    assert in_parts.operations > 3 * step.operations


def test_less_effort(small, tiny):
    """Changes nothing but how the program is compiled, and no later program."""
    config, found, step, _ = small
    chips = planning.devices("v5e:2x2")[1]
    before = dict(jax.config.values)
    quick = planning.compiled(planning.training_step(config, found, chips, 2), 2, quick=True)
    assert jax.config.values == before
    assert quick.text != step.text and quick.collectives == step.collectives
    assert quick.size.arguments == step.size.arguments and quick.operations == pytest.approx(step.operations, rel=0.1)


def test_what_lacks():
    error = "RESOURCE_EXHAUSTED: Ran out of memory. Used 17.31G of 15.75G hbm. Exceeded hbm capacity by 1.56G.\n\nmore"
    assert programs._overflow(error) == "needs 17.31 GiB of a chip's memory, which has 15.75 GiB: 1.56 GiB too much"
    error = (
        "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO temporaries (20.00G) exceeds "
        "available HBM (15.75G). "
    )
    assert programs._overflow(error) == "needs 20.00 GiB of a chip's memory, which has 15.75 GiB: 4.25 GiB too much"
    assert "needs 1.50 GiB" in programs._overflow("Used 1536.0M of 1.00G hbm.")
    assert programs._overflow("RESOURCE_EXHAUSTED: else\nmore") == "RESOURCE_EXHAUSTED: else"


@pytest.mark.parametrize(
    "costs, binds",
    [
        ({"operations": 197e9, "traffic": {"a": 6_000_000, "b": 2_000_000}}, (1e-3, 8e6 / 819e9, 0, "arithmetic")),
        ({"operations": 1e6, "traffic": {"other": 819_000_000}}, (1e6 / 197e12, 1e-3, 0, "memory")),
        ({"collectives": [("all-reduce", 4e8), ("all-gather", 1e8)]}, (1 / 197e12, 1 / 819e9, 3.375e-3, "network")),
    ],
)
def test_bounds(costs, binds):
    found = planner.bound(program(1, 1, **costs), CHIP, chips=4)
    assert (*found, found.binds) == (*(pytest.approx(seconds) for seconds in binds[:3]), binds[3])


def test_what_is_computed_again(small):
    """Names as the compiler gave them when DDPM++ with 672 images filled a v5e chip; no other name is one of them."""
    text = """
      %fusion.186.remat = bf16[672,32,32,128]{3,0,2,1} fusion(%a), kind=kOutput
      %gte.remat.6 = f32[8]{0} get-tuple-element(%fusion.162.remat2), index=0
      ROOT %fusion.162.remat2 = f32[8]{0} fusion(%fusion.186.remat), metadata={op_name="a.remat = b"}
      %remat.3 = f32[8]{0} fusion(%b), metadata={op_name="checkpoint/rematted_computation/dot"}
    """
    assert hlo.recomputed(text) == 3
    assert small[2].recomputed == 0


@pytest.mark.parametrize("fixed, each", [(2**30, 2**27), (2**30, 2**24), (2**20, 2**33), (2**34, 2**20)])
@pytest.mark.parametrize("begin", [1, 8, 300])
def test_the_largest_batch(fixed, each, begin):
    """Of a memory that grows linearly: what is found fits, a sixteenth more does not, and few programs are compiled."""
    asked = {}

    def ask(n):
        size = fixed + n * each
        asked[n] = program(n, size) if size <= CHIP.memory else None
        return asked[n]

    found = planner.largest(ask, CHIP.memory, ask(begin), begin)
    fits = max(0, (CHIP.memory - fixed) // each)
    assert fits * 15 // 16 <= found <= fits
    assert not found or asked[found]
    assert any(found < n <= max(found + 1, found * 17 // 16) and one is None for n, one in asked.items())
    assert len(asked) <= 12


@pytest.mark.parametrize("begin", [1, 8, 300])
def test_a_batch_that_is_computed_again_does_not_count(begin):
    """More than 100 images fit only as the compiler computes again."""
    asked = {}

    def ask(n):
        asked[n] = program(n, min(n * 2**27, CHIP.memory), recomputed=7 * (n > 100))
        return asked[n]

    assert 100 * 15 // 16 <= planner.largest(ask, CHIP.memory, ask(begin), begin) <= 100


def test_the_largest_batch_of_each_variant_is_reported(tiny, monkeypatch):
    """A compiler that takes 128 MiB an example, half with remat, and computes again above 15 GiB."""
    monkeypatch.setattr(planner, "training_step", lambda config, *_: config.model.remat)
    monkeypatch.setattr(planner, "sampling_step", lambda *_: False)

    def compiled(remat, batch, *_, quick):
        size = batch * 2 ** (26 if remat else 27)
        return program(batch, min(size, 15 * 2**30), recomputed=7 * (size > 15 * 2**30))

    monkeypatch.setattr(planner, "compiled", compiled)
    unet = dataclasses.replace(tiny(), model=dataclasses.replace(tiny().model, name="unet", attention=()))
    found = planning.plan(unet, "v5e:2x2", batch=8, variants=True, most=True, note=lambda words: None)
    report = planning.report(found)
    held = {"float32": 120, "float32 with remat": 240, "bfloat16": 120, "bfloat16 with remat": 240}
    assert found.largest.keys() == held.keys()
    for name, most in held.items():
        assert most * 15 // 16 <= found.largest[name] <= most
        assert f"The largest batch of training, {name}, is {found.largest[name]} a chip" in report.text
    again = [line.program.batch for line in found.lines if "remat" not in line.name and line.program.recomputed]
    assert again and min(again) > 120 and report.text.count("7 operations computed again") >= len(again)
    assert report.numbers["largest"] == found.largest
    assert list(planner._others(tiny())) == []  # an MLP has neither bfloat16 nor remat


def test_command(tiny, tmp_path, capsys):
    file = config_file(tiny(), tmp_path / "tiny.py")
    words = ["plan", "--config", str(file), "--topology", "v5e:2x2", "--out", str(tmp_path)]
    assert cli.main([*words, "--config.model.channels=8"]) == 0
    text, numbers = (tmp_path / "plan.md").read_text(), json.loads((tmp_path / "plan.json").read_text())
    assert "Where the traffic of training, float32 goes" in text
    assert text.splitlines()[0] == "# v5e:2x2, 4 devices" and text in capsys.readouterr().out
    assert [one["name"] for one in numbers["programs"]] == ["training, float32", "sampling, float32"]
    assert all(one["batch"] == 4 and one["images_a_second"] > 0 for one in numbers["programs"])


@pytest.mark.parametrize(
    "words, message",
    [
        ("--topology v9:2x2", f"{ASKED}, got 'v9:2x2'"),
        ("--topology v5e", f"{ASKED}, got 'v5e'"),
        ("--topology v5e:3x5", "--topology: the compiler does not know 'v5e:3x5'"),
        ("--topology v5e:4x8", "training.batch: 16 does not divide over 32 chips"),
        ("--topology v5e:2x2 --batch 0", "--batch: must be at least 1, got 0"),
    ],
)
def test_bad_input(tiny, tmp_path, capsys, words, message):
    file = config_file(tiny(), tmp_path / "tiny.py")
    assert cli.main(["plan", "--config", str(file), *words.split()]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1


def test_without_the_compiler(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"topology: needs the TPU's compiler; pip install 'gdm-jax\[plan\]'"):
        planning.devices("v5e:2x2")
