"""What a killed run left."""

import json
import shutil
from pathlib import Path


def find_last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint in a folder, or None.

    The Trainer writes `trainer_state.json` last, so a checkpoint without a whole one was cut short by a kill or a full
    disk; such ones are removed, for the Trainer counts them when it makes room for the next.
    """
    from transformers.trainer_utils import sort_checkpoints

    if not folder.is_dir():
        return None
    for checkpoint in reversed(sort_checkpoints(str(folder))):
        try:
            json.loads((Path(checkpoint) / "trainer_state.json").read_bytes())
        except (OSError, ValueError):
            # another process of the same run may be removing it too
            shutil.rmtree(checkpoint, ignore_errors=True)
            continue
        return Path(checkpoint)
    return None
