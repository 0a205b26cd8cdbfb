"""ROUGE-1/2/3/L/Lsum of Korean text (Lin 2004, W04-1013), equal to korouge-score's and several times faster.

A text is tokenized and counted once, into a `Profile` of integer tokens; comparing two profiles is then a set
intersection for n-grams and a bit-parallel longest common subsequence for ROUGE-L. Many pairs are compared together by
`pipeline.scoring.rouge.pairs`. korouge-score is the oracle of the tests.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

from pipeline.progress import track
from pipeline.scoring.rouge.tokenizers import build_tokenizer, normalise_summary, tokenize_many
from pipeline.scoring.rouge.variants import compute_skip_bigrams, compute_weighted_lcs

# what a board reports
METRICS = ("rouge1", "rouge2", "rougeL")
# an n-gram is one integer: the tokens are its digits in this base, far above any vocabulary
_BASE = 1 << 24
# texts that may take seconds to tokenize
_MANY = 1000
# characters that cores share out
_TOGETHER = 1 << 20
# profiles that are kept though nobody holds them, for their texts may well come again
_KEPT = 1 << 14


class Score(NamedTuple):
    """Precision, recall and F1 of a prediction against a reference, each from 0 to 1."""

    precision: float
    recall: float
    fmeasure: float


_NOTHING = Score(0.0, 0.0, 0.0)


class Profile:
    """A text as ROUGE sees it: integer tokens, its lines for ROUGE-Lsum, and n-grams, collected when asked for.

    There are many, so it holds few objects: what Python's garbage collector looks through costs as much as the scores.

    Args:
        lines: token ids line by line; None for a text of one line.
    """

    __slots__ = ("_lines", "_ngrams", "_repeated", "tokens")

    def __init__(self, tokens: list[int], lines: list[list[int]] | None = None):
        self.tokens = tokens
        self._lines = lines
        self._ngrams: dict[int, set[int]] | None = None
        self._repeated: dict[int, dict[int, int]] | None = None

    @property
    def lines(self) -> list[list[int]]:
        """Token ids of each line that has some."""
        return ([self.tokens] if self.tokens else []) if self._lines is None else self._lines

    def get_ngrams(self, n: int) -> set[int]:
        """The distinct n-grams."""
        known = self._ngrams = self._ngrams or {}
        found = known.get(n)
        if found is None:
            tokens = grams = self.tokens
            for shift in range(1, n):
                grams = [gram * _BASE + token for gram, token in zip(grams, tokens[shift:], strict=False)]
            found = known[n] = set(grams)
            if len(found) < len(grams):
                self._repeated = self._repeated or {}
                self._repeated[n] = _count_repeated(grams)
        return found

    def forget(self) -> None:
        """Lets go of the n-grams, which take ten times the memory of the tokens that they can be made of again."""
        self._ngrams = self._repeated = None

    def get_repeated(self, n: int) -> dict[int, int] | None:
        """How often each n-gram stands that stands more than once; None if none does. After `get_ngrams`."""
        return self._repeated.get(n) if self._repeated else None


def _count_repeated(grams: list[int]) -> dict[int, int]:
    seen: set[int] = set()
    repeated: dict[int, int] = {}
    for gram in grams:
        if gram in seen:
            repeated[gram] = repeated.get(gram, 1) + 1
        else:
            seen.add(gram)
    return repeated


class _Vocabulary(dict[str, int]):
    """Tokens by number; a new one gets the next."""

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self)
        return number


class Rouge:
    """Compares texts; each distinct text is tokenized once, or once a block of `holding` where there are very many.

    Args:
        tokenizer: a name of `pipeline.scoring.rouge.tokenizers.PACKAGES`, or a function from a text to its tokens.
    """

    def __init__(self, tokenizer: str | Callable[[str], list[str]]):
        self._tokenize = build_tokenizer(tokenizer) if isinstance(tokenizer, str) else tokenizer
        self._vocabulary = _Vocabulary()
        self._profiles: dict[str, Profile] = {}

    def build_profile(self, text: str) -> Profile:
        """The profile of a text, normalised; an empty one has no tokens and scores 0 against anything."""
        if text not in self._profiles:
            self.add([text])
        return self._profiles[text]

    def add(self, texts: Iterable[str]) -> None:
        """Builds the profiles of many texts together, which cores may share."""
        new = [text for text in dict.fromkeys(texts) if text not in self._profiles]
        # a text of one line, the usual case, is tokenized once
        several = {text: lines for text in new if len(lines := text.split("\n")) > 1}
        found = self._index(list(map(normalise_summary, chain(new, *several.values()))))
        wholes = list(islice(found, len(new)))
        by_line = {text: [tokens for tokens in islice(found, len(lines)) if tokens] for text, lines in several.items()}
        for text, whole in zip(new, wholes, strict=True):
            self._profiles[text] = Profile(whole, by_line.get(text))

    @contextmanager
    def holding(self, texts: Iterable[str]) -> Iterator[None]:
        """Inside the block the texts have profiles; behind it, where there are very many, those that had none before
        have none again."""
        new = [text for text in dict.fromkeys(texts) if text not in self._profiles]
        self.add(new)
        try:
            yield
        finally:
            if len(self._profiles) > _KEPT:
                for text in new:
                    del self._profiles[text]

    def _index(self, texts: Sequence[str]) -> Iterator[list[int]]:
        # a part after the other, for tokens that are texts take ten times the memory of the texts that they are cut of
        found = chain.from_iterable(tokenize_many(self._tokenize, part) for part in _split(texts))
        number = self._vocabulary.__getitem__
        if len(texts) >= _MANY:
            found = track(found, "ROUGE: tokenizing", len(texts))
        for text, tokens in zip(texts, found, strict=True):
            # korouge-score's own tokenizer makes a token of nothing
            yield list(map(number, tokens)) if text else []


def _split(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Parts of at least so many characters, but for the last."""
    start = characters = 0
    for end, text in enumerate(texts, 1):
        characters += len(text)
        if characters >= _TOGETHER or end == len(texts):
            yield texts[start:end]
            start, characters = end, 0


def compare(prediction: Profile, reference: Profile, metric: str) -> Score:
    """One metric of `ALL_METRICS` of a prediction against one reference."""
    if not prediction.tokens or not reference.tokens:
        return _NOTHING
    return _COMPARISONS[metric](prediction, reference)


def _compare_ngrams(n: int, prediction: Profile, reference: Profile) -> Score:
    matches = len(prediction.get_ngrams(n) & reference.get_ngrams(n))
    ours, theirs = prediction.get_repeated(n), reference.get_repeated(n)
    # what stands more than once in both matches as often as in the one where it is rarer
    if ours and theirs:
        matches += sum(min(ours[gram], theirs[gram]) - 1 for gram in ours.keys() & theirs.keys())
    return _build_score(matches, len(prediction.tokens) - n + 1, len(reference.tokens) - n + 1)


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
