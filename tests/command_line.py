"""The command `genzoo`, in this process and in one of its own."""

import sys
import sysconfig
from pathlib import Path

from click.testing import CliRunner

from keras_genzoo.cli import main


def genzoo(*arguments, fails_with=None):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if fails_with is None:
        assert result.exit_code == 0, result.output + str(result.exception)
    else:
        assert result.exit_code != 0 and result.output.startswith(("Error: ", "Usage: ")), result.output
        assert fails_with in result.output
    return result.output


ROOT = Path(__file__).parent.parent


SCRIPT = Path(sysconfig.get_path("scripts")) / "genzoo"  # as pip has installed it


COMMANDS = {"genzoo": [str(SCRIPT)], "module": [sys.executable, "-m", "keras_genzoo.cli"]}
