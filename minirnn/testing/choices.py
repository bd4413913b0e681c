"""How a case is chosen: one choice after another, each with a name and its simplest answer first.

The same choices are made by a random generator, by Hypothesis, and by whoever makes a failing case smaller.
"""

import random
from collections.abc import Callable

from minirnn import tree
from minirnn.testing.case import WRONG, Case, parts_of
from minirnn.testing.kinds import BUILT_IN, KINDS, choose_layer, choose_shape, fix_initializers
from minirnn.testing.options import takes

# Few, so that what a peer compiles is used again; the last is the usual one.
_SIZES = ((1, 1, 1, 1), (1, 2, 1, 1), *((2, 4, 3, 2),) * 6)
MASKS = ("none", "none", "right", "left", "holes", "rows", "all")
_ARGUMENTS = ("training", "return_attention_scores", "use_causal_mask")
_CHANCE = {"dropout", "recurrent_dropout", "rate", "stddev"}  # with these, training is left to it
DTYPES = ("float32",) * 5 + ("float64", "float16", "mixed_float16")
_OPTIMIZERS = (
    None,
    {"class": "SGD", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
    {"class": "Adam", "learning_rate": 0.1, "epsilon": 0.1},
    {"class": "RMSprop", "learning_rate": 0.1, "epsilon": 0.1},
    {"class": "SGD", "learning_rate": 0.1, "clipnorm": 0.5},
)


class Choices:
    """Answers by name. `made` holds the number of each, so that they can be given again, or simpler ones.

    Parameters
    ----------
    pick : callable
        ``pick(name, count)`` returns a number below `count`.
    """

    def __init__(self, pick: Callable[[str, int], int]):
        self.pick = pick
        self.made: dict[str, int] = {}

    def of(self, name: str, options):
        """Return one of the options, of which the first is the simplest."""
        number = min(self.pick(name, len(options)), len(options) - 1)
        self.made[name] = number
        return options[number]

    def flag(self, name: str, one_in: int = 2) -> bool:
        """Return True once in so many times."""
        return self.of(name, (False,) * (one_in - 1) + (True,))


def numbered(seed: int, number: int) -> Choices:
    """Return the choices of the case with that number, whatever cases were drawn before it."""
    rng = random.Random(f"{seed}/{number}")
    return Choices(lambda name, count: rng.randrange(count))


def again(made: dict[str, int]) -> Choices:
    """Return choices that were made before; what was not, or is not there any more, is the simplest."""
    return Choices(lambda name, count: made.get(name, 0))


def choose_case(choices: Choices, kinds=KINDS, sizes=None, for_torch=False) -> Case:
    """Return a case.

    Parameters
    ----------
    choices : Choices
    kinds : sequence of str
        Classes of layers, the simplest first.
    sizes : tuple of 4 int, optional
        Batch, time, features and units; default: one of a few, so that compiled programs are used again.
    for_torch : bool
        Only what ``torch.nn.RNN``, ``GRU`` and ``LSTM`` can do.
    """
    if for_torch:
        kinds = [kind for kind in (*BUILT_IN, "Bidirectional") if kind in kinds]
    kind = choices.of("kind", tuple(kinds))
    B, T, D, H = sizes or choices.of("sizes", _SIZES)
    # What any layer may have is asked first, and of any: a generator that shrinks what it has drawn can then
    # put a simpler layer in place of another, and the rest stays what it was.
    forms = ("none", "right") if for_torch else MASKS
    some_mask = choose_mask(choices, B, T, forms)
    travels = choices.flag("mask travels", 3)
    mask_dtype = choices.of("mask dtype", ("bool",) * 6 + ("int32", "float32"))
    initial_state = choices.flag("initial state", 3)
    options: dict = {"dtype": choices.of("dtype", DTYPES[:6] if for_torch else DTYPES)}
    options["steps"] = choices.of("steps", (0, 0, 0, 2))
    if options["steps"]:
        options["optimizer"] = choices.of("optimizer", _OPTIMIZERS)
    arguments = {name: choices.flag(name, 3) for name in _ARGUMENTS}
    own_weights, wrong = choices.flag("own weights", 12), choices.flag("wrong", 20)

    layer = choose_layer(choices, kind, H, for_torch=for_torch)
    shape = choose_shape(choices, layer, B, T, D)
    mask = options["mask"] = fit_mask(choices, some_mask, layer, shape, forms)
    options["initial_state"] = initial_state and takes(kind, "initial_state")
    if layer.get("layer", layer).get("stateful"):
        options["calls"] = 2
    if not for_torch:
        options["mask_travels"] = mask is not None and (travels or not takes(kind, "mask"))
        options["mask_dtype"] = "bool" if mask is None or options["mask_travels"] else mask_dtype
        fitting = [name for name in _ARGUMENTS if arguments[name] and takes(kind, name)]
        if any(set(part) & _CHANCE for part in parts_of(layer)):
            fitting = [name for name in fitting if name != "training"]
        options["arguments"] = dict.fromkeys(fitting, True) or None
        options["own_weights"] = own_weights and fix_initializers(choices, layer)
        options["wrong"] = _choose_wrong(choices, options, shape) if wrong else ""
    seed = sum((n + 1) * 31**i for i, n in enumerate(choices.made.values())) % 1000
    return Case(layer, shape, seed=seed, **options)


def _choose_wrong(choices, options, shape) -> str:
    fitting = [w for w in WRONG[1:5] if not w.startswith("states") or options.get("initial_state")]
    if options["mask"] is None or isinstance(options["mask"], list):
        fitting = [w for w in fitting if not w.startswith("mask")]
    return choices.of("what is wrong", [*fitting, *([WRONG[5]] * isinstance(shape, list))])


def fit_mask(choices: Choices, mask, layer: dict, shape, forms=MASKS):
    """Return a mask as a layer and its inputs take it, which may be several; None if `mask` is.

    Parameters
    ----------
    choices : Choices
    mask : tuple of str, optional
        One for inputs of shape (batch, time, ...).
    layer : dict
    shape : tuple of int, or list or dict of these
        Of the inputs.
    forms : sequence of str
        Of `MASKS`.
    """
    first = tree.flatten(shape, is_leaf=tree.is_shape)[0]
    if mask is None or len(first) < 3:  # indices have the mask that is made of them, vectors have no steps
        return None

    def rows(i, batch, steps, given=None):
        fits = given is not None and (batch, steps) == (len(given), len(given[0]))
        return given if fits else choose_mask(choices, batch, steps, forms, f"mask {i}")

    if isinstance(shape, list):
        masks = [rows(i, *s[:2], given=None if i else mask) for i, s in enumerate(shape)]
        return masks if any(m is not None for m in masks) else None
    kind = layer["class"]
    of_all = kind == "TimeDistributed" and len(first) > 3 and takes(layer["layer"]["class"], "mask")
    if of_all or kind == "Softmax":
        whole = ("1" * first[2],) * first[1]
        return tuple(rows(i, *first[1:3]) or whole for i in range(first[0]))
    steps = first[-1] if layer.get("data_format") == "channels_first" and len(first) == 3 else first[1]
    return rows(0, first[0], steps, given=mask)


def choose_mask(choices: Choices, batch: int, time: int, forms=MASKS, at="mask") -> tuple[str, ...] | None:
    """Return the rows of a mask: strings of "1" for a step that counts and "0" for one that does not."""
    form = choices.of(at, forms)
    if form == "none":
        return None
    rows = []
    # The simplest row is one that is masked: where no mask is needed, "none" is simpler still.
    for row in range(batch):
        if form == "holes":
            # One choice for 16 steps: a row then goes as a whole where a failing case is made smaller.
            sizes = {t: min(16, time - t) for t in range(0, time, 16)}
            bits = [f"{choices.of(f'{at}.{row}.{t}', range(2**n)):0{n}b}" for t, n in sizes.items()]
            rows.append("".join(bits))
        elif form == "rows":
            rows.append(choices.of(f"{at}.{row}", "011") * time)
        elif form == "all":
            rows.append("1" * time)
        else:
            length = choices.of(f"{at}.{row}.length", tuple(range(1, time + 1)))
            counts, rest = "1" * length, "0" * (time - length)
            rows.append(counts + rest if form == "right" else rest + counts)
    return tuple(rows)


def smaller(made: dict[str, int], still_fails: Callable[[Choices], bool], most=120) -> dict[str, int]:
    """Return choices that fail too, each as simple as it may be; as many are tried as `most` says.

    Parameters
    ----------
    made : dict of str to int
        Choices of a case that fails.
    still_fails : callable
        Makes a case of choices, and returns whether it fails.
    """
    best, tried = dict(made), 0

    def holds(simpler: dict[str, int]) -> bool:
        nonlocal best, tried
        if tried >= most or all(best.get(name) == number for name, number in simpler.items()):
            return False
        tried += 1
        candidate = again({**best, **simpler})
        if not still_fails(candidate):
            return False
        # Choices that are not asked for any more are gone; others came with their simplest.
        best = dict(candidate.made)
        return True

    # Many at once are made the simplest, then fewer, then each for itself.
    size = len(best)
    while size:
        names = list(best)
        for start in range(0, len(names), size):
            holds(dict.fromkeys(names[start : start + size], 0))
        size = min(size // 2, len(best))
    changed = True
    while changed and tried < most:
        tries = [{name: n} for name in best for n in sorted({0, 1, best[name] // 2}) if n < best[name]]
        changed = sum(holds(simpler) for simpler in tries if next(iter(simpler)) in best) > 0
    return best
