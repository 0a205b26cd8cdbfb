"""What a model's config says before its weights are loaded."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.progress import announce

if TYPE_CHECKING:
    from transformers import PretrainedConfig

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# relative-position encoders have no limit of their own; past this a CPU or a small GPU cannot follow anyway
UNBOUNDED_CONTEXT = 1024
# RoBERTa and what was made of it: their positions begin behind the padding's token id
_COUNTED_FROM_PADDING = {
    *("camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta", "roberta-prelayernorm"),
    *("xlm-roberta", "xlm-roberta-xl", "xmod"),
}


def load_config(name: str, revision: str | None, trust_remote_code: bool) -> "PretrainedConfig":
    """The config of a folder or hub id, or InputError in the participant's words."""
    from transformers import AutoConfig

    _check_folder(name)
    if trust_remote_code:
        say_remote_code(name)
    try:
        return AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"model.name: {name}: cannot be loaded: {reason}") from error


@cache
def say_remote_code(name: str) -> None:
    """Says once that code of others runs here."""
    announce(f"trust_remote_code is on: Python code that comes with {name} runs on this machine, as you")


def _check_folder(name: str) -> None:
    """Refuses a folder that is not there or holds no model; a hub id passes."""
    folder = Path(name)
    # a path that is not there would be taken for a hub id, and the message would speak of the hub
    if name.startswith((".", "/", "~")) and not folder.is_dir():
        raise InputError(f"model.name: {name}: no such folder")
    if not folder.is_dir():
        return
    if not (folder / "config.json").is_file():
        raise InputError(f"model.name: {name}: the folder has no config.json")
    if not any((folder / f"{file}{index}").is_file() for file in WEIGHTS for index in ("", ".index.json")):
        raise InputError(f"model.name: {name}: the folder has no weights ({' or '.join(WEIGHTS)})")


def select_architecture(config: "PretrainedConfig", architecture: str) -> bool:
    """Whether the model is an encoder-decoder; refuses a `model.architecture` that its config contradicts."""
    is_encoder_decoder = bool(config.is_encoder_decoder)
    actual = "encoder-decoder" if is_encoder_decoder else "causal"
    if architecture not in ("auto", actual):
        raise InputError(f"model.architecture: {architecture}, but the config of {config.model_type} says {actual}")
    return is_encoder_decoder


def get_context_length(config: "PretrainedConfig") -> int:
    """Tokens that the model can attend to; of an encoder-decoder, those of its encoder."""
    return _get_positions(getattr(config, "encoder", None) or config.get_text_config()) or UNBOUNDED_CONTEXT


def get_target_length(config: "PretrainedConfig") -> int | None:
    """Tokens that an encoder-decoder's decoder can attend to; None for a causal model or no limit."""
    if not config.is_encoder_decoder:
        return None
    return _get_positions(getattr(config, "decoder", None) or config)


def _get_positions(text_config: "PretrainedConfig") -> int | None:
    unused = (text_config.pad_token_id or 0) + 1 if text_config.model_type in _COUNTED_FROM_PADDING else 0
    for name in ("max_position_embeddings", "n_positions", "max_source_positions"):
        if isinstance(length := getattr(text_config, name, None), int):
            return length - unused
    return None
