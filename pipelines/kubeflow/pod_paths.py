"""Where a pod finds what this machine has: shipped files in the image, state on the claim.

Upstream: TFX compiles paths of the compiling machine into the pipeline as they are.
"""

import dataclasses
import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pipelines.preparation import REPOSITORY
from sazon.cluster import STATE_PATH
from sazon.errors import SettingsError, UserError
from sazon.home import Home

if TYPE_CHECKING:
    from pipelines.taste_pipeline import PipelineSpec

IMAGE_PATH: Final = "/opt/sazon"  # the repository's packages in every image


@dataclass
class PodPaths:
    """Translates paths, and remembers which files the claim must hold.

    Attributes:
        home: the state directory of this machine.
        files: by path on the claim, what belongs there.
    """

    home: Home
    files: dict[PurePosixPath, Path] = field(default_factory=dict)

    def translate(self, spec: "PipelineSpec") -> "PipelineSpec":
        """The spec as pods see it.

        Raises:
            SettingsError: checkpoints would lie where only this machine finds them.
        """
        training_dir = self._shared(spec.training_dir)
        own = training_dir != spec.training_dir
        return dataclasses.replace(
            spec,
            root=self._on_claim(Path(spec.root)),
            data_dir=self._held(spec.data_dir),
            schema_file=self._held(spec.schema_file),
            tokeniser_dir=self._held(spec.tokeniser_dir),
            checkpoint=self._held(spec.checkpoint) if spec.checkpoint else "",
            train=spec.train.model_copy(update={"state_dir": None}) if own else spec.train,
            training_dir=training_dir,
        )

    def copy_files(self, folder: Path) -> int:
        """Writes what the claim must hold below a new folder, to be copied onto the claim as it is.

        Returns:
            Size in bytes.

        Raises:
            UserError: the folder holds something already.
        """
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"--files-to {folder}: there is something in it already; name a new folder")
        for place, source in self.files.items():
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copyfile(source, target)
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    def _held(self, path: str) -> str:
        """The pod's path of a file or folder that must be there when the pipeline starts."""
        source = Path(path)
        if source.is_relative_to(REPOSITORY / "models"):
            return str(PurePosixPath(IMAGE_PATH) / source.relative_to(REPOSITORY))
        place = self._on_claim(source)
        self.files[PurePosixPath(place).relative_to(STATE_PATH)] = source
        return place

    def _shared(self, place: str) -> str:
        """Where all pods find the checkpoints of trainings."""
        path = urlsplit(place).path if place.startswith("file:") else place
        if PurePosixPath(path).is_relative_to(STATE_PATH) or (path == place and "://" in place):
            return place
        if path == place and (inside := Path(path).absolute()).is_relative_to(self.home.root):
            return self._on_claim(inside)
        raise SettingsError(
            f"train.state_dir: {place} is a place of this machine, and no pod has it; want a folder of {STATE_PATH} "
            "(the claim), or s3:// or gs://; or leave it out"
        )

    def _on_claim(self, path: Path) -> str:
        """State keeps its place below the state directory; a checkpoint from elsewhere goes to the pretrained ones."""
        if path.is_relative_to(self.home.root):
            return str(PurePosixPath(STATE_PATH) / path.relative_to(self.home.root))
        path = path.absolute()
        digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]  # others may be named so, too
        return str(PurePosixPath(STATE_PATH) / "pretrained" / f"{path.name}-{digest}")
