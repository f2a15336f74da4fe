"""Several optimisers of one model, as Keras sees them, and a schedule that Keras lacks."""

import keras


@keras.saving.register_keras_serializable(package="keras_genzoo")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that stays for the first half of the steps and falls to 0 along a line over the second.

    Args:
        initial_learning_rate: float.
        num_steps: int, of the whole training.
    """

    def __init__(self, initial_learning_rate, num_steps):
        self.initial_learning_rate, self.num_steps = initial_learning_rate, num_steps

    def __call__(self, step):
        share_left = 1 - keras.ops.cast(step, "float32") / max(1, self.num_steps)
        return self.initial_learning_rate * keras.ops.clip(2 * share_left, 0.0, 1.0)

    def get_config(self):
        return {"initial_learning_rate": self.initial_learning_rate, "num_steps": self.num_steps}


class PlayersOptimizer(keras.optimizers.MultiOptimizer):
    """What `fit` and callbacks take for the optimiser of a model whose players have one each.

    Keras's callbacks ask a `MultiOptimizer` for its `optimizers`: `LearningRateScheduler` and `ReduceLROnPlateau` then
    set the rate of each from its own, `SwapEMAWeights` swaps the averages of each that has them. Updates, files and
    loss scales are the players' own; this one holds no state.

    Args:
        **players: for each player a Keras optimiser and the variables it was built on. The optimiser takes the player's
            name, under which its rate is logged.
    """

    def __init__(self, **players):
        super().__init__(optimizer_map=None)  # which variables are whose is settled
        self._players = list(players.values())
        for name, optimizer in zip(players, self.optimizers, strict=True):
            optimizer.name = name
        self.built = True

    @property
    def optimizers(self):
        """list of the players' optimisers, without what scales their losses."""
        return [
            optimizer.inner_optimizer if isinstance(optimizer, keras.optimizers.LossScaleOptimizer) else optimizer
            for optimizer, _ in self._players
        ]

    @property
    def variables(self):
        return [variable for optimizer, _ in self._players for variable in optimizer.variables]

    @property
    def iterations(self):
        """int variable, the updates of the first player: the train steps so far."""
        return self.optimizers[0].iterations

    def finalize_variable_values(self, var_list):
        for optimizer, variables in self._players:
            optimizer.finalize_variable_values(variables)

    def save_own_variables(self, store):
        """Nothing: files hold the players' optimisers, as they did before this one was there."""

    def load_own_variables(self, store):
        """Nothing; see `save_own_variables`."""
