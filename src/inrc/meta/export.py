"""A finished run as the two files that are published: the shared init under its own hash, and its card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inrc import shared_init
from inrc.files import write_atomically
from inrc.meta.run import Run


def export(run: Run, folder: Path, *, gains: Mapping[str, Any] | None = None) -> tuple[Path, Path]:
    """Writes `<id>.npz` and `<id>.json`, the id being the first 16 hexadecimal digits of the init's hash.

    Args:
      run: a finished one.
      folder: made where there is none.
      gains: measurements of the init, as JSON values, for its card.

    Returns:
      Paths of the init and of its card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    init_path, card_path = (folder / f"{run.init.id.hex()}.{suffix}" for suffix in ("npz", "json"))
    shared_init.save(run.init, init_path)
    card = {
        "id": run.init.id.hex(),
        "sha256": run.init.sha256,
        "n_bytes": init_path.stat().st_size,
        **run.card,
        "gains": None if gains is None else dict(gains),
    }
    write_atomically(card_path, json.dumps(card, indent=1).encode() + b"\n")
    return init_path, card_path
