"""What a loaded library knows: its version, its live objects, its last error, and the faults put into it."""

import ctypes
import threading
from collections import Counter

from tests.standins.emulated_cudnn.header import Refused

IMPLEMENTATIONS = {}


def implements(function):
    """Let a Python function ``(state, *arguments)`` be the library's function of that name."""
    IMPLEMENTATIONS[function.__name__] = function
    return function


class Opaque:
    """A handle or descriptor: an address with nothing to read behind it.

    Attributes
    ----------
    kind : str
        "handle", "tensor", "dropout", "rnn" or "data".
    fields : object
        What was set, or None.
    """

    def __init__(self, kind):
        self.kind, self.fields = kind, None
        self._memory = ctypes.create_string_buffer(64)
        self.address = ctypes.addressof(self._memory)


class State:
    """Of one loaded library."""

    def __init__(self, version, gap, fail):
        self.version, self.gap = version, gap
        self.lock = threading.RLock()
        self.calls, self.tickets = Counter(), 0
        self.fail = {name: n if isinstance(n, tuple) else (n, 5000) for name, n in (fail or {}).items()}
        self.thread = threading.local()
        self.strings, self.last_words = {}, ""
        self._objects, self._destroyed = {}, {}

    def live(self):
        return Counter(made.kind for made in list(self._objects.values()))

    def create(self, kind):
        made = Opaque(kind)
        self._objects[made.address] = made
        return made

    def destroy(self, kind, address):
        made = self.object(kind, address)
        del self._objects[made.address]
        self._destroyed[made.address] = made  # so that the address is not given out again
        return made

    def object(self, kind, address):
        """Return the live object of a kind behind an address."""
        if not address:
            raise Refused("BAD_PARAM_NULL_POINTER", f"the {kind} is NULL")
        if address in self._destroyed:
            raise Refused("BAD_PARAM", f"the {self._destroyed[address].kind} was destroyed")
        if address not in self._objects:
            raise Refused("BAD_PARAM", f"the {kind} is an address that no call created")
        made = self._objects[address]
        if made.kind != kind:
            raise Refused("BAD_PARAM_DESCRIPTOR_TYPE", f"a {made.kind} was given where a {kind} must be")
        return made

    def fields(self, kind, address, what):
        """Return what was set in a descriptor."""
        made = self.object(kind, address)
        if made.fields is None:
            raise Refused("BAD_PARAM_NOT_FINALIZED", f"{what} was created but never set")
        return made.fields

    def fault(self, name):
        """Count a call, and refuse it if a test wants it to fail."""
        self.calls[name] += 1
        number, status = self.fail.get(name, (0, 0))
        if self.calls[name] == number:
            refused = Refused("EXECUTION_FAILED", f"call {number} of {name} was made to fail")
            refused.status = status
            raise refused
