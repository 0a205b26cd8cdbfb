"""Which models the shared-prefix engine can serve: what their config says, then a small run that must agree."""

from typing import Any

import torch

from pipeline.decoding.backbone import Backbone
from pipeline.models.attentions import find_attention_obstacle, find_difference

# token ids apart, a generation config that says more than this shapes decoding in ways the engine does not know
KNOWN_GENERATION_SETTINGS = {
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "transformers_version",
    "_from_model_config",
    "use_cache",
    "output_attentions",
    "output_hidden_states",
}


def unwrap(model: Any) -> Any:
    """The transformers model inside a peft model whose adapter sits in its layers; else the model as it is."""
    config = getattr(model, "active_peft_config", None)
    if config is not None and not config.is_prompt_learning:
        return model.get_base_model()
    return model


def find_obstacle(model: Any) -> str | None:
    """Why the engine cannot serve a model, in a few words; None if it can."""
    model = unwrap(model)
    return _find_in_config(model) or _find_by_running(model)


def _find_in_config(model: Any) -> str | None:
    if getattr(model, "active_peft_config", None) is not None:
        return "its adapter is a prompt, which stands in every layer's cache"
    if obstacle := find_attention_obstacle(model):
        return obstacle
    if getattr(model, "_is_stateful", False) or not model._supports_default_dynamic_cache():
        return "it keeps a cache of its own kind"
    said = set(model.generation_config.to_diff_dict()) - KNOWN_GENERATION_SETTINGS
    if said:
        return f"its generation config sets {', '.join(sorted(said))}"
    return None


@torch.inference_mode()
def _find_by_running(model: Any) -> str | None:
    """Compares a few rows of different documents, branches and lengths with the model's own forward pass."""
    size = model.get_input_embeddings().num_embeddings
    prompts = [[(7 * i + k) % size for i in range(1, n)] for k, n in enumerate((8, 5))]
    try:
        backbone = Backbone(model, suffix_length=4)
        backbone.prefill(prompts[:1])
        roots = [backbone.get_root(prompt) for prompt in prompts]
        histories = [[roots[0]]]
        backbone.cache.arrange([-1], 0)
        ours = [backbone.step([roots[0]], [0], [0])]
        backbone.prefill(prompts[1:])
        # two branches of the first document, and the second, which is a token behind
        a, b = 11 % size, 12 % size
        backbone.cache.arrange([0, 0, -1], 1)
        histories = [*histories, [roots[0], a], [roots[0], b], [roots[1]]]
        ours.append(backbone.step([a, b, roots[1]], [0, 0, 1], [1, 1, 0]))
        theirs = [_run(model, prompts[d], h) for d, h in zip([0, 0, 0, 1], histories, strict=True)]
    except Exception as error:
        return f"its layers cannot be run apart from its cache ({type(error).__name__}: {str(error).splitlines()[0]})"
    difference = find_difference(torch.cat(ours), torch.stack(theirs), model.dtype)
    return difference and f"a trial's logits {difference}"


def _run(model: Any, prompt: list[int], history: list[int]) -> torch.Tensor:
    """The model's own logits after a row's tokens."""
    if model.config.is_encoder_decoder:
        ids = {"input_ids": [prompt], "decoder_input_ids": [history]}
    else:
        ids = {"input_ids": [prompt[:-1] + history]}
    return model(**{k: torch.tensor(v, device=model.device) for k, v in ids.items()}, use_cache=False).logits[0, -1]
