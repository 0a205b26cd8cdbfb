"""What of a model is tuned: LoRA, a soft prompt, a prefix, everything, or nothing. peft does the work."""

from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from pipeline.params.model_sections import LoraParams, PromptTuningParams

# the attention projections that LoRA's authors adapt (Hu et al. 2021, section 4.2), under each family's names
ATTENTION_PROJECTIONS = {
    "gpt2": ["c_attn"],
    "gptj": ["q_proj", "v_proj"],
    "gpt_neox": ["query_key_value"],
    "exaone": ["q_proj", "v_proj"],
    "llama": ["q_proj", "v_proj"],
    "qwen2": ["q_proj", "v_proj"],
    "qwen3": ["q_proj", "v_proj"],
    "gemma2": ["q_proj", "v_proj"],
    "mistral": ["q_proj", "v_proj"],
    "t5": ["q", "v"],
    "mt5": ["q", "v"],
    "bart": ["q_proj", "v_proj"],
    "mbart": ["q_proj", "v_proj"],
    "encoder-decoder": ["query", "value"],
}
VIRTUAL_TOKENS = ("prompt_tuning", "prefix_tuning")


def attach_method(
    model: "PreTrainedModel",
    method: str,
    lora: "LoraParams",
    prompt_tuning: "PromptTuningParams | None",
    tokenizer: "PreTrainedTokenizerBase",
    seed: int,
) -> Any:
    """The model with its trainable part: a PeftModel, or the model itself for `full` and `none`.

    Raises:
        InputError: if `lora.target_modules` name nothing in the model.
    """
    from transformers import set_seed

    set_seed(seed)
    if method == "lora":
        return attach_lora(model, lora)
    if method in VIRTUAL_TOKENS and prompt_tuning is not None:
        return _attach_virtual_tokens(model, method, prompt_tuning, tokenizer)
    return model.requires_grad_(method == "full")


def attach_lora(model: "PreTrainedModel", params: "LoraParams") -> Any:
    """Wraps a model with LoRA (Hu et al. 2021); the update matrices are fp32 and alone trainable.

    With them, the rows of special tokens that the model was given.

    A warm-started pair of BERTs has cross-attention that nobody has trained, so that is tuned whole.

    Raises:
        InputError: if `target_modules` name nothing in the model, or what has trained rows.
    """
    from peft import LoraConfig, get_peft_model
    from transformers.pytorch_utils import Conv1D

    from pipeline.models.token_rows import get_row_targets, keep_rows_apart, refuse_targets

    targets: Any = params.target_modules
    if targets == "auto":
        # None: peft's own table, for families that ours does not hold
        targets = ATTENTION_PROJECTIONS.get(model.config.model_type)
    elif targets != "all-linear" and isinstance(targets, str):
        targets = [targets]
    is_pair = model.config.model_type == "encoder-decoder"
    options = params.model_dump(exclude={"target_modules"})
    if params.init_lora_weights == "olora" and any(isinstance(module, Conv1D) for module in model.modules()):
        raise InputError("lora.init_lora_weights: olora cannot begin at GPT-2's Conv1D layers; use another")
    if rows := get_row_targets(model):
        refuse_targets(model, targets)
    config = LoraConfig(
        task_type=_get_task_type(model),
        target_modules=targets,
        modules_to_save=["crossattention"] if is_pair else None,
        exclude_modules=r".*crossattention.*" if is_pair else None,
        trainable_token_indices=rows,
        **options,
    )
    try:
        adapted = get_peft_model(model, config)
    except ValueError as error:
        raise InputError(f"lora.target_modules: {params.target_modules}: {str(error).splitlines()[0]}") from error
    keep_rows_apart(adapted)
    hold_in_fp32(adapted)
    return adapted


def hold_in_fp32(adapted: Any) -> bool:
    """Puts what is tuned into full precision, as peft holds LoRA's own matrices: half of it would round small updates
    away. Whether there was anything to do."""
    import torch

    half = [one for one in adapted.parameters() if one.requires_grad and one.dtype in (torch.float16, torch.bfloat16)]
    for weights in half:
        weights.data = weights.data.float()
    return bool(half)


def _attach_virtual_tokens(
    model: "PreTrainedModel", method: str, params: "PromptTuningParams", tokenizer: "PreTrainedTokenizerBase"
) -> Any:
    """A soft prompt (Lester et al. 2021) or a prefix of keys and values in every layer (Li & Liang 2021)."""
    import torch
    from peft import get_peft_model

    adapted = get_peft_model(model, _build_virtual_tokens_config(model, method, params))
    if method == "prompt_tuning" and params.prompt_tuning_init_text:
        ids = tokenizer(params.prompt_tuning_init_text, add_special_tokens=False)["input_ids"]
        rows = torch.tensor([ids[i % len(ids)] for i in range(params.num_virtual_tokens)], device=model.device)
        with torch.no_grad():
            embedding = adapted.prompt_encoder["default"].embedding.weight
            embedding.copy_(model.get_input_embeddings()(rows))
    return adapted


def _build_virtual_tokens_config(model: "PreTrainedModel", method: str, params: "PromptTuningParams") -> "PeftConfig":
    from peft import PrefixTuningConfig, PromptTuningConfig

    shared = {"task_type": _get_task_type(model), "num_virtual_tokens": params.num_virtual_tokens}
    if method == "prefix_tuning":
        return PrefixTuningConfig(**shared, prefix_projection=params.prefix_projection)
    # an encoder-decoder reads the prompt in its encoder alone; random vectors far from any embedding learn slowly
    return PromptTuningConfig(**shared, prompt_tuning_init="SAMPLE_VOCAB", num_transformer_submodules=1)


def _get_task_type(model: "PreTrainedModel") -> str:
    return "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"


def get_virtual_tokens(method: str, params: "PromptTuningParams") -> int:
    """Places of the context that a method takes from every prompt."""
    return params.num_virtual_tokens if method in VIRTUAL_TOKENS else 0


def count_parameters(model: Any) -> tuple[int, int]:
    """Trainable and all parameters of a model, adapted or not."""
    # both count two weights in a byte of 4-bit ones
    if hasattr(model, "get_nb_trainable_parameters"):
        return model.get_nb_trainable_parameters()
    return model.num_parameters(only_trainable=True), model.num_parameters()
