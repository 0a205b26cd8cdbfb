"""korouge-score itself, beside the fast path that stands for it: it says the same, or nobody goes on."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.scoring.rouge.tokenizers import build_reference_tokenizer, normalise_summary

if TYPE_CHECKING:
    import pandas as pd
    from korouge_score.rouge_scorer import RougeScorer

TOLERANCE = 1e-9
# cells of its tables of common subsequences that are worth filling: some seconds
CELLS = 20_000_000
# what it can compute
KNOWN = ("rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum")


class _Tokens:
    """korouge-score's idea of a tokenizer; it asks for the same text several times."""

    def __init__(self, tokenize: Callable[[str], list[str]]):
        self._tokenize, self._known = tokenize, {}

    def tokenize(self, text: str) -> list[str]:
        if text not in self._known:
            self._known[text] = self._tokenize(text)
        return self._known[text]


def check_with_reference(
    predictions: Sequence[str], references: Sequence[Sequence[str]], tokenizer: str, found: "pd.DataFrame"
) -> str:
    """Scores summaries again with korouge-score; one line on what it agrees to.

    Args:
        references: at least one text an example.
        tokenizer: a name of `pipeline.scoring.rouge.tokenizers.PACKAGES`.
        found: F1 by metric, a row a prediction. Metrics that korouge-score does not have are passed over, as are, of
            many long texts, those behind the first `CELLS` of its work.

    Raises:
        InputError: if it says anything else, by more than `TOLERANCE`.
    """
    from korouge_score.rouge_scorer import RougeScorer

    metrics = [metric for metric in KNOWN if metric in found]
    tokens = _Tokens(build_reference_tokenizer(tokenizer))
    scorers = [(metric, RougeScorer([metric], tokenizer=tokens)) for metric in metrics]
    package, cells, compared = f"korouge-score {version('korouge-score')}", 0, 0
    for number, (prediction, many) in enumerate(zip(predictions, references, strict=True)):
        cells += sum(len(tokens.tokenize(normalise_summary(prediction))) * len(reference) for reference in many)
        if cells > CELLS and compared:
            break
        compared += 1
        for metric, scorer in scorers:
            wanted = max(_score(scorer, metric, prediction, reference) for reference in many)
            if abs(wanted - found[metric].iloc[number]) > TOLERANCE:
                raise InputError(
                    f"{metric} of {prediction[:40]!r}: {found[metric].iloc[number]:.12f} here, but {package} says "
                    f"{wanted:.12f}; please report it, and trust no score of this run"
                )
    return f"{package} says the same ({', '.join(metrics)} of {compared} summaries, to {TOLERANCE:.0e})"


def _score(scorer: "RougeScorer", metric: str, prediction: str, reference: str) -> float:
    """F1 of a pair. Nothing against anything is 0, though korouge-score gives 1 to nothing against nothing."""
    # a line end is a sentence's end to ROUGE-Lsum alone
    normalise = _normalise_lines if metric == "rougeLsum" else normalise_summary
    ours, theirs = normalise(prediction), normalise(reference)
    return scorer.score(theirs, ours)[metric].fmeasure if ours and theirs else 0.0


def _normalise_lines(text: str) -> str:
    return "\n".join(line for line in map(normalise_summary, text.splitlines()) if line)
