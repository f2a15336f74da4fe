"""`genzoo export`."""

from pathlib import Path

import click

from keras_genzoo.command_line import (
    docker_command,
    find,
    in_new,
    plain_errors,
    preset_or_run_argument,
    verbose_option,
)


@click.command(short_help="Export PRESET_OR_RUN for TensorFlow Serving, ONNX or LiteRT.")
@preset_or_run_argument
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Writes OUTPUT/<name>/<version>/.")
@click.option("--version", type=click.IntRange(1), help="By default the next free number.")
@click.option(
    "--format",
    type=click.Choice(["tf_saved_model", "onnx", "litert"]),
    default="tf_saved_model",
    help="onnx and litert write the decoder or generator alone, to OUTPUT/<name>.onnx or .tflite.",
)
@click.option("--batch-size", type=click.IntRange(1), default=1, help="Rows that a LiteRT file takes at a time.")
@click.option(
    "--jit-compile/--no-jit-compile",
    default=False,
    help="Have XLA compile the samplers of autoregressive models; the server must be told to, see what is printed.",
)
@click.option("--server-config", is_flag=True, help="Also write OUTPUT/models.config and batching_parameters.txt.")
@verbose_option
def export(preset_or_run, output, version, format, batch_size, jit_compile, server_config):
    """Export PRESET_OR_RUN as a SavedModel in the folder layout of TensorFlow Serving."""
    with plain_errors():
        folder = find(preset_or_run)
        name = Path(preset_or_run).resolve().name
        is_saved_model = format == "tf_saved_model"
        if server_config and not is_saved_model:
            raise ValueError("--server-config is for SavedModels; leave out --format.")
        from keras_genzoo import serving
        from keras_genzoo.generative_model import GenerativeModel

        path = output / (name if is_saved_model else name + serving.FORMATS[format].suffix)
        where = in_new(output)
        options = {"version": version, "jit_compile": jit_compile, "batch_size": batch_size}
        path = GenerativeModel.from_preset(folder).export(path, format, **options)
        click.echo(f"Wrote {path}{where}.")
        if server_config:
            click.echo(f"Wrote {' and '.join(serving.write_server_config(output))}.")
        if is_saved_model:
            click.echo(f"Serve it: {docker_command(output, name, server_config, jit_compile)}")
            if jit_compile:
                click.echo("On a GPU: tensorflow/serving:latest-gpu --xla_gpu_compilation_enabled=true, from 2.18 on.")
