"""What a base will read on in, before it does."""

import math
from typing import TYPE_CHECKING

from pipeline.models.config import load_config
from pipeline.training.adaptation import build_features, hold_out, refuse_without_text

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.reading import Params

# texts by which the tokens of all are estimated
SAMPLED = 200


def describe_adaptation(params: "Params", texts: "pd.DataFrame", builder: "PromptBuilder") -> list[str]:
    """A line on the texts, tokens and updates of `pretrain.adapt`, if a base is adapted.

    Args:
        texts: `document`, `text`.
        builder: the prompts of the model, for its tokenizer.

    Raises:
        InputError: as `pipeline.training.adaptation.adapt` would.
    """
    own = params.pretrain.adapt
    if own.method == "none":
        return []
    config = load_config(params.model.name, params.model.revision, params.model.trust_remote_code)
    parts = hold_out(texts, own.held_out, params.seed)
    learnt = parts["train"]
    sample = learnt[:: max(1, len(learnt) // SAMPLED)]
    features = build_features(sample, config, builder.tokenizer, own, params.seed)
    refuse_without_text({"train": features, "valid": parts["valid"]})
    scale = len(learnt) / len(sample)
    tokens, blocks = (math.ceil(scale * n) for n in (sum(len(f["input_ids"]) for f in features), len(features)))
    batch = own.per_device_train_batch_size * own.gradient_accumulation_steps
    method = f"LoRA r={own.r}, merged" if own.method == "lora" else "all weights"
    return [
        f"pretrain: reads {len(learnt)} texts of {', '.join(params.pretrain.text)}, about {tokens} tokens: "
        f"{method}, {own.num_train_epochs} epochs, some {math.ceil(blocks / batch) * own.num_train_epochs} updates; "
        f"{len(parts['valid'])} texts measure its perplexity"
    ]
