"""Where a pod finds what this machine has: shipped files in the image, state on the claim.

Upstream: TFX compiles paths of the compiling machine into the pipeline as they are.
"""

import dataclasses
import shutil
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from pipelines.preparation import REPOSITORY
from sazon.cluster import STATE_PATH
from sazon.errors import UserError
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
        """The spec as pods see it."""
        return dataclasses.replace(
            spec,
            root=self._on_claim(Path(spec.root)),
            data_dir=self._held(spec.data_dir),
            schema_file=self._held(spec.schema_file),
            tokeniser_dir=self._held(spec.tokeniser_dir),
            checkpoint=self._held(spec.checkpoint) if spec.checkpoint else "",
            training_dir=spec.training_dir if "://" in spec.training_dir else self._on_claim(Path(spec.training_dir)),
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

    def _on_claim(self, path: Path) -> str:
        """State keeps its place below the state directory; a checkpoint from elsewhere goes to the pretrained ones."""
        inside = path.is_relative_to(self.home.root)
        relative = path.relative_to(self.home.root) if inside else Path("pretrained") / path.name
        return str(PurePosixPath(STATE_PATH) / relative)
