"""Base, tokenizer and adapter, loaded one way everywhere."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.models.adapter import apply_adapter, load_method, load_trainable_adapter
from pipeline.models.base import BaseModel, Pins
from pipeline.models.config import get_context_length, get_target_length, load_config, select_architecture
from pipeline.models.devices import keep_few_kernels, select_device, select_precision
from pipeline.models.pins import TEACHER, TEACHER_BASE, get_adapter_base, is_adapter
from pipeline.models.processes import is_launched
from pipeline.models.prompts import PromptBuilder
from pipeline.models.special_tokens import add_special_tokens, grow_embeddings, load_special_tokens
from pipeline.models.tokenizer import load_tokenizer
from pipeline.progress import quieten_libraries

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from pipeline.params.file_sections import PromptParams
    from pipeline.params.model_sections import ModelParams

PACKAGE = Path(__file__).parent.parent
# what may change what a model learns or writes, when it changes
CODE = ("competition/text", "decoding", "models", "scoring/rouge", "training")


def load_prompt_builder(
    base: BaseModel, model: "ModelParams", prompt: "PromptParams", truncation: str
) -> PromptBuilder:
    """The prompts of a base: its tokenizer, its contexts and its kind, without its weights. Raises InputError."""
    config = load_config(base.name, base.revision, model.trust_remote_code)
    tokenizer = load_tokenizer(base.name, base.revision, model.trust_remote_code)
    is_encoder_decoder = select_architecture(config, model.architecture)
    context_length, target_length = get_context_length(config), get_target_length(config)
    return PromptBuilder(tokenizer, prompt, truncation, context_length, is_encoder_decoder, target_length)


def load_model(
    base: BaseModel,
    params: "ModelParams",
    adapter: Path | None = None,
    device: str | None = None,
    special_tokens: Sequence[str] = (),
    is_trainable: bool = False,
    is_placed: bool = True,
) -> "tuple[Any, PreTrainedTokenizerBase]":
    """The base, its adapter applied if one is given, and the tokenizer; ready to decode or to be tuned.

    Frozen weights are held in the compute precision.

    Args:
        special_tokens: to be added to a base that is to be tuned; an adapter brings its own.
        is_trainable: whether the adapter goes on learning, and so is not merged.
        is_placed: whether it is put on the device; false where its weights are shared out among processes later.

    Raises:
        InputError: if model and tokenizer do not fit together, or the model cannot be loaded.
    """
    from transformers import GenerationConfig

    quieten_libraries()
    keep_few_kernels()
    method = load_method(adapter)["method"] if adapter else "none"
    source = BaseModel(str(adapter), None, "") if method == "full" else base
    config = load_config(source.name, source.revision, params.trust_remote_code)
    tokenizer = load_tokenizer(base.name, base.revision, params.trust_remote_code)
    device = device or select_device()
    model = _load_weights(source, config, params, select_precision(params.precision, device, config.model_type))
    check_vocabulary(base.name, model, tokenizer)
    if tokens := load_special_tokens(adapter) if adapter else special_tokens:
        own, tokenizer = tokenizer, add_special_tokens(tokenizer, tokens)
        if method != "full":
            grow_embeddings(model, own, tokenizer, tokens)
    # what a model's author liked (beams, penalties) must not leak into a configuration that does not name it
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        decoder_start_token_id=getattr(config, "decoder_start_token_id", None),
    )
    if method == "peft":
        folder = Path(str(adapter))
        model = load_trainable_adapter(model, folder) if is_trainable else apply_adapter(model, folder, params)
    # weights that are quantized or spread over devices stay where they were put
    stays = params.quantization or params.device_map or not is_placed
    return (model if stays else model.to(device)).eval(), tokenizer


def load_teacher(
    pins: Pins, params: "ModelParams", trust_remote_code: bool
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """A tuned model to learn from, as `pipeline.models.pins.pin_teacher` pinned it.

    Args:
        params: of the student; how the teacher is loaded, but for what only the student's weights ask for.
        trust_remote_code: the teacher's own.

    Raises:
        InputError: if it cannot be loaded.
    """
    teacher = pins[TEACHER]
    own = {"name": teacher.name, "quantization": None, "device_map": None, "trust_remote_code": trust_remote_code}
    params, folder = params.model_copy(update=own), Path(teacher.name)
    if not is_adapter(folder):
        return load_model(teacher, params)
    return load_model(pins.get(TEACHER_BASE) or BaseModel(get_adapter_base(folder), None, ""), params, folder)


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
    placement: dict[str, Any] = {"device_map": "auto"} if params.device_map or params.quantization else {}
    if params.quantization and is_launched():
        # auto would spread the model of every process over the GPUs of all
        placement["device_map"] = {"": torch.cuda.current_device() if select_device() == "cuda" else select_device()}
    if params.quantization:
        placement["quantization_config"] = build_quantization(params.quantization, dtype)
    try:
        return _get_auto_class(config, params).from_pretrained(
            base.name, revision=base.revision, dtype=dtype, trust_remote_code=params.trust_remote_code, **placement
        )
    except (OSError, ImportError, ValueError, RuntimeError, UnpicklingError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"model.name: {base.name}: its weights cannot be loaded: {reason}") from error


def build_quantization(bits: str, dtype: Any) -> Any:
    """bitsandbytes' LLM.int8 (Dettmers et al. 2022) or NF4 with double quantization (QLoRA, Dettmers et al. 2023).

    Raises:
        InputError: if bitsandbytes is not installed.
    """
    from importlib.util import find_spec

    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise InputError(
            f"model.quantization: {bits} needs bitsandbytes, which is not installed: pip install -e '.[quantization]'"
        )
    if bits == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def keep_differentiable(model: "PreTrainedModel") -> None:
    """Keeps bitsandbytes from packing 4-bit weights for faster decoding on a CPU.

    It does so at a layer's first evaluation, and of weights so packed it computes no gradient, without a word
    (bitsandbytes 0.50).
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def list_versions() -> dict[str, str]:
    """The versions of what makes a model's numbers, as far as it is installed, and of this project's own code."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"pipeline": compute_code_digest(PACKAGE)}
    for package in ("torch", "transformers", "peft", "bitsandbytes"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@cache
def compute_code_digest(package: Path) -> str:
    """Of the `CODE` below a folder: the names and contents of its modules."""
    digest = sha256()
    for path in sorted(path for name in CODE for path in (package / name).rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]
