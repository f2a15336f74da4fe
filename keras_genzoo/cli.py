"""The command line: `genzoo train | sample | translate | interpolate | evaluate | ...`, as `genzoo --help` lists.

TensorFlow is imported by the commands that need it, when they run, so that `genzoo --help` answers at once.
"""

import click

import keras_genzoo
from keras_genzoo.commands import draw, evaluate, export, pack, tell, train


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(keras_genzoo.__version__, package_name="keras-genzoo")
def main():
    """Deep generative models for Keras: train, sample, translate, evaluate, compress and export.

    \b
    Start here:
      genzoo list
      genzoo train cvae_digits

    \b
    To have Tab complete names of recipes and presets:
      eval "$(_GENZOO_COMPLETE=bash_source genzoo)"     in ~/.bashrc
      eval "$(_GENZOO_COMPLETE=zsh_source genzoo)"      in ~/.zshrc
      _GENZOO_COMPLETE=fish_source genzoo | source      in ~/.config/fish/config.fish
    """


for command in (
    *(train.train, draw.sample, draw.translate, draw.interpolate, evaluate.evaluate),
    *(tell.compare, export.export, pack.compress, pack.decompress, tell.list_, tell.show),
):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="genzoo")
