"""`Saved`: the part of a model that has to do with files. What it does is in `minirnn.saving`."""

import json
import warnings

from minirnn.models.trainer import Trainer
from minirnn.utils.registry import deserialize_keras_object, serialize_keras_object


class Saved(Trainer):
    """Methods that write a model to a file and read its weights."""

    def get_compile_config(self) -> dict | None:
        """Return the arguments of `compile` as plain values; None if it was not called."""
        return None if self._compiled is None else serialize_keras_object(self._compiled.arguments)

    def compile_from_config(self, config) -> None:
        """Compile the model as `get_compile_config` has it, and make the state of its optimizer.

        A model whose class has a `compile` of its own is left as it is, with a warning.
        """
        if type(self).compile is not Trainer.compile:
            warnings.warn(
                f"{self._where} is not compiled: {type(self).__name__}.compile() may need what no file has. "
                "Call it, or define get_compile_config() and compile_from_config(config).",
                stacklevel=2,
            )
            return
        self.compile(**deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_weights)

    def save(
        self, filepath, overwrite=True, zipped=None, *, include_optimizer=True, save_format=None
    ) -> None:
        """Write the model to a .keras file; see `minirnn.saving.save_model`."""
        from minirnn.saving.storing import save_model

        options = {"include_optimizer": include_optimizer, "save_format": save_format}
        save_model(self, filepath, overwrite, zipped, **options)

    def save_weights(self, filepath, overwrite=True, max_shard_size=None) -> None:
        """Write the weights to a .weights.h5 or .weights.npz file; see `minirnn.saving.save_weights`."""
        from minirnn.saving.storing import save_weights

        save_weights(self, filepath, overwrite, max_shard_size)

    def load_weights(self, filepath, skip_mismatch=False, objects_to_skip=None) -> None:
        """Set the weights, and the optimizer's state, from a file; see `minirnn.saving.load_weights`."""
        from minirnn.saving.loading import load_weights

        load_weights(self, filepath, skip_mismatch, objects_to_skip)

    def to_json(self, **kwargs) -> str:
        """Return what the model is made of, without its weights, as JSON for `saving.model_from_json`.

        Parameters
        ----------
        **kwargs
            Of `json.dumps`.
        """
        from minirnn.saving.storing import config_of

        return json.dumps(config_of(self), **kwargs)
