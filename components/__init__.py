"""TFX components of Sazón's own, one thin file each: the work itself is done in `models`, `feature_repo`, `serving`."""

from typing import Any

_ARTIFACT_TYPES = ("RegisteredVersion", "Report")


def __getattr__(name: str) -> Any:
    """Artifact types by the only name that TFX gives them on Kubeflow, `components.Report`: a module and a class.

    Found when asked for, as this package must not import TFX before `tfdv_compat.install`.
    """
    if name in _ARTIFACT_TYPES:
        from components import artifacts

        return getattr(artifacts, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
