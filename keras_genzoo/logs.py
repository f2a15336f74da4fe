"""Logs of a run for programs that show them: TensorBoard, and Weights & Biases."""

import keras


def callbacks(settings, output):
    """list of the callbacks that log a run's metrics, epoch by epoch; they follow whatever adds to these."""
    made = []
    if "tensorboard" in settings["log"]:
        made.append(keras.callbacks.TensorBoard(output / "logs", write_graph=False))
    if "wandb" in settings["log"]:
        made.append(WandB(settings, output))
    return made


def picture_folder(settings, output):
    """Where TensorBoard shall find the pictures of each epoch; None where it is not asked for."""
    return output / "logs" / "pictures" if "tensorboard" in settings["log"] else None


class WandB(keras.callbacks.Callback):
    """Logs metrics and pictures of each epoch to Weights & Biases; WANDB_MODE=offline keeps all in the run's folder.

    Args:
        settings: dict, of the run.
        output: folder of the run.
    """

    def __init__(self, settings, output):
        super().__init__()
        self.settings = settings
        self.output = output

    def on_train_begin(self, logs=None):
        import wandb

        (self.output / "logs").mkdir(parents=True, exist_ok=True)
        name = self.output.resolve().name
        self.run = wandb.init(project="keras_genzoo", name=name, dir=self.output / "logs", config=self.settings)

    def on_epoch_end(self, epoch, logs=None):
        import wandb

        row = dict(logs or {})
        if drawn := sorted((self.output / "pictures").glob(f"*_{epoch + 1:04d}.png")):
            row["pictures"] = [wandb.Image(str(path)) for path in drawn]
        self.run.log(row, step=epoch + 1)

    def on_train_end(self, logs=None):
        self.run.finish()
