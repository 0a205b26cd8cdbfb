"""The one template, used by train and by decode.

A prompt is token ids: what the tokenizer puts in front, the template's head, the document, the template's tail. The
parts are tokenized apart, so that truncation takes tokens of the document and of nothing else, and so that a prompt is
the same to the token in training and in decoding. Encoder-decoders get the prompt as their source; their summary has a
context of its own.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.models.special_tokens import add_special_tokens
from pipeline.models.tokenizer import encode_texts
from pipeline.models.truncation import SALIENT, Idf, Truncation, keep_salient, split_to_fit, truncate

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase

    from pipeline.params.file_sections import PromptParams

SHOT_END = "\n\n"


@dataclass(frozen=True)
class Prompt:
    """Token ids of a prompt, and how many tokens the document had and has."""

    input_ids: list[int]
    document_tokens: int
    kept_tokens: int


@dataclass(frozen=True)
class PromptBuilder:
    """Builds prompts for one model.

    Args:
        tokenizer: the model's.
        params: template and caps.
        truncation: the part of a too long document that is kept (`pipeline.models.truncation.TRUNCATIONS`).
        context_length: tokens that the model can attend to; of an encoder-decoder, those of its encoder.
        is_encoder_decoder: whether the summary is written into a context of its own.
        target_length: tokens of that context; None for no limit.
        shots: solved examples, (text, summary), that stand in front of each document.
        idf: by which `salient` weighs terms; None: all alike.
        special_tokens: those that were added to the tokenizer.
        base_tokenizer: the model's own, without them; None if there are none.
    """

    tokenizer: "PreTrainedTokenizerBase"
    params: "PromptParams"
    truncation: str
    context_length: int
    is_encoder_decoder: bool
    target_length: int | None = None
    shots: tuple[tuple[str, str], ...] = ()
    idf: Idf | None = None
    special_tokens: tuple[str, ...] = ()
    base_tokenizer: "PreTrainedTokenizerBase | None" = None

    def build_prompts(self, texts: Sequence[str]) -> list[Prompt]:
        """Prompts for decoding; each leaves `max_summary_tokens` of the context free."""
        self._check_room()
        documents = zip(texts, self._tokenize(texts), strict=True)
        return [self._build(text, ids, self.params.max_summary_tokens) for text, ids in documents]

    def build_training_examples(
        self, texts: Sequence[str], summaries: Sequence[str], ids: Sequence[str]
    ) -> list[tuple[list[int], list[int]]]:
        """`(input_ids, label_ids)` a row: a causal model reads prompt and summary, an encoder-decoder the prompt alone.

        A long summary takes its room from the document and is never cut.

        Raises:
            InputError: naming the first id whose summary does not fit into the context.
        """
        self._check_room()
        examples = []
        labels = self.build_labels(summaries)
        for name, text, document, label in zip(ids, texts, self._tokenize(texts), labels, strict=True):
            self._check_label(name, label)
            prompt = self._build(text, document, max(len(label), self.params.max_summary_tokens)).input_ids
            examples.append((prompt if self.is_encoder_decoder else prompt + label, label))
        return examples

    def count_label_tokens(self, summaries: Sequence[str], ids: Sequence[str]) -> list[int]:
        """Tokens of each summary with its end-of-text. Raises InputError as `build_training_examples`."""
        self._check_room()
        labels = self.build_labels(summaries)
        for name, label in zip(ids, labels, strict=True):
            self._check_label(name, label)
        return list(map(len, labels))

    def _check_label(self, name: str, label: list[int]) -> None:
        """Raises InputError if a summary does not fit into the context, or leaves no room there to its document."""
        if not self.is_encoder_decoder and self._room(max(len(label), self.params.max_summary_tokens)) < 1:
            raise InputError(
                f"id {name!r}: its summary of {len(label)} tokens leaves no room for a document in the model's "
                f"context of {self.context_length}"
            )
        if self.target_length and len(label) > self.target_length:
            raise InputError(
                f"id {name!r}: its summary of {len(label)} tokens is longer than the decoder's context of "
                f"{self.target_length}"
            )

    def build_labels(self, summaries: Sequence[str]) -> list[list[int]]:
        """Token ids of each summary, ending in end-of-text."""
        end = self.tokenizer.eos_token_id
        # white space at the template's end begins the summary instead: in byte-level vocabularies a word after a space
        # is another token than the same word without one, and only the first is found in the document and copied
        space = "" if self.is_encoder_decoder else self.params.template[len(self.params.template.rstrip(" ")) :]
        texts = [space + summary for summary in summaries]
        labels = encode_texts(self.tokenizer, texts, add_special_tokens=self.is_encoder_decoder)
        return [ids if ids and ids[-1] == end else [*ids, end] for ids in labels]

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return encode_texts(self.tokenizer, texts)

    def _check_room(self) -> None:
        """Raises InputError when a summary has no room, or leaves nothing of the context to a document."""
        if self.target_length and self.params.max_summary_tokens > self.target_length:
            raise InputError(
                f"prompt.max_summary_tokens: {self.params.max_summary_tokens} is more than the decoder's context of "
                f"{self.target_length}"
            )
        if self._room(self.params.max_summary_tokens) < 1:
            raise InputError(
                f"prompt.template: its {sum(map(len, self.frame))} tokens{' with the shots' if self.shots else ''} and "
                f"prompt.max_summary_tokens "
                f"{self.params.max_summary_tokens} leave no room for a document in a context of {self.context_length}"
            )

    def _build(self, text: str, document: list[int], reserved: int) -> Prompt:
        (front, back), room = self.frame, self._room(reserved)
        if self.truncation == SALIENT and len(document) > room:
            kept = keep_salient(text, room, self._tokenize, self.idf or Idf(0, {}))
        else:
            kept = truncate(document, room, self.truncation)
        return Prompt([*front, *kept, *back], len(document), len(kept))

    def _room(self, reserved: int) -> int:
        """Tokens left for the document."""
        front, back = self.frame
        room = self.context_length - len(front) - len(back) - (0 if self.is_encoder_decoder else reserved)
        return min(room, self.params.max_document_tokens or room)

    @cached_property
    def frame(self) -> tuple[list[int], list[int]]:
        """Token ids before and after the document; solved examples stand before it."""
        head, tail = self._split_template()
        before, after = self._special_tokens()
        shots = "".join(self._render_shot(text, summary) for text, summary in self.shots)
        front, back = self._tokenize([shots + head, tail]) if shots or head or tail else ([], [])
        return [*before, *front], [*back, *after]

    def _split_template(self) -> tuple[str, str]:
        template = self.params.template if self.is_encoder_decoder else self.params.template.rstrip(" ")
        head, tail = template.split("{text}")
        return head, tail

    def _render_shot(self, text: str, summary: str) -> str:
        return self.params.template.replace("{text}", text) + summary + SHOT_END

    def read_documents(self, prompts: Sequence[Prompt]) -> list[str]:
        """What of each document stands in its prompt, as text."""
        front, back = self.frame
        kept = [prompt.input_ids[len(front) : len(prompt.input_ids) - len(back)] for prompt in prompts]
        return [str(self.tokenizer.decode(ids)) for ids in kept]

    def split_document(self, text: str) -> list[str]:
        """The parts of a document that each fit into a prompt whole; the document itself, if it fits."""
        self._check_room()
        room = self._room(self.params.max_summary_tokens)
        return split_to_fit(text, room, lambda part: len(self._tokenize([part])[0]))

    def keep(self, truncation: Truncation) -> "PromptBuilder":
        """This builder with what is kept of a document that does not fit."""
        return replace(self, truncation=truncation.name, idf=truncation.idf)

    def reserve(self, tokens: int) -> "PromptBuilder":
        """This builder with that many places of the context left to a soft prompt."""
        return replace(self, context_length=self.context_length - tokens)

    def add_special_tokens(self, tokens: Sequence[str]) -> "PromptBuilder":
        """This builder with tokens that its tokenizer keeps whole. Raises InputError where it cannot."""
        if not tokens:
            return self
        grown = add_special_tokens(self.tokenizer, tokens)
        return replace(self, tokenizer=grown, special_tokens=tuple(tokens), base_tokenizer=self.tokenizer)

    def drop_special_tokens(self) -> "PromptBuilder":
        """This builder with the tokens that the untuned base knows."""
        return replace(self, tokenizer=self.base_tokenizer or self.tokenizer, special_tokens=(), base_tokenizer=None)

    def select_shots(self, examples: "pd.DataFrame", seed: int) -> "PromptBuilder":
        """This builder with `shots` solved examples, drawn by seed from training examples of at most middling length.

        Together they take at most half of the context: an example that does not fit is passed over.

        Args:
            examples: `text` and `summaries`; training rows, never validation.
        """
        if not self.params.shots:
            return self
        rows = [(text, many[0]) for text, many in zip(examples["text"], examples["summaries"], strict=True)]
        short = sorted(rows, key=lambda row: (len(row[0]), row))[: max(len(rows) // 2, 1)]
        random.Random(seed).shuffle(short)
        lengths = map(len, self._tokenize([self._render_shot(*row) for row in short]))
        free, chosen = self.context_length // 2, []
        for row, length in zip(short, lengths, strict=True):
            if length <= free and len(chosen) < self.params.shots:
                chosen.append(row)
                free -= length
        return replace(self, shots=tuple(chosen))

    def _special_tokens(self) -> tuple[list[int], list[int]]:
        """What the tokenizer sets around a text. A causal prompt is open at its end; an encoder's source is closed."""
        bare = self.tokenizer("가", add_special_tokens=False)["input_ids"]
        full = self.tokenizer("가")["input_ids"]
        start = next((i for i in range(len(full)) if full[i : i + len(bare)] == bare), 0)
        before, after = full[:start], full[start + len(bare) :]
        if not self.is_encoder_decoder:
            return before, []
        return before, after or [self.tokenizer.eos_token_id]
