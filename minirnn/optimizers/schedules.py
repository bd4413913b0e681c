"""Learning rates that change with the step."""

from minirnn.utils import registry


class LearningRateSchedule:
    """The base class: subclasses define ``__call__(self, step)``, which returns the rate of a step from 0 on.

    Examples
    --------
    >>> class Halving(LearningRateSchedule):
    ...     def __init__(self, start):
    ...         self.start = start
    ...
    ...     def __call__(self, step):
    ...         return self.start * 0.5 ** (int(step) // 1000)
    """

    def __call__(self, step):
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, step).")

    def get_config(self) -> dict:
        raise NotImplementedError(f"{type(self).__name__} must define get_config() to be saved.")

    @classmethod
    def from_config(cls, config):
        return cls(**config)


_table = registry.Table(
    "learning rate schedule", "keras.optimizers.schedules", (LearningRateSchedule,), base=LearningRateSchedule
)


def serialize(learning_rate_schedule):
    """Return the config of a schedule."""
    return registry.serialize_keras_object(learning_rate_schedule)


def deserialize(config, custom_objects=None):
    """Return the schedule of a config."""
    return _table.deserialize(config, custom_objects)
