"""A model spread over processes by FSDP2, for one that no single GPU holds (Zhao et al. 2023).

Each process keeps a share of every weight, gradient and moment of the optimizer; the whole weights of a layer are
together only while that layer computes. Accelerate and torch's `fully_shard` do it; here stands what they leave open.
"""

import warnings
from typing import Any

from torch import nn

from pipeline.errors import InputError
from pipeline.models.processes import count_processes


def refuse_single_process() -> None:
    """Raises InputError if there is no other process that could hold a share."""
    if count_processes() == 1:
        raise InputError(
            "train.parallel: fsdp shares the weights out among processes: set train.processes: 2 or more, or start "
            "them with accelerate launch"
        )


def build_sharding_arguments() -> dict[str, Any]:
    """Of `TrainingArguments`.

    Checkpoints hold whole tensors: those of shards are read by unpickling whatever stands in them.
    """
    return {"fsdp": True, "fsdp_config": {"version": 2, "state_dict_type": "FULL_STATE_DICT"}}


def set_up_sharding() -> None:
    """To be called by all processes between a trainer's arguments, which forget it, and the trainer."""
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType

    # logits are a view of what the head computes; nobody writes into them
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    state = PartialState()
    if state.distributed_type == DistributedType.MULTI_CPU:
        # Accelerate shards between accelerators alone, though torch shards between CPUs as well
        state.distributed_type = DistributedType.MULTI_GPU
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU


def shard_tied(model: Any) -> None:
    """Makes one group of modules that share a weight.

    Accelerate does so for embeddings and head; of an encoder-decoder, encoder and decoder have them as well.
    """
    from torch.distributed.fsdp import fully_shard

    owners: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(module)
    for modules in owners.values():
        # two, embeddings and head, are Accelerate's
        if len(modules) > 2:
            fully_shard(modules)


def gather_weights(model: Any) -> None:
    """Puts whole tensors, on the CPU, in the place of what each process holds of the trained weights, so that the model
    can be saved by the process that writes. All must call this; the others keep nothing."""
    from accelerate import PartialState
    from torch.distributed.tensor import DTensor

    keeps = PartialState().is_main_process
    # what is tied stays so
    gathered: dict[nn.Parameter, nn.Parameter] = {}
    for module in model.modules():
        for name, shard in list(module.named_parameters(recurse=False)):
            if not (isinstance(shard.data, DTensor) and shard.requires_grad):
                continue
            if shard not in gathered:
                whole = shard.data.full_tensor()
                gathered[shard] = nn.Parameter(whole.cpu()) if keeps else shard
            setattr(module, name, gathered[shard])
