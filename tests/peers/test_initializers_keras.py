"""All of Keras's initializers, regularizers and constraints: names, arguments, what they draw and compute."""

import inspect
import json

import numpy as np
import pytest

import minirnn
from minirnn import constraints, initializers, random, regularizers
from minirnn.autograd import convert, grad
from minirnn.utils import serialize_keras_object

MODULES = ("initializers", "regularizers", "constraints")
# Of spectrograms, with windows that SciPy makes.
WITHOUT = {"STFT", "STFTInitializer", "stft"}
VARIANCES = ["fan_in", "fan_out", "fan_avg"]
DISTRIBUTIONS = ["truncated_normal", "untruncated_normal", "uniform"]
RANDOM = [
    ("RandomNormal", {}),
    ("RandomNormal", {"mean": 0.5, "stddev": 2.0}),
    ("TruncatedNormal", {"mean": -0.5, "stddev": 0.25}),
    ("RandomUniform", {}),
    ("RandomUniform", {"minval": -1.0, "maxval": 3.0}),
    *[(f"{name}{kind}", {}) for name in ("Glorot", "He", "Lecun") for kind in ("Normal", "Uniform")],
    ("GlorotNormal", {"input_axes": (0, 2), "output_axes": (1,)}),
    *[
        ("VarianceScaling", {"scale": 3.0, "mode": m, "distribution": d})
        for m in VARIANCES
        for d in DISTRIBUTIONS
    ],
]
FIXED = [
    ("Zeros", {}),
    ("Ones", {}),
    ("Constant", {"value": 2.5}),
    ("Constant", {"value": [1.0, 2.0, 3.0]}),
    ("Identity", {"gain": 0.5}),
]
OTHERS = [
    ("regularizers", "L1", {"l1": 0.3}),
    ("regularizers", "L2", {}),
    ("regularizers", "L1L2", {"l1": 0.1, "l2": 0.2}),
    ("constraints", "MaxNorm", {"max_value": 1.5, "axis": [0, 1]}),
    ("constraints", "NonNeg", {}),
    ("constraints", "UnitNorm", {"axis": (0, 2)}),
    ("constraints", "MinMaxNorm", {"min_value": 0.5, "max_value": 1.0, "rate": 0.7, "axis": 1}),
]


def weights(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


@pytest.mark.parametrize("module", MODULES)
def test_every_name_is_there_and_takes_the_arguments_of_keras(keras, module):
    ours, theirs = getattr(minirnn, module), getattr(keras, module)
    names = {n for n in dir(theirs) if not n.startswith("_")} - WITHOUT
    assert len(names) > 10
    for name in names:
        one, other = getattr(ours, name), getattr(theirs, name)
        assert isinstance(one, type) == isinstance(other, type)
        if isinstance(one, type):
            assert one.__name__ == other.__name__
            assert inspect.signature(one).parameters.keys() == inspect.signature(other).parameters.keys()
            defaults = [[p.default for p in inspect.signature(c).parameters.values()] for c in (one, other)]
            assert defaults[0] == defaults[1]


@pytest.mark.parametrize("name, options", RANDOM)
@pytest.mark.parametrize("shape", [(4, 6), (3, 2, 5), (2, 3, 4, 5), (7,)], ids=str)
def test_a_random_initializer_draws_from_the_distribution_that_keras_draws_from(
    keras, monkeypatch, name, options, shape
):
    if options.get("input_axes"):
        shape = (3, 2, 5)
    from keras.src.initializers import random_initializers

    drawn = []

    def recorded(kind, reply):
        def draw(shape, *arguments, dtype=None, seed=None, **named):
            bounds = [*arguments, *named.values()]
            # Some pass dtype and seed by place, after these two.
            drawn.append((kind, tuple(shape), *[float(b) for b in bounds[:2]]))
            return reply(np.zeros(shape, "float32"))

        return draw

    class Draws:
        make_default_seed = staticmethod(lambda: 1)
        SeedGenerator = keras.random.SeedGenerator

    for kind in ("normal", "truncated_normal", "uniform"):
        monkeypatch.setattr(random, kind, recorded(kind, convert))
        setattr(Draws, kind, staticmethod(recorded(kind, keras.ops.convert_to_tensor)))
    monkeypatch.setattr(random_initializers, "random", Draws)
    getattr(initializers, name)(**options)(shape)
    getattr(keras.initializers, name)(**options)(shape)
    (kind, *ours), (other_kind, *theirs) = drawn
    assert (kind, ours[0]) == (other_kind, theirs[0])
    assert ours[1:] == pytest.approx(theirs[1:])


@pytest.mark.parametrize("name, options", FIXED)
@pytest.mark.parametrize("dtype", [None, "float16", "int32"])
def test_a_fixed_initializer_gives_what_keras_gives(keras, name, options, dtype):
    got = getattr(initializers, name)(**options)((2, 3), dtype)
    want = np.asarray(getattr(keras.initializers, name)(**options)((2, 3), dtype))
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got.numpy(), want)


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (2, 3, 4), (2, 2, 9)], ids=str)
def test_orthogonal_makes_of_the_same_draw_the_matrix_of_keras(keras, monkeypatch, shape):
    from keras.src.initializers import random_initializers

    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    draw = weights(max(rows, columns), min(rows, columns))
    monkeypatch.setattr(random, "normal", lambda *_, **__: convert(draw))
    monkeypatch.setattr(
        random_initializers.random, "normal", lambda *_, **__: keras.ops.convert_to_tensor(draw)
    )
    got = initializers.Orthogonal(0.5, seed=1)(shape)
    np.testing.assert_allclose(got.numpy(), keras.initializers.Orthogonal(0.5, seed=1)(shape), atol=1e-6)


@pytest.mark.parametrize("module, name, options", OTHERS)
@pytest.mark.parametrize("shape", [(4, 5, 3), (2, 3, 4, 5)], ids=str)
def test_weights_of_convolutions_are_penalised_and_constrained_as_in_keras(
    keras, module, name, options, shape
):
    import jax

    ours, theirs = (getattr(getattr(library, module), name)(**options) for library in (minirnn, keras))
    w = weights(*shape)
    np.testing.assert_allclose(np.asarray(ours(w)), theirs(w), rtol=1e-5, atol=1e-6)
    if module == "regularizers":
        np.testing.assert_allclose(grad(ours)(w).numpy(), jax.grad(theirs)(w), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "module, name, options",
    [
        *[
            ("initializers", *case)
            for case in (*RANDOM, *FIXED)
            if not isinstance(case[1].get("value"), list)
        ],
        ("initializers", "Orthogonal", {"gain": 0.5, "seed": 3}),
        *OTHERS,
        ("regularizers", "OrthogonalRegularizer", {"mode": "columns"}),
    ],
)
def test_configs_are_those_of_keras(keras, module, name, options):
    ours, theirs = (getattr(getattr(library, module), name)(**options) for library in (minirnn, keras))
    got = json.loads(json.dumps(serialize_keras_object(ours)))
    want = json.loads(json.dumps(keras.saving.serialize_keras_object(theirs)))
    got_options, want_options = got.pop("config"), want.pop("config")
    assert got == want
    if name == "Identity":  # Keras 3.15.1 forgets its gain
        want_options["gain"] = theirs.gain
    assert got_options.keys() == want_options.keys()
    for key, value in want_options.items():  # of which Keras rounds some to float32
        assert got_options[key] == (pytest.approx(value) if isinstance(value, float) else value)
    again = getattr(minirnn, module).deserialize(keras.saving.serialize_keras_object(theirs))
    assert type(again) is type(ours) and again.get_config().keys() == ours.get_config().keys()


def test_the_aliases_are_those_of_keras(keras):
    for name in ("uniform", "normal", "one", "zero", "IdentityInitializer", "OrthogonalInitializer"):
        assert type(initializers.get(name)).__name__ == type(keras.initializers.get(name)).__name__
    for name in ("l1", "l2", "L1L2"):
        assert type(regularizers.get(name)).__name__ == type(keras.regularizers.get(name)).__name__
    for name in ("max_norm", "non_neg", "unit_norm", "min_max_norm"):
        assert type(constraints.get(name)).__name__ == type(keras.constraints.get(name)).__name__
