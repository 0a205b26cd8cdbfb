"""What the selected row scores on documents that a model has not read half of already."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.scoring.rows import list_metrics

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.result_sections import ScoreParams

# a difference that is worth a line: a tenth of a point of ROUGE
_NOTICED = 0.001


def score_without_overlap(
    scored: "pd.DataFrame", name: str, overlap: Mapping[str, Any], params: "ScoreParams"
) -> dict[str, Any]:
    """What a row scores on the validation documents of which less than `overlap["bound"]` stands in train already.

    Returns:
        The bound, how many documents are left, and their means of `score` and of each metric; None if none is left.
    """
    rows = scored[(scored["name"] == name) & ~scored["id"].isin(overlap["overlapping"])]
    means = {key: round(float(rows[key].mean()), 4) if len(rows) else None for key in ("score", *list_metrics(params))}
    return {"bound": overlap["bound"], "documents": len(rows), **means}


def describe_overlap(details: Mapping[str, Any]) -> str | None:
    """One line if the selected row's score would be another without what stands in train already, else None.

    Args:
        details: of details/scores.json.
    """
    rest, selected = details["without_overlap"], details["selected"]["score"]
    overlapping = details["documents"] - rest["documents"]
    if not overlapping or (rest["score"] is not None and abs(selected - rest["score"]) < _NOTICED):
        return None
    left = "none is left" if rest["score"] is None else f"the other {rest['documents']} score {rest['score']:.4f}"
    return (
        f"overlap: {rest['bound']:.0%} or more of {overlapping} validation documents or of their summaries stands in "
        f"train already; {left}, all {details['documents']} score {selected:.4f}"
    )
