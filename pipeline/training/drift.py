"""What a model writes while it learns from its own candidates, and whether it is going astray.

Others saw such a training end in cross-entropy that rises while summaries get worse, and in summaries of one full stop
that all score the same (issues 36 and 9 of BRIO's repository).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.models.generation import write_greedily
from pipeline.scoring.rouge.pairs import compute_weighted_rouge

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.models.prompts import PromptBuilder

# by what share of the start's the cross-entropy of references may rise and the mean length may change, and by how much
# the share of finished summaries may fall: of 64, one may be cut off more than before
LOSS, LENGTH, FINISHED = 0.05, 0.10, 0.02
Written = dict[str, float]


def build_writing(
    builder: "PromptBuilder", examples: "pd.DataFrame", tokenizer: str, weights: Mapping[str, float], batch_size: int
) -> Callable[[Any], Written]:
    """Gives, of a model's greedy summaries of the examples, mean `rouge` and `length` and the share `finished`."""
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(examples["text"]))]
    references: Sequence[Sequence[str]] = list(examples["summaries"])
    most = builder.params.max_summary_tokens

    def compute(model: Any) -> Written:
        written = write_greedily(model, builder.tokenizer, prompts, most, batch_size)
        texts, lengths, finished = zip(*written, strict=True)
        rouge = compute_weighted_rouge(texts, references, tokenizer, weights)
        means = {"rouge": rouge.mean(), "length": sum(lengths) / len(texts), "finished": sum(finished) / len(texts)}
        return {name: float(value) for name, value in means.items()}

    return compute


def find_drift(start: Mapping[str, float], now: Mapping[str, float]) -> str | None:
    """Why training should end here, in a few words; None if all is well.

    Args:
        start: `loss` (nats a token), `length` and `finished` before the first update.
        now: the same at a later one.
    """
    if not now["loss"] <= (1 + LOSS) * start["loss"]:
        return f"cross-entropy of the references rose from {start['loss']:.3f} to {now['loss']:.3f}"
    if abs(now["length"] - start["length"]) > LENGTH * start["length"]:
        return f"summaries went from {start['length']:.1f} to {now['length']:.1f} tokens"
    if now["finished"] < start["finished"] - FINISHED:
        return f"{now['finished']:.0%} of the summaries are finished, {start['finished']:.0%} were before"
    return None
