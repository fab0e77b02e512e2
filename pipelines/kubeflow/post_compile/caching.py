"""Which steps may be answered from earlier runs, and by what key."""

from collections.abc import Iterable
from typing import Final

from pipelines.kubeflow.post_compile.graph import Ir, containers_of, tasks_of

_DIGEST: Final = "--cache_digest"
_FLAGS: Final = ("--executor_class_path", "--json_serialized_invocation_args", "--json_serialized_inputs_spec_args")


def never_cache(ir: Ir, names: Iterable[str]) -> None:
    """Runs these tasks each time.

    Upstream: Kubeflow makes the key before the container starts and ignores TFX's drivers. So it does not see what a
    driver would look at: files under ExampleGen's `input_base`, the registry's champion.
    """
    for name in names:
        tasks_of(ir)[name]["cachingOptions"] = {"enableCache": False}


def key_by_digest(ir: Ir, digest: str) -> None:
    """Puts the digest of data and code on every command line; the container's entry drops it.

    Upstream: Kubeflow's key is made of image, command line, parameters and the ids of input artifacts. A parameter that
    is a path (the schema of ImportSchemaGen) stays the same when the file changes; so does a tag under development.
    """
    for container in containers_of(ir):
        arguments = container["args"]
        # Before Beam's flags, which TFX appends and takes for all that it does not know.
        place = max((arguments.index(flag) + 2 for flag in _FLAGS if flag in arguments), default=0)
        arguments[place:place] = [_DIGEST, digest]
