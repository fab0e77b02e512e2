"""Brings the served models in line with a configuration, from the command line, a file or a gRPC request."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sazon.errors import SazonError
from sazon.logging import get_logger
from serving.model_server.catalogue import Catalogue
from serving.model_server.config_files import read_model_config
from serving.model_server.model_configs import ServedModel, read_models
from serving.model_server.statuses import Code, StatusError
from serving.model_server.versions import State, Versions
from serving.model_server.watcher import RetryPolicy, VersionWatcher

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    from serving.model_server.servable import Servable

_LOOK_S: Final = 0.2
_log = get_logger("model_server")


class Configurator:
    """Starts, changes and stops the watchers of models; one configuration at a time."""

    def __init__(
        self,
        catalogue: Catalogue,
        load: "Callable[[str, Path, int], Servable]",
        stop: threading.Event,
        poll_s: float,
        retries: RetryPolicy,
        allow_unavailable_labels: bool,
    ) -> None:
        """Serves nothing yet; see `apply`.

        Args:
            catalogue: the record to keep up to date.
            load: makes a servable of a model's name, a folder and its number.
            stop: ends all watching.
            poll_s: seconds between two looks at a model's directory.
            retries: for broken versions.
            allow_unavailable_labels: whether a new label may name a version that is not loaded.
        """
        self._catalogue, self._load, self._stop = catalogue, load, stop
        self._poll_s, self._retries = poll_s, retries
        self._allow_unavailable_labels = allow_unavailable_labels
        self._watchers: dict[str, tuple[Versions, VersionWatcher]] = {}
        self._lock = threading.Lock()

    def apply(self, config: "ModelServerConfig", give_up: Callable[[], bool]) -> None:
        """Serves what the configuration says, and nothing else.

        Args:
            config: models, their versions and labels.
            give_up: asked now and then while models that are new load; True ends the wait.

        Raises:
            StatusError: the configuration is wrong, or a label names a version that is not available: nothing has
                changed; or a new model did not load: everything else has.
        """
        with self._lock:
            models = read_models(config)
            if models is None:
                _log.info("the configuration is empty: nothing to do")
                return
            self._catalogue.assign_labels(models, self._allow_unavailable_labels)
            self._wait(self._change(models), give_up)

    def all_available(self) -> bool:
        """Whether each configured model has a version that answers."""
        return all(versions.loaded() for versions, _ in list(self._watchers.values()))

    def use_retries(self, retries: RetryPolicy) -> None:
        """Changes how broken versions are retried, of all models."""
        self._retries = retries
        for _, watcher in self._watchers.values():
            watcher.retries = retries

    def follow_file(self, path: Path, poll_s: float) -> None:
        """Applies a configuration file again and again, in a thread of its own."""
        threading.Thread(target=self._follow_file, args=(path, poll_s), name="model-config", daemon=True).start()

    def _follow_file(self, path: Path, poll_s: float) -> None:
        problem = ""
        while not self._stop.wait(poll_s):
            give_up_at = time.monotonic() + max(poll_s, 1.0)
            try:
                self.apply(read_model_config(path), lambda at=give_up_at: time.monotonic() > at)  # type: ignore[misc]
                problem = ""
            except SazonError as error:
                if str(error) != problem:
                    _log.error("%s: %s", path, error)
                problem = str(error)

    def _change(self, models: Mapping[str, ServedModel]) -> list[Versions]:
        for name in self._watchers.keys() - models.keys():
            self._watchers.pop(name)[1].update(None)
        added = []
        for name, model in models.items():
            if name in self._watchers:
                self._watchers[name][1].update(model)
            else:
                added.append(self._add(model))
        return added

    def _add(self, model: ServedModel) -> Versions:
        versions = Versions(model.name)

        def load(folder: Path, version: int) -> "Servable":
            return self._load(model.name, folder, version)

        watcher = VersionWatcher(model, versions, load, self._poll_s, self._retries)
        self._catalogue.add(versions)
        self._watchers[model.name] = (versions, watcher)
        watcher.start(self._stop)
        return versions

    def _wait(self, added: list[Versions], give_up: Callable[[], bool]) -> None:
        for versions in added:
            while not versions.wait_settled(_LOOK_S):
                if give_up() or self._stop.is_set():
                    break
        failed = [reason for versions in added if not versions.loaded() for reason in _reasons(versions)]
        if failed:
            listed = "".join(f"{{{reason}}}, " for reason in failed)
            raise StatusError(Code.UNKNOWN, f"{len(failed)} model(s) did not become available: {{{listed}}}")


def _reasons(versions: Versions) -> list[str]:
    statuses = versions.statuses()
    if not statuses:
        return [f"{{name: {versions.model_name}}}"]
    reasons = []
    for status in statuses:
        error = f" due to error: {status.code.name}: {status.message}" if status.state is State.END else ""
        reasons.append(f"{{name: {versions.model_name} version: {status.version}}}{error}")
    return reasons
