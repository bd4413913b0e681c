"""The outputs of a model by place and name, and what is said of them, one entry for each.

Outputs, targets and sample weights may nest in any way. They are laid flat in the order of the outputs.
"""

import difflib
from collections import OrderedDict

from minirnn import tree


def _paths(structure, path=()):
    """Return the path of keys to each leaf, in the order of `tree.flatten`."""
    if not tree.is_nested(structure):
        return [path]
    if isinstance(structure, dict):
        keys = structure if isinstance(structure, OrderedDict) else sorted(structure)
        return [leaf for key in keys for leaf in _paths(structure[key], (*path, key))]
    return [leaf for key, item in enumerate(structure) for leaf in _paths(item, (*path, key))]


def _place(structure, path):
    """Return the number of each key of `path` where it stands, as far as `structure` goes."""
    place = []
    for key in path:
        if not tree.is_nested(structure) or (isinstance(structure, dict) and key not in structure):
            break
        place.append(list(structure).index(key) if isinstance(structure, dict) else key)
        structure = structure[key]
    return place


def _at(structure, path):
    for key in path:
        structure = structure[key]
    return structure


class Outputs:
    """The outputs of a model by place and name.

    Parameters
    ----------
    y_pred : structure of Tensor
    names : list of str, optional
        One for each leaf; default "output_1", "output_2", ...
    where : str
        Begins the errors.

    Attributes
    ----------
    named : bool
        Whether outputs have names that are not from here: given ones, or the keys of a flat dict.
    """

    def __init__(self, y_pred, names, where):
        self.paths = _paths(y_pred)
        self.count = len(self.paths)
        self.structure = tree.map_structure(lambda _: None, y_pred)
        self.where = where
        given = bool(names) and len(names) == self.count
        self.named = given or (isinstance(y_pred, dict) and all(len(path) == 1 for path in self.paths))
        if not given:
            names = [f"output_{i + 1}" for i in range(self.count)]
        self.names = list(names)
        # A dict of outputs has names of its own; a place in a list is named after what is there.
        self.labels = []
        for path, name in zip(self.paths, self.names):
            path = (*path[:-1], name) if not path or isinstance(path[-1], int) else path
            self.labels.append("/".join(map(str, path)))
        if isinstance(y_pred, dict):
            self.names = self.labels

    def logged_as(self, functions) -> list[str]:
        """Return a label for the loss of each output in logs, from pairs of its number and the loss.

        Where an output has no name, the loss lends its own, as in Keras, unless another has it too.
        """
        own = [
            self.labels[index]
            if self.named or not isinstance(self.paths[index][-1], int)
            else "/".join(map(str, (*self.paths[index][:-1], function.name)))
            for index, function in functions
        ]
        return [o if own.count(o) == 1 else self.labels[i] for o, (i, _) in zip(own, functions)]

    def each(self, spec, what, *, leaf=lambda _: False, missing=None):
        """Return one entry of `spec` for each output.

        Parameters
        ----------
        spec : structure, dict by name, list by place, or one thing for all
        what : str
            Names `spec` in errors.
        leaf : callable
            Says of a list that it is one entry.
        missing : optional
            Stands for what a dict leaves out.

        Raises
        ------
        ValueError
            If `spec` fits no outputs.
        """
        if not tree.is_nested(spec) or leaf(spec):
            return [spec] * self.count
        if isinstance(spec, dict):
            return self._by_name(spec, what, leaf, missing)
        flat = tree.flatten(spec, is_leaf=lambda s: s is not spec and leaf(s))
        if len(flat) == self.count:
            return flat
        if len(spec) == self.count:
            return list(spec)
        raise ValueError(
            f"{self.where}: {what} needs one entry for each of the {self.count} output(s) {self.labels}; got "
            f"{len(spec)}."
        )

    def _by_name(self, spec, what, leaf, missing):
        entries, used = [], set()
        for path, name, label in zip(self.paths, self.names, self.labels):
            key = next((k for k in (name, label) if k in spec), None)
            if key is None and path and path[0] in spec:
                # A dict of outputs in which lists or dicts nest.
                key = path[0]
                # As many entries as there are outputs at this key are one for each, as they are at the top.
                one = leaf(spec[key]) and not _as_long(_at(self.structure, (key,)), spec[key])
                entry = spec[key] if one else _follow(spec[key], path[1:])
            else:
                entry = missing if key is None else spec[key]
            used.add(key)
            entries.append(entry)
        unknown = [key for key in spec if key not in used]
        if unknown:
            raise ValueError(
                f"{self.where}: {what} names {unknown}; the outputs are {self.labels}.{self.hint(unknown)}"
            )
        return entries

    def order_in(self, spec: dict) -> list[int]:
        """Return the numbers of the outputs in the order in which the keys of `spec` name them."""

        def place(index):
            name, label = self.names[index], self.labels[index]
            path = next(((key,) for key in (name, label) if key in spec), self.paths[index])
            return _place(spec, path)

        return sorted(range(self.count), key=place)

    def hint(self, unknown) -> str:
        """Return which names were meant, as far as they are near to some that there are."""
        pairs = [(name, difflib.get_close_matches(str(name), self.labels, n=1)) for name in unknown]
        meant = [f"{near[0]!r} in place of {name!r}" for name, near in pairs if near]
        return f" Was it meant to be {', '.join(meant)}?" if meant else ""

    def targets(self, y, what="y", wanted=None):
        """Return the targets, or their weights, of each output; None where there is none.

        Parameters
        ----------
        y : structure of Tensor
        what : str
        wanted : list of bool, optional
            Which outputs have a loss: targets may be given for these alone.

        Raises
        ------
        ValueError
            If there are too many or too few.
        """
        if y is None:
            return [None] * self.count
        if isinstance(y, dict):
            found = self._by_name(y, what, lambda _: False, None)
        else:
            found = tree.flatten(y)
        if len(found) == self.count:
            return found
        if wanted is not None and len(found) == sum(wanted):
            rest = iter(found)
            return [next(rest) if want else None for want in wanted]
        raise ValueError(
            f"{self.where}: {what} must hold {self.count} array(s), one for each of the outputs "
            f"{self.labels}; got {len(found)}."
        )


def _as_long(part, entries) -> bool:
    return isinstance(part, list | tuple) and len(part) == len(entries)


def _follow(entry, path):
    return _at(entry, path) if tree.is_nested(entry) else entry


def sample_weights(outputs, sample_weight, wanted=None):
    """Return the weights of each output: one array serves all."""
    if not tree.is_nested(sample_weight):
        return [sample_weight] * outputs.count
    return outputs.targets(sample_weight, "sample_weight", wanted)
