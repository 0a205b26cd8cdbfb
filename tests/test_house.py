"""The house as it stands: layers, no circles, and a graph that depends on what its stages import and on nothing else.

Files are found by walking the project, imports by reading them (those for type checkers and inside functions too).
"""

import ast
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from builders import ROOT
from dvc.repo import Repo
from ruamel.yaml import YAML

from pipeline.cli.sections import STAGE_SECTIONS
from pipeline.params.reading import Params

STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
# from the top; a room imports only what stands below it
LAYERS = (
    *(("cli",), ("preflight",), ("stages",), ("training", "decoding", "history"), ("scoring", "models")),
    *(("competition", "params"), ("paths", "progress", "tables"), ("errors",)),
)
# rooms whose modules are dependencies one by one: a stage's own, the grid, and the table formats
SINGLE = ("stages", "params", "")
# what wires, speaks and remembers shapes no result. Nor does what reads params.yaml, which DVC tracks by itself
NOT_TRACKED = (
    *("pipeline/cli", "pipeline/history", "pipeline/preflight", "pipeline/params/reading.py"),
    *("pipeline/errors.py", "pipeline/progress.py"),
)


def list_files(*folders: str) -> list[str]:
    return [str(p.relative_to(ROOT)) for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))]


@cache
def parse(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text())


def find_imports(node: ast.AST, at_run_time: bool = False) -> set[str]:
    """Files of this project that a piece of code imports; at run time, without imports for type checkers."""
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        if at_run_time and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        names: list[str] = []
        if isinstance(child, ast.ImportFrom) and child.module:
            names = [child.module, *(f"{child.module}.{alias.name}" for alias in child.names)]
        elif isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        for path in (name.replace(".", "/") for name in names):
            # benchmarks import one another as scripts do
            candidates = (f"{path}.py", f"{path}/__init__.py", f"benchmarks/{path}.py")
            found |= {f for f in candidates if (ROOT / f).is_file()}
        found |= find_imports(child, at_run_time)
    return found - {"pipeline/__init__.py"}


def get_room(file: str) -> str:
    """`cli` of pipeline/cli/app.py, `errors` of pipeline/errors.py."""
    return Path(file).parts[1].removesuffix(".py")


@pytest.mark.parametrize("file", list_files("pipeline"))
def test_module_imports_only_what_stands_below_its_room(file):
    floors = {room: floor for floor, rooms in enumerate(LAYERS) for room in rooms}
    if file in ("pipeline/__init__.py", "pipeline/__main__.py"):
        return
    own = get_room(file)
    above = [f for f in find_imports(parse(file)) if get_room(f) != own and floors[get_room(f)] <= floors[own]]
    assert above == []


def test_nothing_imports_itself_in_a_circle():
    imports = {file: find_imports(parse(file)) - {file} for file in list_files("pipeline", "benchmarks")}
    left = dict(imports)
    # what imports nothing that is left is in no circle
    while free := [file for file, wanted in left.items() if not wanted & left.keys()]:
        for file in free:
            del left[file]
    assert left == {}


def test_packages_say_in_a_line_what_they_are_for_and_hold_nothing_else():
    for file in list_files("pipeline"):
        if not file.endswith("/__init__.py") or "sample" in file:
            continue
        (statement,) = parse(file).body
        assert "May import" in ast.literal_eval(statement.value) or file == "pipeline/__init__.py"


def find_definitions() -> dict[str, ast.AST]:
    """The functions and classes of the command line by name, which is theirs alone."""
    found: dict[str, ast.AST] = {}
    for node in chain.from_iterable(parse(file).body for file in list_files("pipeline/cli")):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            assert node.name not in found
            found[node.name] = node
    return found


def find_command(stage: str) -> ast.Module:
    """The command of a stage and whatever of the command line it names, in turn, as one piece of code."""
    definitions = find_definitions()
    body, waiting, seen = [], [stage], {stage}
    while waiting:
        node = definitions[waiting.pop()]
        body.append(node)
        # a command may share its name with a variable, so none is followed
        named = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & (definitions.keys() - STAGES.keys())
        waiting += named - seen
        seen |= named
    return ast.Module(body=body, type_ignores=[])


@cache
def find_closure(stage: str) -> set[str]:
    """The tracked files that a stage's command imports, in turn."""
    seen: set[str] = set()
    waiting = find_imports(find_command(stage), at_run_time=True)
    while waiting:
        file = waiting.pop()
        if file in seen or file.startswith(NOT_TRACKED):
            continue
        seen.add(file)
        waiting |= find_imports(parse(file), at_run_time=True)
    return {file for file in seen if not file.endswith("__init__.py")}


def find_dependencies(files: set[str]) -> set[str]:
    """Packages, and single modules of the rooms that have them, which cover the files."""
    found = {file if "/".join(Path(file).parts[1:-1]) in SINGLE else str(Path(file).parent) for file in files}
    return {one for one in found if str(Path(one).parent) not in found}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_depends_on_what_it_imports_and_on_nothing_else(stage):
    declared = {dep for dep in STAGES[stage]["deps"] if dep.startswith("pipeline/")}
    assert declared == find_dependencies(find_closure(stage))


@pytest.mark.parametrize("stage", STAGES)
def test_what_shapes_results_imports_nothing_that_is_not_tracked(stage):
    spoken = {"pipeline/errors.py", "pipeline/progress.py"}
    reached = {f for file in find_closure(stage) for f in find_imports(parse(file), at_run_time=True)}
    assert {file for file in reached - spoken if file.startswith(NOT_TRACKED)} == set()


def test_whatever_no_stage_reads_is_out_of_what_stages_depend_on():
    declared = tuple(dep for stage in STAGES.values() for dep in stage["deps"] if dep.startswith("pipeline/"))
    read = set().union(*map(find_closure, STAGES))
    idle = {f for f in list_files("pipeline") if f.startswith(declared) and not f.endswith("__init__.py")} - read
    with Repo(str(ROOT)) as repo:
        assert {file for file in idle if not repo.dvcignore.is_ignored_file(str(ROOT / file))} == set()


@pytest.mark.parametrize("stage", STAGES)
def test_stage_declares_the_params_that_it_may_read_and_reads_them(stage):
    assert STAGES[stage]["params"] == list(STAGE_SECTIONS[stage])
    code = [*ast.walk(find_command(stage)), *ast.walk(parse(f"pipeline/stages/{stage}.py"))]
    read = {n.attr for n in code if isinstance(n, ast.Attribute) and ast.unparse(n.value).endswith("params")}
    assert read & set(Params.model_fields) == {name.split(".")[0] for name in STAGE_SECTIONS[stage]}


def test_graph_is_short_enough_to_be_read():
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 20 * len(STAGES)
