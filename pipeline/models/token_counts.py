"""How many tokens documents and summaries have, and what of them is lost."""

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.models.prompts import PromptBuilder

# documents whose tokens are counted together
_COUNTED = 2**12


def count_tokens(frame: "pd.DataFrame", builder: "PromptBuilder", role: str) -> "dict[str, array[int]]":
    """Tokens of each document, of what is kept of it, and of each summary.

    Some documents after others: the tokens themselves take more memory than all of the text.

    Args:
        frame: `id`, `text`, and `summaries` where there are some.

    Raises:
        InputError: naming the first id whose summary leaves no room for its document, as training would.
    """
    counts: dict[str, array[int]] = {name: array("q") for name in ("document", "kept", "summary")}
    starts = range(0, len(frame), _COUNTED)
    for start in track(starts, f"{role}: counting tokens", len(starts)):
        part = frame.iloc[start : start + _COUNTED]
        prompts = builder.build_prompts(list(part["text"]))
        counts["document"].extend(prompt.document_tokens for prompt in prompts)
        counts["kept"].extend(prompt.kept_tokens for prompt in prompts)
        if "summaries" in part:
            rows = [
                (summary, name) for name, many in zip(part["id"], part["summaries"], strict=True) for summary in many
            ]
            counts["summary"].extend(builder.count_label_tokens(*zip(*rows, strict=True)))
    return counts


def describe_truncation(document_tokens: Sequence[int], kept_tokens: Sequence[int]) -> dict[str, int | float]:
    """How long documents are and what of them is lost, counts in documents and tokens.

    Args:
        document_tokens: of at least one document.
        kept_tokens: those of each that stand in its prompt.
    """
    lengths = sorted(document_tokens)
    lost = [whole - kept for whole, kept in zip(document_tokens, kept_tokens, strict=True)]
    return {
        "documents": len(lengths),
        "tokens_median": lengths[len(lengths) // 2],
        "tokens_max": lengths[-1],
        "documents_cut": sum(tokens > 0 for tokens in lost),
        "tokens_cut_share": round(sum(lost) / max(sum(lengths), 1), 4),
    }
