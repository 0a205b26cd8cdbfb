"""What training left.

An adapter folder holds a peft adapter, a whole model (`full`), or `method.json` alone (`none`: the base as it is). What
refine leaves is one too, or a pointer to the adapter that it left as it was.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.models.base import save_model
from pipeline.models.damage import refuse_damage
from pipeline.models.folders import compute_fingerprint, recover_directory
from pipeline.models.methods import hold_in_fp32
from pipeline.models.special_tokens import save_special_tokens
from pipeline.tables import load_record, save_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from pipeline.params.model_sections import ModelParams

METHOD_FILE, POINTER_FILE = "method.json", "adapter.json"


def load_method(folder: Path) -> dict[str, Any]:
    """What an adapter folder holds: `method` (`peft`, `full` or `none`) and `virtual_tokens` in front of a prompt.

    Raises:
        InputError: if it holds none of these.
    """
    recover_directory(folder)
    if (folder / "adapter_config.json").is_file():
        tokens = load_record(folder / "adapter_config.json").get("num_virtual_tokens") or 0
        if not isinstance(tokens, int):
            raise InputError(f"{folder}: its adapter_config.json is damaged; run the train stage again")
        return {"method": "peft", "virtual_tokens": tokens}
    if (folder / "config.json").is_file():
        return {"method": "full", "virtual_tokens": 0}
    if (folder / METHOD_FILE).is_file():
        return {"method": "none", "virtual_tokens": 0}
    raise InputError(f"{folder}: holds no adapter; run the train stage first")


def save_adapter(
    method: str, model: Any, tokenizer: "PreTrainedTokenizerBase", folder: Path, special_tokens: Sequence[str] = ()
) -> None:
    """Writes what `load_method` and `apply_adapter` read.

    Args:
        method: `train.method`.
        model: as training left it.
        special_tokens: that it was trained with.
    """
    save_special_tokens(special_tokens, folder)
    for config in getattr(model, "peft_config", {}).values():
        # peft keeps a set, whose order is another in every process: the same training would leave another adapter
        if isinstance(getattr(config, "target_modules", None), set):
            config.target_modules = sorted(config.target_modules)
    if method == "none":
        save_json({"method": method}, folder / METHOD_FILE)
    else:
        save_model(model, tokenizer, folder)


def save_adapter_pointer(adapter: Path, folder: Path) -> None:
    """Writes into `folder` that what stands in `adapter` is used as it is.

    Raises:
        InputError: if that is no adapter.
    """
    load_method(adapter)
    save_json({"adapter": str(adapter), "fingerprint": compute_fingerprint(adapter)}, folder / POINTER_FILE)


def resolve_adapter(folder: Path, root: Path = Path()) -> Path:
    """The adapter that a folder holds or points to.

    Args:
        folder: below the root.
        root: of the project, or of an experiment's files.

    Raises:
        InputError: if the folder is not there, or what it points to has changed.
    """
    folder = root / folder
    recover_directory(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: holds no adapter; run the refine stage first")
    if not (folder / POINTER_FILE).is_file():
        return folder
    pointer = load_record(folder / POINTER_FILE, "adapter", "fingerprint")
    adapter = root / str(pointer["adapter"])
    # unlike `is_dir`, which raises where a name is too long to be one
    if not os.path.isdir(adapter):
        raise InputError(f"{folder}: points to {adapter}, which is no folder; run the refine stage again")
    load_method(adapter)
    if compute_fingerprint(adapter) != pointer["fingerprint"]:
        raise InputError(f"{adapter}: changed since the refine stage looked at it; run that stage again")
    return adapter


def load_trainable_adapter(model: "PreTrainedModel", adapter: Path) -> Any:
    """The base with a peft adapter that goes on learning."""
    from peft import PeftConfig, PeftModel, load_peft_weights, set_peft_model_state_dict

    from pipeline.models.token_rows import keep_rows_apart

    with refuse_damage(adapter, "run the train stage again"):
        config = PeftConfig.from_pretrained(str(adapter))
        adapted = PeftModel.from_pretrained(model, str(adapter), is_trainable=not config.is_prompt_learning)
    if not config.is_prompt_learning:
        keep_rows_apart(adapted)
        # peft has loaded what is tuned whole into the base's precision
        if hold_in_fp32(adapted):
            set_peft_model_state_dict(adapted, load_peft_weights(str(adapter), device="cpu"))
        return adapted
    # peft loads soft prompts for decoding alone; their vectors are all that is kept of the network that made a prefix
    for encoder in adapted.prompt_encoder.values():
        encoder.requires_grad_(True)
        if hasattr(encoder, "prefix_projection"):
            encoder.prefix_projection = False
    return adapted


def apply_adapter(model: "PreTrainedModel", adapter: Path, params: "ModelParams") -> Any:
    """The base with a peft adapter.

    Merged and unmerged LoRA differ in bf16, so it is always merged; but for weights in 8 or 4 bits, which a merge would
    round again, and for what stands in front of the prompt.
    """
    from peft import PeftModel

    from pipeline.models.token_rows import merge_rows

    with refuse_damage(adapter, "run the train stage again"):
        adapted = PeftModel.from_pretrained(model, str(adapter))
    is_soft_prompt = adapted.active_peft_config.is_prompt_learning
    if not (is_soft_prompt or params.quantization):
        return adapted.merge_and_unload()
    # embeddings and head are not quantized
    merge_rows(adapted)
    return adapted
