"""The models that an experiment trained, brought back to decode with once more."""

from pathlib import Path

from pipeline.errors import InputError
from pipeline.history.experiments import WORKSPACE
from pipeline.models.folders import get_scratch_root, recover_directory, replace_directory
from pipeline.paths import ADAPTER, BASE, PARAMS, PROCESSED, REFINED, TRUNCATION

# all that it takes to load a tuned model and to build its prompts
FILES = (PARAMS, TRUNCATION, PROCESSED / "train.parquet", BASE, ADAPTER, REFINED[0])


def fetch_models(name: str) -> Path:
    """The root below which an experiment's model lies: of the workspace, the project's.

    It is copied once, out of DVC's cache into the scratch root.

    Args:
        name: a DVC experiment, a git revision, or workspace.

    Raises:
        InputError: if it is none of these, or its files are not in the cache.
    """
    if name == WORKSPACE:
        return Path()
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError, resolve_rev

    path = PARAMS
    try:
        with Repo() as repo:
            revision = resolve_rev(repo.scm, name)
        root = get_scratch_root() / "members" / revision
        recover_directory(root)
        if root.is_dir():
            return root
        files = DVCFileSystem(rev=revision)
        with replace_directory(root) as folder:
            for path in FILES:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                files.get(str(path), str(folder / path), recursive=files.isdir(str(path)))
    except SCMError as error:
        raise InputError(f"{name}: neither a DVC experiment nor a git revision") from error
    except (DvcException, FileNotFoundError) as error:
        raise InputError(f"{name}: its {path} is not in DVC's cache; run it again, or dvc fetch") from error
    return root
