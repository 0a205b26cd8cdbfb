"""ROUGE-1/2/3/L/Lsum of Korean text (Lin 2004, W04-1013), equal to korouge-score's and several times faster.

A text is tokenized and counted once, into a `Profile` of integer tokens; comparing two profiles is then a set
intersection for n-grams and a bit-parallel longest common subsequence for ROUGE-L. korouge-score is the oracle of the
tests.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rapidfuzz.distance import LCSseq

from pipeline.progress import track
from pipeline.scoring.rouge_variants import compute_skip_bigrams, compute_weighted_lcs
from pipeline.scoring.tokenizers import build_tokenizer, normalise_summary

if TYPE_CHECKING:
    import pandas as pd

# what a board reports
METRICS = ("rouge1", "rouge2", "rougeL")
# an n-gram is one integer: the tokens are its digits in this base, far above any vocabulary
_BASE = 1 << 24
_OCCURRENCE = _BASE**3


class Score(NamedTuple):
    """Precision, recall and F1 of a prediction against a reference, each from 0 to 1."""

    precision: float
    recall: float
    fmeasure: float


_NOTHING = Score(0.0, 0.0, 0.0)


class Profile:
    """A text as ROUGE sees it: integer tokens, its lines for ROUGE-Lsum, and n-grams, collected when asked for."""

    __slots__ = ("_ngrams", "lines", "tokens")

    def __init__(self, tokens: list[int], lines: list[list[int]]):
        self.tokens = tokens
        self.lines = lines
        self._ngrams: dict[int, frozenset[int]] = {}

    def get_ngrams(self, n: int) -> frozenset[int]:
        """The multiset of n-grams as a set: the k-th occurrence of one is an element of its own.

        So the clipped matches of two texts are the size of an intersection.
        """
        if n not in self._ngrams:
            ngrams = self.tokens
            for shift in range(1, n):
                ngrams = [gram * _BASE + token for gram, token in zip(ngrams, self.tokens[shift:], strict=False)]
            found = frozenset(ngrams)
            self._ngrams[n] = found if len(found) == len(ngrams) else _number_occurrences(ngrams)
        return self._ngrams[n]


def _number_occurrences(ngrams: list[int]) -> frozenset[int]:
    seen: dict[int, int] = {}
    elements = []
    for gram in ngrams:
        seen[gram] = occurrence = seen.get(gram, -1) + 1
        elements.append(gram + occurrence * _OCCURRENCE)
    return frozenset(elements)


class _Vocabulary(dict[str, int]):
    """Tokens by number; a new one gets the next."""

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self)
        return number


class Rouge:
    """Compares texts; each distinct text is tokenized once in the object's life.

    Args:
        tokenizer: a name of `pipeline.scoring.tokenizers.PACKAGES`, or a function from a text to its tokens.
    """

    def __init__(self, tokenizer: str | Callable[[str], list[str]]):
        self._tokenize = build_tokenizer(tokenizer) if isinstance(tokenizer, str) else tokenizer
        self._vocabulary = _Vocabulary()
        self._profiles: dict[str, Profile] = {}

    def build_profile(self, text: str) -> Profile:
        """The profile of a text, normalised; an empty one has no tokens and scores 0 against anything."""
        if text not in self._profiles:
            whole = self._index(normalise_summary(text))
            lines = text.strip().splitlines()
            # a text of one line, the usual case, is tokenized once
            parts = [self._index(normalise_summary(line)) for line in lines] if len(lines) > 1 else [whole]
            self._profiles[text] = Profile(whole, [part for part in parts if part])
        return self._profiles[text]

    def _index(self, text: str) -> list[int]:
        known = self._vocabulary
        return [known[token] for token in self._tokenize(text)] if text else []


def compute_rouge(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenizer: "str | Rouge",
    metrics: Sequence[str] = METRICS,
) -> "pd.DataFrame":
    """ROUGE F1 of each prediction against the best of its references, metric by metric.

    Args:
        predictions: one text an example; an empty one scores 0, also against an empty reference.
        references: at least one text an example.
        tokenizer: its name, or a `Rouge` that has seen the texts before.
        metrics: of `ALL_METRICS`.

    Returns:
        A row a prediction, a column a metric, from 0 to 1.

    Raises:
        ValueError: if the lengths differ or an example has no reference.
    """
    return compute_rouge_details(predictions, references, tokenizer, metrics)[list(metrics)]


def compute_rouge_details(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenizer: "str | Rouge",
    metrics: Sequence[str] = METRICS,
) -> "pd.DataFrame":
    """As `compute_rouge`, with `<metric>_precision` and `<metric>_recall` of the best reference beside each F1."""
    import pandas as pd

    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions, {len(references)} references")
    if any(len(many) == 0 for many in references):
        raise ValueError("an example has no reference")
    rouge = Rouge(tokenizer) if isinstance(tokenizer, str) else tokenizer
    rows = []
    for prediction, many in track(zip(predictions, references, strict=True), "ROUGE", len(references)):
        profile, others = rouge.build_profile(prediction), [rouge.build_profile(text) for text in many]
        best = [select_best([compare(profile, other, metric) for other in others]) for metric in metrics]
        rows.append([value for score in best for value in (score.fmeasure, score.precision, score.recall)])
    columns = [column for metric in metrics for column in (metric, f"{metric}_precision", f"{metric}_recall")]
    return pd.DataFrame(rows, columns=columns, dtype=float)


def select_best(scores: Sequence[Score]) -> Score:
    """The score of the reference that matches best; of equals the first, as korouge-score has it."""
    return max(scores, key=lambda score: score.fmeasure)


def compare(prediction: Profile, reference: Profile, metric: str) -> Score:
    """One metric of `ALL_METRICS` of a prediction against one reference."""
    if not prediction.tokens or not reference.tokens:
        return _NOTHING
    return _COMPARISONS[metric](prediction, reference)


def _compare_ngrams(n: int, prediction: Profile, reference: Profile) -> Score:
    ours, theirs = prediction.get_ngrams(n), reference.get_ngrams(n)
    return _build_score(len(ours & theirs), len(ours), len(theirs))


def _compare_sequences(prediction: Profile, reference: Profile) -> Score:
    matches = LCSseq.similarity(prediction.tokens, reference.tokens)
    return _build_score(matches, len(prediction.tokens), len(reference.tokens))


def _build_score(matches: int, predicted: int, wanted: int) -> Score:
    if not matches:
        return _NOTHING
    precision, recall = matches / predicted, matches / wanted
    # the order of korouge-score's arithmetic, to the last bit
    return Score(precision, recall, 2 * precision * recall / (precision + recall))


def _compare_lines(prediction: Profile, reference: Profile) -> Score:
    """Summary-level ROUGE-L: the union of each reference line's common subsequences with all predicted lines.

    As ROUGE-1.5.5, and unlike the paper, a token counts no more often than it stands in both texts.
    """
    left, wanted = (Counter(token for line in text.lines for token in line) for text in (prediction, reference))
    matches = 0
    for line in reference.lines:
        union = set().union(*(find_common_subsequence(line, other) for other in prediction.lines))
        for place in sorted(union):
            token = line[place]
            if left[token] > 0 and wanted[token] > 0:
                matches += 1
                left[token] -= 1
                wanted[token] -= 1
    return _build_score(matches, sum(map(len, prediction.lines)), sum(map(len, reference.lines)))


def find_common_subsequence(reference: Sequence[int], prediction: Sequence[int]) -> list[int]:
    """Places in the reference of one longest common subsequence, the one that korouge-score's table leads to.

    Rows of the table are bits of an integer (Hyyrö 2004, "Bit-parallel LCS-length computation revisited"): a bit is 0
    where the length grows, so a cell is a count of zeros.
    """
    width = len(prediction)
    full = (1 << width) - 1
    where: dict[int, int] = {}
    for place, token in enumerate(prediction):
        where[token] = where.get(token, 0) | 1 << place
    rows = [full]
    for token in reference:
        row, matches = rows[-1], rows[-1] & where.get(token, 0)
        rows.append(((row + matches) | (row - matches)) & full)
    places, i, j = [], len(reference), width
    while i and j:
        if reference[i - 1] == prediction[j - 1]:
            i, j = i - 1, j - 1
            places.append(i)
        elif _count_zeros(rows[i], j - 1) > _count_zeros(rows[i - 1], j):
            j -= 1
        else:
            i -= 1
    return places


def _count_zeros(row: int, width: int) -> int:
    return width - (row & ((1 << width) - 1)).bit_count()


_COMPARISONS: dict[str, Callable[[Profile, Profile], Score]] = {
    "rouge1": partial(_compare_ngrams, 1),
    "rouge2": partial(_compare_ngrams, 2),
    "rouge3": partial(_compare_ngrams, 3),
    "rougeL": _compare_sequences,
    "rougeLsum": _compare_lines,
    "rougeW": lambda prediction, reference: Score(*compute_weighted_lcs(prediction.tokens, reference.tokens)),
    "rougeS": lambda prediction, reference: Score(*compute_skip_bigrams(prediction.tokens, reference.tokens, None)),
    "rougeS4": lambda prediction, reference: Score(*compute_skip_bigrams(prediction.tokens, reference.tokens, 4)),
}
# all that can be computed; the last three are Lin's, which korouge-score does not have
ALL_METRICS = tuple(_COMPARISONS)
