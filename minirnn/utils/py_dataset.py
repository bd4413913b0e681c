"""`PyDataset`: batches by their number, which `fit` may load ahead on threads."""

from itertools import count

from minirnn.models.data import positive_int


class PyDataset:
    """Batches by their number: a subclass defines ``__getitem__(index)`` and ``__len__()``.

    ``__getitem__`` returns a whole batch: ``(x, y)``, ``(x, y, sample_weight)``, ``(x,)``, or `x` alone if
    that is an array or a dict. ``__len__`` returns how many there are. Data without an end defines
    ``num_batches`` as a property that returns None in place of it, and needs ``steps_per_epoch``.

    With two or more workers, `fit`, `evaluate` and `predict` load batches on threads while the model
    computes. They come in their order, whichever is ready first. Python runs one thread at a time, but NumPy,
    files and sockets let others run while they work. ``__getitem__`` must then be fit to be called by several
    threads at once, and a batch depend on its index alone: what it draws, it draws from a generator made of
    the index, such as ``np.random.default_rng([seed, index])``. Then runs repeat bit by bit.

    Parameters
    ----------
    workers : int
        Threads that load batches. With 0 or 1, as in Keras, `fit` loads each when it is needed, by itself.
    use_multiprocessing : bool
        Only False: processes would have to copy every batch. Raises ValueError otherwise.
    max_queue_size : int
        How many batches at most wait to be used, those being loaded among them.

    Raises
    ------
    ValueError
        If an argument is none of these. In `fit`, a RuntimeError with the number of a batch that could not
        be loaded, raised from what its ``__getitem__`` raised.

    Examples
    --------
    >>> class Squares(PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...
    ...     def __getitem__(self, index):
    ...         x = np.random.default_rng([0, index]).normal(size=(32, 1))
    ...         return x, x**2
    >>> model.fit(Squares(workers=2), epochs=5)  # doctest: +SKIP
    """

    workers = 1
    use_multiprocessing = False
    max_queue_size = 10

    def __init__(self, workers=1, use_multiprocessing=False, max_queue_size=10):
        where = type(self).__name__
        self.workers = positive_int(workers, "workers", where, at_least=0)
        if use_multiprocessing:
            raise ValueError(
                f"{where}: use_multiprocessing must be False; got {use_multiprocessing!r}. Threads load "
                "batches here: pass workers=2 or more, and let __getitem__ be called by several at once."
            )
        self.max_queue_size = positive_int(max_queue_size, "max_queue_size", where)

    def __getitem__(self, index):
        """Return batch number `index`."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index).")

    @property
    def num_batches(self) -> int | None:
        """The number of batches; None if there is no end to them."""
        if hasattr(self, "__len__"):
            return len(self)  # pyright: ignore[reportArgumentType]
        raise NotImplementedError(
            f"{type(self).__name__} must define __len__(self), or the property num_batches, None for no end."
        )

    def __iter__(self):
        number = self.num_batches
        for index in count() if number is None else range(number):
            yield self[index]

    def on_epoch_begin(self):
        """Called at the beginning of every epoch, in the thread of `fit`."""

    def on_epoch_end(self):
        """Called at the end of every epoch, in the thread of `fit`, while no batch is being loaded.

        With ``steps_per_epoch``, when an epoch ends in the middle of the data, some of the next may be.
        """


# Its older name.
Sequence = PyDataset
