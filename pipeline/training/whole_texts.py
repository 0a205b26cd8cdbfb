"""task: generation: examples -> features of whole texts."""

import random
from typing import TYPE_CHECKING

from pipeline.models.continuations import get_block_size, join_texts
from pipeline.training.batches import Feature
from pipeline.training.texts import build_text_features

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.models.prompts import PromptBuilder
    from pipeline.training.recipe import Recipe


def build_whole_text_features(
    examples: "dict[str, pd.DataFrame]", builder: "PromptBuilder", recipe: "Recipe"
) -> dict[str, list[Feature]]:
    """Blocks of `train` texts and of `valid` openings with their rest, of which every token but a block's first counts.

    Training texts are shuffled by the seed first, so that a block holds texts of every part of a mixture.

    Args:
        recipe: of `task: generation`.

    Raises:
        InputError: if a block does not fit into the context.
    """
    assert recipe.generation is not None
    size = get_block_size(builder, recipe.generation)
    texts = {"train": list(examples["train"]["text"]), "valid": join_texts(examples["valid"])}
    random.Random(recipe.seed).shuffle(texts["train"])
    return {name: build_text_features(many, builder.tokenizer, size) for name, many in texts.items()}
