"""The network that makes a prefix (Li & Liang 2021, section 4.3), in checkpoints.

peft writes what the network makes of the prefix, which is all that decoding needs and nothing to go on from.
"""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

NETWORK_FILE = "prefix_network.safetensors"


def find_network(model: Any) -> Any:
    """The embedding and network that make the prefix of a model that is being tuned; None if nothing does."""
    encoders = getattr(model, "prompt_encoder", None) or {}
    return next((one for one in encoders.values() if getattr(one, "prefix_projection", False)), None)


def save_network(model: Any, checkpoint: Path) -> None:
    """Writes the network beside what peft writes; nothing if there is none."""
    if (network := find_network(model)) is not None:
        save_file(network.state_dict(), checkpoint / NETWORK_FILE)


def load_network(model: Any, checkpoint: Path) -> bool:
    """Reads the network back; whether there is one."""
    if (network := find_network(model)) is None:
        return False
    network.load_state_dict(load_file(checkpoint / NETWORK_FILE))
    return True
