"""preset: settings for a model, laid over params.yaml."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.leaderboard import print_table
from pipeline.cli.loading import ParamsFile, load_text
from pipeline.paths import PARAMS, PRESETS

if TYPE_CHECKING:
    from pipeline.preflight.preset import Preset

preset_app = typer.Typer(help="Settings for a model, laid over params.yaml.", no_args_is_help=True)
PresetName = Annotated[str, typer.Argument(help="A preset's name; `preset list` prints them.")]


@preset_app.command("list")
def preset_list() -> None:
    """Print the presets: model, parameters, what each is for.

    Example: python -m pipeline preset list
    """
    from pipeline.preflight.preset import render_presets

    print_table(render_presets([_load_preset(path.stem) for path in sorted(PRESETS.glob("*.yaml"))]))


@preset_app.command("show")
def preset_show(name: PresetName) -> None:
    """Print a preset, with what it says about where its values come from.

    Example: python -m pipeline preset show kogpt2
    """
    typer.echo(_load_preset(name).text, nl=False)


@preset_app.command("apply")
def preset_apply(name: PresetName, params_file: ParamsFile = PARAMS) -> None:
    """Lay a preset over params.yaml: only the keys it names change, comments stay.

    Example: python -m pipeline preset apply kogpt2
    """
    from pipeline.preflight.preset import apply_preset, describe_change
    from pipeline.tables import save_bytes

    preset = _load_preset(name)
    text, changes = apply_preset(load_text(params_file), preset, str(params_file))
    if changes:
        save_bytes(text.encode(), params_file)
    for line in [*map(describe_change, changes), f"{params_file}: {len(changes)} keys changed"]:
        typer.echo(line)


def _load_preset(name: str) -> "Preset":
    from pipeline.preflight.preset import find_preset, parse_preset

    names = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    return parse_preset(name, load_text(PRESETS / f"{find_preset(name, names)}.yaml"))
