"""How files are changed so that what is inside is reached: a member or a value is changed, the file rebuilt.

A bit flipped in an archive is found by a checksum and goes no further. So an archive is taken apart, a
member is changed, and it is put together with right checksums; a config is changed as a tree, with words that
configs know; a member that is a file of its own (weights) is changed in its turn.
"""

import io
import json
import random
import zipfile

# Names, so that a changed config asks for something that exists.
WORDS = (
    *(
        "class_name",
        "config",
        "module",
        "registered_name",
        "build_config",
        "compile_config",
        "input_shape",
        "name",
    ),
    *(
        "units",
        "layers",
        "layer",
        "cell",
        "cells",
        "inbound_nodes",
        "keras_history",
        "args",
        "kwargs",
        "function",
    ),
    *(
        "shared_object_id",
        "dtype",
        "trainable",
        "batch_shape",
        "activation",
        "padding",
        "strides",
        "filters",
        "axis",
    ),
    *(
        "__tensor__",
        "__numpy__",
        "__keras_tensor__",
        "__tuple__",
        "__namedtuple__",
        "__lambda__",
        "__slice__",
    ),
    *(
        "__bytes__",
        "__ellipsis__",
        "value",
        "items",
        "loss",
        "metrics",
        "optimizer",
        "weights",
        "learning_rate",
    ),
    *(
        "Sequential",
        "Functional",
        "Model",
        "InputLayer",
        "Dense",
        "LSTM",
        "GRU",
        "SimpleRNN",
        "RNN",
        "LSTMCell",
    ),
    *(
        "GRUCell",
        "StackedRNNCells",
        "Bidirectional",
        "TimeDistributed",
        "Embedding",
        "Masking",
        "Dropout",
        "Conv1D",
    ),
    *(
        "Reshape",
        "RepeatVector",
        "Flatten",
        "Permute",
        "Concatenate",
        "Add",
        "Dot",
        "Attention",
        "Lambda",
        "Softmax",
    ),
    *(
        "MultiHeadAttention",
        "BatchNormalization",
        "LayerNormalization",
        "ZeroPadding1D",
        "UpSampling1D",
        "Cropping1D",
    ),
    *("AveragePooling1D", "GaussianNoise", "Activation", "Rescaling", "Identity", "ActivityRegularization"),
    *(
        "Adam",
        "SGD",
        "LossScaleOptimizer",
        "ExponentialDecay",
        "Orthogonal",
        "GlorotUniform",
        "Constant",
        "L2",
    ),
    *("MeanSquaredError", "AUC", "Mean", "MeanIoU", "F1Score", "MeanMetricWrapper", "CTC", "DTypePolicy"),
    *(
        "relu",
        "tanh",
        "mse",
        "repeat",
        "broadcast_to",
        "zeros",
        "arange",
        "tile",
        "getitem",
        "reshape",
        "einsum",
    ),
    *(
        "one_hot",
        "pad",
        "matmul",
        "linspace",
        "eye",
        "concatenate",
        "float64",
        "float16",
        "int32",
        "bfloat16",
    ),
    *(
        "mixed_float16",
        "keras.layers",
        "keras.optimizers",
        "keras.src.ops.numpy",
        "minirnn.ops",
        "builtins",
        "os",
    ),
)
NUMBERS = (
    0,
    1,
    2,
    3,
    -1,
    4,
    7,
    64,
    2**10,
    2**16,
    2**24,
    2**30,
    2**31,
    2**63,
    -(2**31),
    0.0,
    0.5,
    -1.5,
    1e300,
)


def mutated(content: bytes, rng: random.Random, change=None) -> bytes:
    """Return a file that differs from the given one in a few places.

    Parameters
    ----------
    content : bytes
    rng : random.Random
    change : callable, optional
        From bytes to bytes, for what has no structure known here; by default bits are flipped, pieces cut
        out, repeated and overwritten.
    """
    change = change or (lambda data: _changed_bytes(data, rng))
    if content[:2] == b"PK" and rng.random() < 0.9:
        parts = _parts(content)
        if parts:
            return _with_changed_part(parts, rng, change)
    if content.lstrip()[:1] in (b"{", b"[") and rng.random() < 0.9:
        try:
            return json.dumps(_changed_tree(json.loads(content), rng)).encode()
        except (ValueError, RecursionError):
            pass
    if content[:4] == b"\x89HDF" and rng.random() < 0.4:
        return _with_changed_text(content, rng)
    return change(content)


def _parts(content) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            small = [info for info in archive.infolist() if info.file_size < 1 << 20]
            return {info.filename: archive.read(info) for info in small}
    except Exception:  # noqa: BLE001 - of a damaged archive the reader may raise anything
        return {}


def _with_changed_part(parts, rng, change) -> bytes:
    name = rng.choice(list(parts))
    choice = rng.random()
    if choice < 0.85:
        parts[name] = mutated(parts[name], rng, change)
    elif choice < 0.9:
        del parts[name]
    elif choice < 0.95:
        parts[rng.choice(list(parts))] = parts[name]
    else:
        parts[rng.choice((*WORDS, "../x", "/x", name + ".npy"))] = parts.pop(name)
    file = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if rng.random() < 0.1 else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return file.getvalue()


def _changed_bytes(content, rng) -> bytes:
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        place, length = rng.randrange(len(data) + 1), rng.randint(1, 16)
        kind = rng.randrange(5)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place : place + length] = rng.randbytes(length)
        elif kind == 2:
            del data[place : place + length]
        elif kind == 3:
            data[place:place] = data[place : place + length]
        else:
            del data[place:]
    return bytes(data)


def _with_changed_text(content, rng) -> bytes:
    """Change a JSON text inside of an HDF5 file and keep its length, so that all else stays in its place."""
    start = content.find(b'{"')
    end = content.find(b"\x00", start)
    if start < 0 or end < 0:
        return _changed_bytes(content, rng)
    try:
        text = json.dumps(_changed_tree(json.loads(content[start:end]), rng)).encode()
    except (ValueError, RecursionError):
        return _changed_bytes(content, rng)
    room = end - start
    return content[:start] + text.ljust(room)[:room] + content[end:]


def places(value, found=None) -> list:
    """Return every (holder, key) of a tree of lists and dicts."""
    found = [] if found is None else found
    for key in range(len(value)) if isinstance(value, list) else list(value):
        found.append((value, key))
        if isinstance(value[key], dict | list):
            places(value[key], found)
    return found


def _changed_tree(tree, rng):
    """Return a config with one to three values changed, left out, or put where another was."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        spots = places(tree) if isinstance(tree, dict | list) else []
        if not spots:
            return {rng.choice(WORDS): tree}
        holder, key = rng.choice(spots)
        kind = rng.randrange(8)
        if kind == 0:
            holder[key] = rng.choice(WORDS)
        elif kind == 1:
            holder[key] = rng.choice(NUMBERS)
        elif kind == 2:
            holder[key] = rng.choice(
                (None, True, False, [], {}, "", [rng.choice(NUMBERS)] * rng.randint(1, 3))
            )
        elif kind == 3:
            del holder[key]
        elif kind == 4 and isinstance(holder, list):
            holder.insert(key, json.loads(json.dumps(holder[key])))
        elif kind == 4:
            holder[rng.choice(WORDS)] = holder[key]
        elif kind == 5:
            other, other_key = rng.choice(spots)
            holder[key] = json.loads(json.dumps(other[other_key]))
        elif kind == 6 and isinstance(holder, dict):
            holder[rng.choice(WORDS)] = holder.pop(key)
        elif isinstance(holder[key], dict) and "class_name" in holder[key]:
            holder[key]["class_name"] = rng.choice(WORDS)
        elif isinstance(holder[key], int):
            holder[key] += rng.choice((-1, 1))
        else:
            holder[key] = [holder[key]]
    return tree
