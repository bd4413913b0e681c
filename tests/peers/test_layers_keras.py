"""The layers that are not recurrent against Keras: outputs, gradients, weights, masks, configs, shapes."""

import numpy as np
import pytest

from minirnn import grad, layers
from minirnn.autograd import convert
from minirnn.backend import get_keras_mask
from tests.arrays import leaf

# Keras's own, from its Variables under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CLIPPING = {"rmax": 1.1, "rmin": 0.9, "dmax": 0.1}
FIRST = {"data_format": "channels_first"}
SEQUENCES = {"return_sequences": True, "go_backwards": True, "recurrent_dropout": 0.1}
UNLIKE = {"use_bias": False, "activation": "relu", "recurrent_activation": "hard_sigmoid"}

# (class, arguments, shapes of the inputs): one shape for a tensor, a list of them for a list.
CASES = [
    ("Dense", {"units": 4}, (3, 5)),
    ("Dense", {"units": 4, "activation": "tanh", "use_bias": False}, (3, 2, 5)),
    ("Dense", {"units": 2, "activation": "softmax", "bias_initializer": "ones"}, (2, 3, 2, 4)),
    ("Activation", {"activation": "gelu"}, (3, 5)),
    ("Activation", {"activation": "softmax"}, (3, 4, 5)),
    ("ReLU", {}, (3, 5)),
    ("ReLU", {"max_value": 1.0, "negative_slope": 0.2, "threshold": 0.3}, (4, 5)),
    ("Softmax", {}, (3, 5)),
    ("Softmax", {"axis": 1}, (3, 5, 2)),
    ("Softmax", {"axis": (1, 2)}, (3, 5, 2)),
    ("Flatten", {}, (3, 2, 5)),
    ("Flatten", {"data_format": "channels_first"}, (3, 2, 5, 4)),
    ("Flatten", {}, (3,)),
    ("Reshape", {"target_shape": (5, 2)}, (3, 2, 5)),
    ("Reshape", {"target_shape": (-1, 4)}, (3, 2, 6)),
    ("Permute", {"dims": (2, 1)}, (3, 2, 5)),
    ("Permute", {"dims": (3, 1, 2)}, (3, 2, 5, 4)),
    ("RepeatVector", {"n": 3}, (2, 5)),
    ("Rescaling", {"scale": 2.0, "offset": -1.0}, (3, 5)),
    ("Rescaling", {"scale": [1.0, 2.0, 3.0], "offset": [0.0, 0.5, 1.0]}, (2, 3)),
    ("Identity", {}, (3, 5)),
    ("Dropout", {"rate": 0.4, "seed": 1, "noise_shape": (None, 1)}, (3, 5)),
    ("Masking", {"mask_value": 2.0}, (3, 4, 5)),
    ("LayerNormalization", {}, (3, 5)),
    ("LayerNormalization", {"axis": [1, 2], "epsilon": 0.1, "center": False}, (3, 4, 5)),
    ("LayerNormalization", {"axis": 1, "scale": False}, (3, 4, 5)),
    ("LayerNormalization", {"axis": [1, -1]}, (3, 4, 5)),
    ("BatchNormalization", {}, (6, 5)),
    ("BatchNormalization", {"axis": 1, "momentum": 0.7, "epsilon": 0.1}, (3, 4, 5)),
    ("BatchNormalization", {"center": False, "scale": False}, (3, 4, 5)),
    ("BatchNormalization", {"renorm": True}, (6, 5)),
    ("BatchNormalization", {"renorm": True, "renorm_clipping": CLIPPING}, (6, 5)),
    ("Add", {}, [(3, 5), (3, 5), (3, 5)]),
    ("Add", {}, [(3, 4, 5), (3, 5)]),
    ("Subtract", {}, [(3, 5), (3, 1)]),
    ("Multiply", {}, [(3, 5), (3, 5), (3, 5)]),
    ("Average", {}, [(3, 5), (3, 5), (3, 5)]),
    ("Maximum", {}, [(3, 5), (3, 5), (3, 5)]),
    ("Minimum", {}, [(3, 5), (3, 5)]),
    ("Concatenate", {}, [(3, 5), (3, 2)]),
    ("Concatenate", {"axis": 1}, [(3, 5, 2), (3, 1, 2), (3, 2, 2)]),
    ("Dot", {"axes": 1}, [(3, 5), (3, 5)]),
    ("Dot", {"axes": -1, "normalize": True}, [(3, 5), (3, 5)]),
    ("Dot", {"axes": (2, 1)}, [(3, 2, 5), (3, 5, 4)]),
    ("Dot", {"axes": (1, 2)}, [(3, 5, 2), (3, 4, 5, 2)]),
    ("Dot", {"axes": (1, 2)}, [(3, 5), (3, 4, 5)]),
    ("Conv1D", {"filters": 4, "kernel_size": 2}, (3, 7, 5)),
    (
        "Conv1D",
        {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "SAME", "use_bias": False},
        (3, 7, 5),
    ),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, (3, 7, 5)),
    ("Conv1D", {"filters": 6, "kernel_size": (2,), "groups": 3, "activation": "tanh"}, (3, 5, 9)),
    ("Conv1D", {"filters": 4, "kernel_size": 2, "padding": "same", **FIRST, "groups": 2}, (3, 6, 5)),
    ("Conv1D", {"filters": 4, "kernel_size": 2, "padding": "causal", "strides": 3, **FIRST}, (3, 6, 5)),
    ("MaxPooling1D", {}, (3, 7, 2)),
    ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, (3, 7, 2)),
    ("MaxPooling1D", {"pool_size": (2,), "strides": 1, **FIRST}, (3, 2, 7)),
    ("AveragePooling1D", {"pool_size": 2}, (3, 7, 2)),
    ("AveragePooling1D", {"pool_size": 3, "strides": 1, "padding": "same"}, (3, 7, 2)),
    ("AveragePooling1D", {"pool_size": 3, "strides": (2,), "padding": "same", **FIRST}, (3, 2, 6)),
    ("GlobalMaxPooling1D", {}, (3, 7, 2)),
    ("GlobalMaxPooling1D", {"keepdims": True, **FIRST}, (3, 2, 7)),
    ("GlobalAveragePooling1D", {}, (3, 7, 2)),
    ("GlobalAveragePooling1D", {"keepdims": True, **FIRST}, (3, 2, 7)),
    ("ZeroPadding1D", {}, (3, 4, 2)),
    ("ZeroPadding1D", {"padding": (2, 0), **FIRST}, (3, 4, 2)),
    ("Cropping1D", {}, (3, 4, 2)),
    ("Cropping1D", {"cropping": (0, 2)}, (3, 4, 2)),
    ("UpSampling1D", {"size": 3}, (3, 4, 2)),
    ("SpatialDropout1D", {"rate": 0.3, "seed": 1}, (3, 4, 2)),
    ("GaussianNoise", {"stddev": 0.3, "seed": 1}, (3, 4)),
    ("GaussianDropout", {"rate": 0.3}, (3, 4)),
    ("ActivityRegularization", {"l1": 0.1}, (3, 4)),
    ("LeakyReLU", {}, (3, 4)),
    ("ELU", {"alpha": 0.5}, (3, 4)),
    ("Attention", {}, [(3, 2, 5), (3, 4, 5)]),
    ("Attention", {"use_scale": True, "dropout": 0.2, "seed": 1}, [(3, 2, 5), (3, 4, 3), (3, 4, 5)]),
    ("Attention", {"score_mode": "concat"}, [(3, 2, 5), (3, 4, 5)]),
    ("Attention", {"score_mode": "concat", "use_scale": True}, [(3, 2, 5), (3, 4, 3), (3, 4, 5)]),
    ("AdditiveAttention", {}, [(3, 2, 5), (3, 4, 5)]),
    ("AdditiveAttention", {"use_scale": False, "seed": 1}, [(3, 2, 5), (3, 4, 3), (3, 4, 5)]),
    ("ConvLSTM1D", {"filters": 2, "kernel_size": 3, "strides": 2, **UNLIKE, **FIRST}, (2, 3, 2, 7)),
    ("ConvLSTM1D", {"filters": 2, "kernel_size": 2, "dilation_rate": 2, "padding": "same"}, (2, 3, 5, 2)),
    ("ConvLSTM2D", {"filters": 2, "kernel_size": (2, 1), "strides": (1, 2), **SEQUENCES}, (2, 2, 3, 4, 2)),
]
IDS = [f"{name}-{i}" for i, (name, _, _) in enumerate(CASES)]


def arrays(shapes, seed=0):
    rng = np.random.default_rng(seed)
    if isinstance(shapes, list):
        return [rng.normal(size=s).astype("float32") for s in shapes]
    return rng.normal(size=shapes).astype("float32")


def pair(keras, name, arguments, x, seed=7):
    """Return our layer and Keras's, built for `x`, with the same weights."""
    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    theirs(x)
    ours(x)
    rng = np.random.default_rng(seed)
    weights = [rng.uniform(0.2, 1.5, w.shape).astype("float32") for w in theirs.get_weights()]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    return ours, theirs


def keras_gradients(layer, x, cotangent, **arguments):
    """Return the gradients of sum(layer(x) · cotangent) by the trainable weights and by the inputs."""
    import jax

    fixed = [v.value for v in layer.non_trainable_variables]

    def loss(weights, x):
        y, _ = layer.stateless_call(weights, fixed, x, **arguments)
        return (y * cotangent).sum()

    return jax.grad(loss, argnums=(0, 1))([v.value for v in layer.trainable_variables], x)


def assert_same_gradients(ours, theirs, x, **arguments):
    weights = theirs.get_weights()
    y = theirs(x, **arguments)
    theirs.set_weights(weights)
    cotangent = arrays(tuple(y.shape), seed=3)
    want_weights, want_x = keras_gradients(theirs, x, cotangent, **arguments)
    inputs = [leaf(a) for a in (x if isinstance(x, list) else [x])]
    y = ours(inputs if isinstance(x, list) else inputs[0], **arguments)
    got = grad((y * cotangent).sum(), [*ours.trainable_weights, *inputs])
    ours.set_weights(weights)
    for a, b in zip(got, [*want_weights, *(want_x if isinstance(x, list) else [want_x])], strict=True):
        np.testing.assert_allclose(0 if a is None else a.numpy(), b, rtol=2e-4, atol=2e-5)


@pytest.fixture(scope="module", params=CASES, ids=IDS)
def case(request, keras):
    """Our layer, Keras's and an input for both; not to be changed."""
    name, arguments, shapes = request.param
    x = arrays(shapes)
    return *pair(keras, name, {**arguments, "name": "layer"}, x), x


def test_outputs_and_gradients_are_those_of_keras(case):
    ours, theirs, x = case
    got, want = ours(x), np.asarray(theirs(x))
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-6)
    assert_same_gradients(ours, theirs, x)


def test_weights_have_the_names_shapes_and_order_of_keras(case):
    ours, theirs, _ = case
    for kind in ("weights", "trainable_weights", "non_trainable_weights"):
        got = [(v.path, v.name, v.shape, v.dtype.name) for v in getattr(ours, kind)]
        assert got == [(v.path, v.name, tuple(v.shape), v.dtype) for v in getattr(theirs, kind)]


def test_configs_have_the_keys_and_plain_values_of_keras(case):
    ours, theirs, _ = case
    got, want = ours.get_config(), theirs.get_config()
    assert set(got) == set(want)
    plain = {k: v for k, v in want.items() if k != "dtype" and not isinstance(v, dict)}
    assert {k: got[k] for k in plain} == plain
    assert got["dtype"] == "float32"
    for key in want:
        if isinstance(want[key], dict) and "class_name" in want[key] and key != "dtype":
            assert got[key]["class_name"] == want[key]["class_name"]
            assert got[key]["config"].keys() == want[key]["config"].keys()


def test_a_layer_is_made_from_the_config_of_keras(keras, case):
    ours, theirs, x = case
    again = layers.deserialize(keras.layers.serialize(theirs))
    again(x)
    again.set_weights(ours.get_weights())
    np.testing.assert_array_equal(again(x).numpy(), ours(x).numpy())
    assert again.get_config() == ours.get_config()


@pytest.mark.parametrize("name, arguments, shapes", CASES, ids=IDS)
def test_shapes_of_symbolic_calls_are_those_of_keras(keras, name, arguments, shapes):
    def symbolic(library):
        if isinstance(shapes, list):
            return [library.Input(batch_shape=(None, *s[1:])) for s in shapes]
        return library.Input(batch_shape=(None, *shapes[1:]))

    got = getattr(layers, name)(**arguments)(symbolic(layers))
    want = getattr(keras.layers, name)(**arguments)(symbolic(keras))
    assert got.shape == tuple(want.shape)
    assert got.dtype == want.dtype
    shape = [(None, *s[1:]) for s in shapes] if isinstance(shapes, list) else (None, *shapes[1:])
    assert getattr(layers, name)(**arguments).compute_output_shape(shape) == tuple(want.shape)


# Keras takes masks for features on the last axis alone.
@pytest.mark.parametrize(
    "arguments, masked",
    [
        ({}, False),
        ({}, True),
        ({"momentum": 0.6, "axis": 1}, False),
        ({"center": False}, True),
        ({"renorm": True, "renorm_momentum": 0.5}, False),
        ({"renorm": True, "renorm_momentum": 0.5}, True),
    ],
    ids=str,
)
def test_batch_normalization_trains_as_in_keras(keras, arguments, masked):
    x = arrays((4, 3, 5)) * 2 + 1
    ours, theirs = pair(keras, "BatchNormalization", arguments, x)
    mask = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0]], bool) if masked else None
    options = {"training": True, **({"mask": mask} if masked else {})}
    assert_same_gradients(ours, theirs, x, **options)
    for step in range(3):
        batch = x * (1 + step)
        got, want = ours(batch, **options), np.asarray(theirs(batch, **options))
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-4, atol=1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_frozen_batch_normalization_is_that_of_keras(keras):
    x = arrays((4, 5))
    ours, theirs = pair(keras, "BatchNormalization", {}, x)
    ours.trainable = theirs.trainable = False
    np.testing.assert_allclose(ours(x, training=True).numpy(), theirs(x, training=True), rtol=1e-5, atol=1e-6)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_embedding_is_that_of_keras(keras, mask_zero, dtype):
    x = np.array([[1, 4, 0], [4, 4, 2]], dtype)
    arguments = {"input_dim": 6, "output_dim": 3, "mask_zero": mask_zero, "name": "e"}
    ours, theirs = pair(keras, "Embedding", arguments, x)
    got, want = ours(x), theirs(x)
    np.testing.assert_array_equal(got.numpy(), want)
    ours_mask, mask = get_keras_mask(got), keras.src.backend.get_keras_mask(want)
    assert (ours_mask is None) == (mask is None)
    if mask_zero:
        np.testing.assert_array_equal(ours_mask.numpy(), mask)
    assert set(ours.get_config()) == set(theirs.get_config())
    assert [v.path for v in ours.weights] == [v.path for v in theirs.weights]
    cotangent = arrays((2, 3, 3))
    want = np.zeros((6, 3), "float32")
    np.add.at(want, x.astype(int), cotangent)
    (gradient,) = grad((ours(x) * cotangent).sum(), ours.weights)
    np.testing.assert_allclose(gradient.numpy(), want, rtol=1e-5, atol=1e-6)


MASK = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
OTHER_MASK = np.array([[1, 0, 1, 0], [1, 1, 0, 1], [1, 0, 0, 0]], bool)


def with_masks(library, x, masks):
    """Return `x`, a list of arrays, as tensors of a library that carry masks (None for none)."""
    if library is None:
        tensors = [convert(a) for a in x]
        for t, m in zip(tensors, masks, strict=True):
            t._keras_mask = None if m is None else convert(m)
        return tensors
    tensors = [library.ops.convert_to_tensor(a) for a in x]
    for t, m in zip(tensors, masks, strict=True):
        if m is not None:
            library.src.backend.set_keras_mask(t, library.ops.convert_to_tensor(m))
    return tensors


def assert_same_with_masks(keras, ours, theirs, x, masks, single):
    mine, peer = with_masks(None, x, masks), with_masks(keras, x, masks)
    got, want = ours(mine[0] if single else mine), theirs(peer[0] if single else peer)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-6)
    got_mask, want_mask = get_keras_mask(got), keras.src.backend.get_keras_mask(want)
    assert (got_mask is None) == (want_mask is None)
    if want_mask is not None:
        np.testing.assert_array_equal(np.asarray(got_mask), want_mask)


@pytest.mark.parametrize(
    "name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"]
)
@pytest.mark.parametrize("masks", [(MASK, OTHER_MASK), (MASK, None), (None, MASK), (None, None)])
def test_merging_layers_treat_masks_as_in_keras(keras, name, masks):
    arguments = {"axes": 1} if name == "Dot" else {}
    x = [arrays((3, 4, 2), seed=1), arrays((3, 4, 2), seed=2)]
    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    assert_same_with_masks(keras, ours, theirs, x, masks, single=False)


@pytest.mark.parametrize("masks", [(MASK, OTHER_MASK), (MASK, None)])
def test_concatenation_along_time_joins_masks_as_in_keras(keras, masks):
    x = [arrays((3, 4, 2), seed=1), arrays((3, 4, 2), seed=2)]
    ours, theirs = layers.Concatenate(axis=1), keras.layers.Concatenate(axis=1)
    assert_same_with_masks(keras, ours, theirs, x, masks, single=False)


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("Dense", {"units": 3, "kernel_initializer": "ones"}),
        ("Dropout", {"rate": 0.5}),
        ("Activation", {"activation": "relu"}),
        ("ReLU", {}),
        ("Masking", {}),
        ("LayerNormalization", {}),
        ("BatchNormalization", {}),
        ("Rescaling", {"scale": 2.0}),
        ("Identity", {}),
        ("SpatialDropout1D", {"rate": 0.5}),
        ("GaussianNoise", {"stddev": 0.5}),
        ("GaussianDropout", {"rate": 0.5}),
        ("ActivityRegularization", {}),
        ("LeakyReLU", {}),
        ("ELU", {}),
        ("GlobalAveragePooling1D", {}),
    ],
)
def test_a_mask_passes_through_as_in_keras(keras, name, arguments):
    x = arrays((3, 4, 2))
    x[0, 1:] = 0
    mask = MASK[:2] if name == "GlobalAveragePooling1D" else MASK  # a mean of nothing is NaN there, 0 here
    x = x[: len(mask)]
    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    assert_same_with_masks(keras, ours, theirs, [x], [mask], single=True)


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("Flatten", {}),
        ("Reshape", {"target_shape": (8,)}),
        ("Permute", {"dims": (2, 1)}),
        ("Lambda", {"function": np.abs}),
        ("Conv1D", {"filters": 2, "kernel_size": 1, "padding": "causal"}),
        ("MaxPooling1D", {}),
        ("AveragePooling1D", {"pool_size": 2}),
        ("GlobalMaxPooling1D", {}),
        ("ZeroPadding1D", {}),
        ("Cropping1D", {}),
        ("UpSampling1D", {}),
    ],
)
def test_a_mask_is_dropped_with_a_warning_where_keras_drops_it(keras, name, arguments):
    x = arrays((3, 4, 2))
    (mine,), (peer,) = with_masks(None, [x], [MASK]), with_masks(keras, [x], [MASK])
    if name == "Lambda":
        arguments = {"function": lambda t: t * 2.0}
    with pytest.warns(UserWarning, match="does not support masking"):
        got = getattr(layers, name)(**arguments)(mine)
    with pytest.warns(UserWarning, match="does not support masking"):
        want = getattr(keras.layers, name)(**arguments)(peer)
    assert get_keras_mask(got) is None
    assert keras.src.backend.get_keras_mask(want) is None


def test_softmax_with_a_mask_is_that_of_keras(keras):
    x = arrays((3, 4))
    got = layers.Softmax()(x, mask=MASK)
    np.testing.assert_allclose(got.numpy(), keras.layers.Softmax()(x, mask=MASK), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "name, arguments, shape",
    [
        ("Dense", {"units": 3}, (4, 5)),
        ("Embedding", {"input_dim": 5, "output_dim": 3}, (4, 2)),
        ("BatchNormalization", {}, (4, 5)),
        ("LayerNormalization", {}, (4, 5)),
        ("Activation", {"activation": "tanh"}, (4, 5)),
        ("Flatten", {}, (4, 5)),
        ("Identity", {}, (4, 5)),
    ],
)
def test_losses_of_regularizers_are_those_of_keras(keras, name, arguments, shape):
    regularizers = {
        "Dense": {"kernel_regularizer": "l2", "bias_regularizer": "l1"},
        "Embedding": {"embeddings_regularizer": "l1"},
        "BatchNormalization": {"gamma_regularizer": "l2", "beta_regularizer": "l1"},
        "LayerNormalization": {"gamma_regularizer": "l2", "beta_regularizer": "l1"},
    }.get(name, {})
    x = np.arange(8).reshape(shape) % 5 if name == "Embedding" else arrays(shape)
    ours, theirs = pair(keras, name, {**arguments, **regularizers, "activity_regularizer": "l2"}, x)
    ours(x)
    theirs(x)
    got, want = [float(v) for v in ours.losses], [float(v) for v in theirs.losses]
    np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("value", [False, True])
def test_freezing_and_unfreezing_are_those_of_keras(keras, value):
    def model(library):
        class Pair(library.layers.Layer):
            def __init__(self):
                super().__init__()
                self.first = library.layers.Dense(2)
                self.second = library.layers.BatchNormalization()
                self.scale = self.add_weight(shape=(2,), initializer="ones", name="scale")
                self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

            def call(self, x):
                return self.second(self.first(x)) * self.scale

        layer = Pair()
        layer(arrays((2, 3)))
        return layer

    import minirnn

    def names(layer):
        return [[v.name for v in getattr(layer, f"{k}_weights")] for k in ("trainable", "non_trainable")]

    ours, theirs = model(minirnn), model(keras)
    assert [v.name for v in ours.weights] == [v.name for v in theirs.weights]
    assert names(ours) == names(theirs)
    for change in (lambda m: setattr(m.first, "trainable", value), lambda m: setattr(m, "trainable", value)):
        change(ours)
        change(theirs)
        assert names(ours) == names(theirs)
    for m in (ours, theirs):
        m.trainable = False
        m.trainable = True
        m.second.trainable = False
    assert names(ours) == names(theirs)
    assert [v.name for v in ours.weights] == [v.name for v in theirs.weights]


def test_paths_of_weights_in_nested_layers_are_those_of_keras(keras):
    def paths(library, with_build):
        class Outer(library.layers.Layer):
            def __init__(self, **kwargs):
                super().__init__(**kwargs)
                self.inner = [library.layers.Dense(2, name="a"), library.layers.Dense(3, name="b")]
                self.gain = self.add_weight(shape=(), name="gain")

            if with_build:

                def build(self, shape):
                    self.inner[0].build(shape)
                    self.own = self.add_weight(shape=(2,), name="own")

            def call(self, x):
                return self.inner[1](self.inner[0](x))

        layer = Outer(name="outer")
        layer(arrays((2, 3)))
        return [v.path for v in layer.weights]

    import minirnn

    for with_build in (False, True):
        assert paths(minirnn, with_build) == paths(keras, with_build)
