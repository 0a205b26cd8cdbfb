"""Which task it is, and what the commands do otherwise where openings are continued."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.models.coverage import Choice
    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.file_sections import GenerationParams
    from pipeline.stages.preprocess import Competition


def get_generation(params: Any) -> "GenerationParams | None":
    """The section `generation`, if openings are to be continued."""
    return params.generation if params.task == "generation" else None


def describe_splits(
    params: Any, competition: "Competition", builder: "PromptBuilder", choice: "Choice", read: "Sequence[str]"
) -> dict[str, Any]:
    """details/preprocess.json; `read` are the splits whose text the base is made of."""
    from pipeline.stages.preprocess import compute_details, compute_text_details, describe_lengths

    if generation := get_generation(params):
        return compute_text_details(competition, builder, read, generation)
    details = compute_details(competition, builder, read)
    return details | describe_lengths(competition.splits, builder, choice, params.seed)
