"""Base, tokenizer and adapter, loaded one way everywhere; fingerprints.

`models/base/` is either a model of our own making (`config.json` and weights) or a pointer, `base.json`, to a hub
commit or a folder: 12 GB are not copied into DVC's cache.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from pipeline.devices import select_device, select_precision
from pipeline.errors import InputError
from pipeline.progress import quieten_libraries
from pipeline.prompts import PromptBuilder
from pipeline.tables import load_json
from pipeline.tokenization import load_tokenizer

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from pipeline.params import ModelParams, PromptParams

POINTER = "base.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# relative-position encoders have no limit of their own; past this a CPU or a small GPU cannot follow anyway
UNBOUNDED_CONTEXT = 1024


@dataclass(frozen=True)
class BaseModel:
    """Where a base model lies: a folder or a hub id, the commit it is pinned to, and its fingerprint."""

    name: str
    revision: str | None
    fingerprint: str


def load_base(folder: Path) -> BaseModel:
    """What `models/base/` holds or points to.

    Raises:
        InputError: if it is neither, or a folder it points to changed since `pretrain` looked at it.
    """
    if not (folder / POINTER).is_file():
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: holds no model; run the pretrain stage first")
        return BaseModel(str(folder), None, compute_fingerprint(folder))
    base = BaseModel(**load_json(folder / POINTER))
    if Path(base.name).is_dir() and base.revision is None and compute_fingerprint(Path(base.name)) != base.fingerprint:
        raise InputError(
            f"{base.name}: changed since the pretrain stage looked at it; "
            "run `dvc repro --force preprocess pretrain`, for DVC does not watch a folder outside the project"
        )
    return base


def compute_fingerprint(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's files, folders inside left out."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def load_config(name: str, revision: str | None, trust_remote_code: bool) -> "PretrainedConfig":
    """The config of a folder or hub id, or InputError in the participant's words."""
    from transformers import AutoConfig

    _check_folder(name)
    try:
        return AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"model.name: {name}: cannot be loaded: {reason}") from error


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
    text_config = config.get_text_config()
    for name in ("max_position_embeddings", "n_positions", "max_source_positions"):
        if isinstance(length := getattr(text_config, name, None), int):
            return length
    return UNBOUNDED_CONTEXT


def load_prompt_builder(
    base: BaseModel, model: "ModelParams", prompt: "PromptParams", truncation: str
) -> PromptBuilder:
    """The prompts of a base: its tokenizer, its context and its kind, without its weights. Raises InputError."""
    config = load_config(base.name, base.revision, model.trust_remote_code)
    tokenizer = load_tokenizer(base.name, base.revision, model.trust_remote_code)
    is_encoder_decoder = select_architecture(config, model.architecture)
    return PromptBuilder(tokenizer, prompt, truncation, get_context_length(config), is_encoder_decoder)


def load_model(
    base: BaseModel, params: "ModelParams", adapter: Path | None = None, device: str | None = None
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """The base, its adapter merged into it if one is given, and the tokenizer; ready to decode or to be tuned.

    Frozen weights are held in the compute precision. Merged and unmerged adapters differ in bf16, so decoding always
    merges.

    Raises:
        InputError: if model and tokenizer do not fit together, or the model cannot be loaded.
    """
    from transformers import GenerationConfig

    quieten_libraries()
    config = load_config(base.name, base.revision, params.trust_remote_code)
    tokenizer = load_tokenizer(base.name, base.revision, params.trust_remote_code)
    device = device or select_device()
    model = _load_weights(base, config, params, select_precision(params.precision, device, config.model_type))
    check_vocabulary(base.name, model, tokenizer)
    # what a model's author liked (beams, penalties) must not leak into a configuration that does not name it
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        decoder_start_token_id=getattr(config, "decoder_start_token_id", None),
    )
    if adapter is not None:
        model = _merge_adapter(model, adapter)
    return model.to(device).eval(), tokenizer


def build_empty_model(config: "PretrainedConfig", params: "ModelParams") -> "PreTrainedModel":
    """The model of a config without weights (on torch's meta device): costs neither memory nor a download."""
    import torch

    with torch.device("meta"):
        return _get_auto_class(config, params).from_config(config, trust_remote_code=params.trust_remote_code)


def check_vocabulary(name: str, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> None:
    """Raises InputError when the tokenizer has tokens that the model does not embed."""
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise InputError(f"model.name: {name}: {len(tokenizer)} tokens, but the model embeds only {rows}")


def _get_auto_class(config: "PretrainedConfig", params: "ModelParams") -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM if select_architecture(config, params.architecture) else AutoModelForCausalLM


def _load_weights(base: BaseModel, config: "PretrainedConfig", params: "ModelParams", precision: str) -> Any:
    import torch
    from safetensors import SafetensorError

    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]
    try:
        return _get_auto_class(config, params).from_pretrained(
            base.name, revision=base.revision, dtype=dtype, trust_remote_code=params.trust_remote_code
        )
    except (OSError, ValueError, RuntimeError, UnpicklingError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"model.name: {base.name}: its weights cannot be loaded: {reason}") from error


def _merge_adapter(model: "PreTrainedModel", adapter: Path) -> "PreTrainedModel":
    from peft import PeftModel

    if not (adapter / "adapter_config.json").is_file():
        raise InputError(f"{adapter}: holds no adapter; run the train stage first")
    return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()


@contextmanager
def replace_directory(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when the block ends well, and vanishes when it does not."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        for path in temporary.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(temporary, folder)
        os.chmod(folder, 0o755)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def save_pointer(base: BaseModel, folder: Path) -> None:
    """Writes the pointer to a model that lies elsewhere."""
    content = {"name": base.name, "revision": base.revision, "fingerprint": base.fingerprint}
    (folder / POINTER).write_text(json.dumps(content, indent=2) + "\n")


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Writes weights (safetensors) and tokenizer of a base made here."""
    quieten_libraries()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def get_scratch_root() -> Path:
    """Where checkpoints go: `$YOYAK_SCRATCH`, or `.yoyak/` here. Never a DVC output: DVC deletes those before a run."""
    return Path(os.environ.get("YOYAK_SCRATCH", ".yoyak")).absolute()


def build_run_key(*parts: Any) -> str:
    """A fingerprint of everything that shapes a run, for its scratch folder's name."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
