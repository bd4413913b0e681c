"""All or nothing for an object that makes its attributes in steps."""

from contextlib import contextmanager


@contextmanager
def restoring(*things):
    """If the body raises anything, give `things` the attributes back that they had before it.

    Their lists and dicts, those inside of others too, stay the same objects and hold again what they held.
    What other objects hold is not looked at.
    """
    attributes = [(thing, dict(thing.__dict__)) for thing in things]
    held: dict = {}
    for _, before in attributes:
        _copy_containers(before, held)
    try:
        yield
    except BaseException:
        for container, items in held.values():
            container.clear()
            container.extend(items) if isinstance(container, list) else container.update(items)
        for thing, before in attributes:
            thing.__dict__.clear()
            thing.__dict__.update(before)
        raise


def _copy_containers(attributes, held) -> None:
    """Fill `held` with each list and dict and a copy of it, under its id."""
    open_ends = list(attributes.values())
    while open_ends:
        value = open_ends.pop()
        if isinstance(value, tuple):
            open_ends.extend(value)
        elif isinstance(value, list | dict) and id(value) not in held:
            items = list(value) if isinstance(value, list) else dict(value)
            held[id(value)] = value, items
            open_ends.extend(items if isinstance(items, list) else items.values())
