"""The competition as commands read it: its files, the form of its submission, and the prompts that it will make."""

from typing import TYPE_CHECKING, Any

from pipeline.cli.generation import get_generation
from pipeline.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.competition.layouts.sources import File
    from pipeline.models.coverage import Choice
    from pipeline.models.prompts import PromptBuilder
    from pipeline.stages.preprocess import Competition


def load_splits(params: Any) -> "Competition":
    from pipeline.competition.arrow import take_memory_sparingly
    from pipeline.stages.preprocess import hold_out_openings, list_extra, parse_competition

    take_memory_sparingly()
    data, files, mistakes = params.data, {}, []
    roles = {name: getattr(data, name) for name in ("train", "test", "sample_submission")}
    roles |= {role: extra.path for role, extra in zip(list_extra(data), data.extra, strict=True)}
    for role, names in roles.items():
        try:
            files[role] = list_role(data, role, names)
        except InputError as error:
            mistakes += error.mistakes
    if mistakes:
        raise InputError(mistakes)
    generation = get_generation(params)
    competition = parse_competition(files, data, params.preprocess, params.seed, is_summarized=generation is None)
    return hold_out_openings(competition, generation) if generation else competition


def list_role(data: Any, role: str, names: Any = None) -> "list[File]":
    """The files of `train`, `test`, `sample_submission`, of which there is one, or of `names` in another role."""
    from pipeline.competition.layouts.sources import list_files

    names = names or getattr(data, role)
    files = list_files(data.folder, names)
    if role == "sample_submission" and len(files) > 1:
        raise InputError(f"data.{role}: {names} holds {len(files)} files; the sample is one")
    return files


def get_columns(data: Any) -> tuple[Any, str]:
    from pipeline.competition.formats import Columns

    return Columns(id=data.id_column, text=data.text_column, summary=data.summary_column), data.encoding


def load_submission_form(params: Any) -> Any:
    """The form that the export will have: the sample submission's, and what `export.format` says otherwise."""
    from pipeline.competition.formats import parse_submission_format
    from pipeline.stages.export import override_format

    (file,) = list_role(params.data, "sample_submission")
    form = parse_submission_format(file.read(), file.name, *get_columns(params.data))
    return override_format(form, params.export.format)


def load_test_documents(params: Any) -> dict[str, str]:
    """The test documents by id, as the competition's files have them."""
    from pipeline.competition.layouts.frames import read_frame
    from pipeline.competition.layouts.reading import Reading

    columns, encoding = get_columns(params.data)
    reading = Reading(params.data.layout, encoding, columns, is_labelled=False)
    test = read_frame(list_role(params.data, "test"), reading, "test").frame
    return dict(zip(test["id"], test["text"], strict=True))


def list_pretraining_splits(params: Any) -> list[str]:
    """The splits whose text pretrain will read; none where a pretrained base is taken as it is."""
    from pipeline.models.scratch import SCRATCH

    is_read = params.model.name == SCRATCH or params.pretrain.adapt.method != "none"
    return list(params.pretrain.text) if is_read else []


def collect_pretraining_texts(params: Any, competition: "Competition") -> "pd.DataFrame":
    """What pretrain will read: `document`, `text`; nothing where a pretrained base is taken as it is."""
    from pipeline.competition.corpus import collect_texts

    return collect_texts(competition.texts, list_pretraining_splits(params))


def build_future_prompts(
    params: Any, splits: "dict[str, pd.DataFrame]", texts: "pd.DataFrame"
) -> "tuple[PromptBuilder, Choice]":
    """The prompts of the model that pretrain will make or pin, before it has; and what they keep of long documents.

    Args:
        texts: what it will read.
    """
    from pipeline.competition.arrow import Texts
    from pipeline.models.base import BaseModel
    from pipeline.models.coverage import Choice, choose_truncation
    from pipeline.models.devices import release_memory
    from pipeline.models.loading import load_prompt_builder
    from pipeline.models.marks import find_special_tokens
    from pipeline.models.pair import PAIR, get_pair_lengths, load_pair_tokenizer
    from pipeline.models.prompts import PromptBuilder
    from pipeline.models.scratch import SCRATCH, build_scratch_tokenizer
    from pipeline.models.truncation import Truncation

    # nobody knows yet what is to be kept
    model, truncation = params.model, "head"
    if model.name == PAIR:
        encoder_length, decoder_length = get_pair_lengths(model)
        tokenizer = load_pair_tokenizer(model)
        builder = PromptBuilder(tokenizer, params.prompt, truncation, encoder_length, True, decoder_length)
    elif model.name != SCRATCH:
        builder = load_prompt_builder(BaseModel(model.name, model.revision, ""), model, params.prompt, truncation)
    else:
        tokenizer = build_scratch_tokenizer(Texts(texts["text"]), params.pretrain)
        release_memory()
        builder = PromptBuilder(tokenizer, params.prompt, truncation, params.pretrain.n_positions, False)
    tokens = find_special_tokens(model.special_tokens, splits["train"]["text"])
    builder = builder.add_special_tokens(tokens).select_shots(splits["train"], params.seed)
    if get_generation(params):
        # what follows an opening follows its end
        choice = Choice(Truncation("tail", None), "tail", 0, {})
    else:
        choice = choose_truncation(params.preprocess.truncation, builder, splits["train"], params.seed)
    return builder.keep(choice.truncation), choice
