"""Publishing a version directory whole or not at all, and the aliases that follow it."""

import hashlib
import shutil
from pathlib import Path

from sazon.errors import ServingError
from sazon.home import atomic_directory, remove_partials
from sazon.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
from sazon.schema import MODEL_NAME
from serving.rollout.store import now

CHECKSUMS = Path("assets.extra") / "checksums.sha256"


def roll_out(saved_model: Path, version: int, served: Path, registry: Registry, keep_versions: int) -> Path:
    """Publishes a blessed version and makes it champion at once; safe to repeat after a kill at any point.

    Args:
        saved_model: the exported model.
        version: its number in the registry.
        served: root of the served directories; `<root>/taste/<version>` is written.
        registry: whose aliases are moved.
        keep_versions: how many published versions stay on disk, the champion and the previous one always.

    Returns:
        The published directory.

    Raises:
        ServingError: the published directory is not what was written.
    """
    target = publish(saved_model, version, served)
    champion = registry.with_alias(CHAMPION)
    if champion is None or champion.number != version:
        at = now()
        before = champion.number if champion else None
        entry = {"action": "promoted", "version": version, "from": before, "by": "pipeline", "at": at}
        registry.log_promotion(f"at-once-{version:06d}-{at}", {**entry, "why": "passed its gates", "figures": {}})
    move_aliases(registry, version)
    prune(target.parent, version, keep_versions, registry)
    return target


def publish(saved_model: Path, version: int, served: Path) -> Path:
    """Puts a version, with its checksums, where model servers find it.

    Returns:
        The published directory.

    A directory of that number with other content (damaged, or of a registry that was deleted) is replaced.

    Raises:
        ServingError: the published directory is not what was written.
    """
    target = served / MODEL_NAME / str(version)
    remove_partials(target.parent)
    if target.exists() and _checksums(target) != _checksums(saved_model):
        retire(target)
    if not target.exists():
        with atomic_directory(target) as staging:
            shutil.copytree(saved_model, staging, dirs_exist_ok=True)
            (staging / CHECKSUMS).parent.mkdir(exist_ok=True)
            (staging / CHECKSUMS).write_text(_checksums(staging), encoding="utf-8")
    verify(target)
    return target


def verify(folder: Path) -> None:
    """Compares a published directory with its own checksums.

    Raises:
        ServingError: a file is missing, changed, or was added.
    """
    if _listed_checksums(folder) != _checksums(folder):
        raise ServingError(f"{folder}: content does not match its checksums; remove it and roll out again")


def _listed_checksums(folder: Path) -> str:
    listed = folder / CHECKSUMS
    return listed.read_text(encoding="utf-8") if listed.is_file() else ""


def _checksums(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / CHECKSUMS)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}" for path in files]
    return "\n".join(lines) + "\n"


def move_aliases(registry: Registry, version: int) -> None:
    """Makes a version champion, and the champion the previous one; safe to repeat."""
    champion = registry.with_alias(CHAMPION)
    if champion is None or champion.number != version:
        if champion is not None:
            registry.set_alias(PREVIOUS, champion.number)
        registry.set_alias(CHAMPION, version)
    challenger = registry.with_alias(CHALLENGER)
    if challenger is not None and challenger.number == version:
        registry.drop_alias(CHALLENGER)


def prune(model_dir: Path, version: int, keep_versions: int, registry: Registry) -> None:
    """Removes old versions, and those above the champion: a model server serves the greatest number it finds."""
    numbers = sorted((int(path.name) for path in model_dir.iterdir() if path.name.isdigit()), reverse=True)
    holders = (registry.with_alias(CHAMPION), registry.with_alias(PREVIOUS))
    below = [number for number in numbers if number <= version]
    kept = set(below[:keep_versions]) | {holder.number for holder in holders if holder and holder.number <= version}
    for number in numbers:
        if number not in kept:
            retire(model_dir / str(number))


def retire(folder: Path) -> None:
    """Takes a version away in one step; a kill in between leaves only what the next rollout sweeps."""
    leaving = folder.with_name(f".{folder.name}.retired.partial")
    shutil.rmtree(leaving, ignore_errors=True)
    folder.rename(leaving)
    shutil.rmtree(leaving)
