"""What a later stage would refuse from params, files and packages alone, in the words of the stage itself."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.decoding.grid import check_engine
from pipeline.errors import InputError
from pipeline.models.config import load_config
from pipeline.models.continuations import get_block_size
from pipeline.models.loading import build_quantization
from pipeline.models.methods import get_virtual_tokens
from pipeline.models.pins import get_adapter_base, is_adapter, pin_teacher
from pipeline.models.special_tokens import add_special_tokens, load_special_tokens
from pipeline.models.tokenizer import load_tokenizer
from pipeline.params.grid import list_beside, list_configurations, list_untuned
from pipeline.paths import BASE, WRITTEN
from pipeline.scoring.pools import build_pool
from pipeline.scoring.ranking.ranker import check_method
from pipeline.scoring.rouge.tokenizers import build_tokenizer
from pipeline.scoring.rows import External, check_external_names
from pipeline.training.objectives import refuse_other_kind, refuse_other_tokens

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.model_sections import DistillParams
    from pipeline.params.reading import Params


def collect_mistakes(checks: "Iterable[Callable[[], object]]") -> list[str]:
    """Runs every check; the lines of all that refuse."""
    mistakes = []
    for check in checks:
        try:
            check()
        except InputError as error:
            mistakes += error.mistakes
    return list(dict.fromkeys(mistakes))


def list_checks(
    params: "Params", splits: "dict[str, pd.DataFrame]", builder: "PromptBuilder", externals: Sequence[External]
) -> "Iterator[Callable[[], object]]":
    """Calls that raise InputError where a stage would.

    Args:
        splits: `train`, `valid` and `test` frames.
        builder: the prompts of the model to be used.
        externals: those files of `score.external` that could be read.
    """
    configurations = list_configurations(params.decode)
    if params.train.distill.teacher:
        yield partial(_check_teacher, params.train.distill, builder)
    if params.model.quantization:
        import torch

        yield partial(build_quantization, params.model.quantization, torch.bfloat16)
    is_summarized = params.task == "summarization"
    if is_summarized:
        yield partial(_build_training_prompts, params, builder, splits)
    else:
        reserved = builder.reserve(get_virtual_tokens(params.train.method, params.prompt_tuning))
        yield partial(get_block_size, reserved, params.generation)
    yield partial(check_engine, params.decode.engine, configurations)
    for untuned in list_untuned(params.decode):
        yield partial(build_shots(params, builder, splits, untuned.shots).build_prompts, list(splits["valid"]["text"]))
    if params.decode.search == "halving":
        yield partial(build_tokenizer, params.decode.halving.tokenizer)
    if params.refine.method != "none":
        yield partial(build_tokenizer, params.refine.tokenizer)
    yield partial(build_tokenizer, params.score.tokenizer)
    means = {configuration.name: 0.0 for configuration in configurations}
    pools = params.score.consensus.pools if is_summarized else []
    yield from (partial(build_pool, spec, configurations, means) for spec in pools)
    yield partial(check_method, params.rank.method, len(splits["valid"]))
    names = [*means, *(beside.name for beside in list_beside(params.decode))]
    yield partial(check_external_names, externals, names)
    for external in externals:
        yield partial(external.check_ids, splits["valid"]["id"], splits["test"]["id"])
        yield partial(external.pick_summaries, splits["valid"]["id"], "validation")
        if params.predict.use == external.name:
            yield partial(external.pick_summaries, splits["test"]["id"], "test")


def refuse_own_outputs(folder: str) -> None:
    """Raises InputError if `data.folder` holds, is or lies in a folder that the stages write: DVC would not start."""
    given = os.path.abspath(folder)
    for output in WRITTEN:
        own = os.path.abspath(output)
        if os.path.commonpath([given, own]) in (given, own):
            raise InputError(
                f"data.folder: {folder} and {output}, which the stages write, lie in each other, and dvc repro would "
                "not start; put the competition's files into a folder of their own, such as data/mine"
            )


def build_shots(
    params: "Params", builder: "PromptBuilder", splits: "dict[str, pd.DataFrame]", shots: int
) -> "PromptBuilder":
    """The prompts of the untuned base's rows, which knows no special tokens."""
    bare = replace(builder.drop_special_tokens(), params=builder.params.model_copy(update={"shots": shots}), shots=())
    return bare.select_shots(splits["train"], params.seed)


def _build_training_prompts(params: "Params", builder: "PromptBuilder", splits: "dict[str, pd.DataFrame]") -> None:
    """As train does it, with what is trained in front of the prompts."""
    tokens = get_virtual_tokens(params.train.method, params.prompt_tuning)
    if not tokens:
        # preprocess has built these already
        return
    for frame in (splits["train"], splits["valid"]):
        rows = [(text, many[0], name) for name, text, many in frame.itertuples(index=False)]
        builder.reserve(tokens).build_training_examples(*zip(*rows, strict=True))


def _check_teacher(params: "DistillParams", builder: "PromptBuilder") -> None:
    """As pretrain pins it and train reads its tokens."""
    pin_teacher(params, BASE)
    folder = Path(str(params.teacher))
    name = get_adapter_base(folder) if is_adapter(folder) else str(params.teacher)
    # an adapter of this project's own base reads what the student reads, and the base may not be there yet
    own = builder.drop_special_tokens().tokenizer
    is_own = Path(name) == BASE
    theirs = own if is_own else load_tokenizer(name, None, params.trust_remote_code)
    tokens = load_special_tokens(folder) if is_adapter(folder) else ()
    if not is_own:
        config = load_config(name, None, params.trust_remote_code)
        refuse_other_kind(str(params.teacher), config, builder.is_encoder_decoder)
    refuse_other_tokens(str(params.teacher), add_special_tokens(theirs, tokens), builder.tokenizer)
