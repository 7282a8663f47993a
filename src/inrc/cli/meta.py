"""`inrc meta`: learns shared inits, exports them, and compares them."""

import dataclasses
from typing import Annotated

from tyro.conf import subcommand

from inrc.cli.meta_compare import Compare, compare_command
from inrc.cli.meta_export import Export, export_command
from inrc.cli.meta_train import Train, train_command


@dataclasses.dataclass(frozen=True)
class Meta:
    """Learn shared inits, from which the fits of many pictures start; export and compare them."""

    command: (
        Annotated[Train, subcommand("train", prefix_name=False)]
        | Annotated[Export, subcommand("export", prefix_name=False)]
        | Annotated[Compare, subcommand("compare", prefix_name=False)]
    )


def meta_command(arguments: Meta) -> None:
    """Runs a subcommand.

    Raises:
      InrcError: An error of the subcommand.
    """
    match arguments.command:
        case Train():
            train_command(arguments.command)
        case Export():
            export_command(arguments.command)
        case Compare():
            compare_command(arguments.command)
