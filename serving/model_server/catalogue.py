"""Every model of this process by name, and the labels of their versions."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from serving.model_server.model_configs import ServedModel
from serving.model_server.routes import ModelTarget
from serving.model_server.statuses import Code, StatusError, invalid_argument
from serving.model_server.versions import Versions, VersionStatus, not_found

if TYPE_CHECKING:
    from serving.model_server.servable import Servable

Labels: TypeAlias = Mapping[str, Mapping[str, int]]
"""Model name to label to version."""


class Catalogue:
    """What requests look models up in; the maps are replaced as a whole, so reading needs no lock."""

    def __init__(self) -> None:
        self._models: dict[str, Versions] = {}
        self._labels: Labels = {}

    def add(self, versions: Versions) -> None:
        """Makes a model known, in place of an earlier one of that name."""
        self._models = {**self._models, versions.model_name: versions}

    def __contains__(self, model_name: str) -> bool:
        return model_name in self._models

    @contextlib.contextmanager
    def lease(self, target: ModelTarget) -> "Iterator[Servable]":
        """Holds the version that a request asks for: it is not unloaded before the block ends.

        Raises:
            StatusError: no such model, version or label.
        """
        if not target.name:
            raise invalid_argument("ModelSpec has no name specified.")
        version = target.version if target.label is None else self._labelled(target.name, target.label)
        versions = self._models.get(target.name)
        if versions is None:
            raise not_found(target.name, version)
        with versions.lease(version) as servable:
            yield servable

    def statuses(self, target: ModelTarget) -> list[VersionStatus]:
        """States, newest version first; a label in the target is ignored.

        Raises:
            StatusError: no such model or version.
        """
        versions = self._models.get(target.name)
        known = versions.statuses() if versions else []
        if target.version is not None:
            known = [status for status in known if status.version == target.version]
        if not known:
            what = "any versions" if target.version is None else f"version {target.version}"
            raise StatusError(Code.NOT_FOUND, f"Could not find {what} of model {target.name}")
        return known

    def summary(self) -> str:
        """Models and their newest versions, for the log."""
        names = (
            f"model {name} version {max(versions.loaded(), default='none')}" for name, versions in self._models.items()
        )
        return ", ".join(names) or "no model"

    def assign_labels(self, models: Mapping[str, ServedModel], allow_unavailable: bool) -> None:
        """Replaces all labels by those of a configuration.

        Args:
            models: the configuration.
            allow_unavailable: whether a label that does not point elsewhere yet may name a version not loaded.

        Raises:
            StatusError: a label names a version that is not available; the labels stay as they are.
        """
        for model in models.values():
            versions = self._models.get(model.name)
            loaded = versions.loaded() if versions else ()
            for label, version in model.labels.items():
                assigned = self._labels.get(model.name, {}).get(label, version)
                if version not in loaded and not (allow_unavailable and assigned == version):
                    raise StatusError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label to version {version} of model {model.name}, "
                        "which is not currently available for inference",
                    )
        self._labels = {model.name: dict(model.labels) for model in models.values()}

    def _labelled(self, model_name: str, label: str) -> int:
        version = self._labels.get(model_name, {}).get(label)
        if version is None:
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        return version
