"""Proves in a process of its own that a version is whole, has the signature, loads, and answers.

`python -m serving.rollout.verification FOLDER [CHAMPION]` prints one line of JSON. Whatever a model does when it is
loaded, end the process or fill the memory, it does to this process alone.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from sazon.errors import SazonError, ServingError

_TIMEOUT_S: Final = 600.0
_TEXTS: Final = ("Rico el ceviche, bien picante", "")
_MIB: Final = 2**20


def verify_apart(folder: Path, champion: Path | None) -> dict[str, float]:
    """Verifies a published version.

    Args:
        folder: with its checksums.
        champion: directory of the version to compare memory with.

    Returns:
        `memory_mib` of the loaded version, and `champion_memory_mib` where there is one.

    Raises:
        ServingError: the version must not be served; the message says why.
    """
    command = [sys.executable, "-m", "serving.rollout.verification", str(folder)]
    command += [str(champion)] if champion is not None else []
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, env=environment)
    except subprocess.TimeoutExpired:
        raise ServingError(f"{folder}: not verified within {_TIMEOUT_S:.0f} s") from None
    if done.returncode < 0:
        raise ServingError(f"{folder}: ended its process with signal {-done.returncode} when it was loaded")
    lines = done.stdout.strip().splitlines()
    answer: dict[str, Any] = json.loads(lines[-1]) if lines else {"error": f"exit status {done.returncode}"}
    if "error" in answer:
        raise ServingError(answer["error"])
    return answer


def main() -> None:
    """Entry of the process."""
    from sazon.quiet import quiet_libraries
    from serving.rollout.publishing import verify

    quiet_libraries()
    folder, *champion = (Path(argument) for argument in sys.argv[1:])
    try:
        verify(folder)
        figures = {"champion_memory_mib": _load(champion[0])} if champion else {}
        answer: dict[str, Any] = {**figures, "memory_mib": _load(folder)}
    except SazonError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
    os._exit(0)  # nothing of TensorFlow is worth an orderly end


_kept: list[Any] = []


def _load(folder: Path) -> float:
    """Loads, asks once, and returns the memory that it took in MiB; the model stays loaded."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  (registers the tokeniser's operations)

    from sazon.schema import INPUT_TEXT, OUTPUT_SENTIMENT, OUTPUT_SENTIMENT_PROBS, OUTPUT_TASTE_PROBS, OUTPUT_TASTES

    tf.constant(1.0)  # the runtime's own memory is not the model's
    before = _resident()
    try:
        model = tf.saved_model.load(str(folder))
        signature = model.signatures["serving_default"]
        outputs = signature(**{INPUT_TEXT: tf.constant(_TEXTS)})
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ServingError(f"{folder}: cannot be loaded and asked: {type(error).__name__}: {reason}") from None
    wanted = {OUTPUT_SENTIMENT, OUTPUT_SENTIMENT_PROBS, OUTPUT_TASTES, OUTPUT_TASTE_PROBS}
    if not wanted <= set(outputs) or any(len(outputs[name]) != len(_TEXTS) for name in wanted):
        raise ServingError(f"{folder}: its signature gives {sorted(outputs)}, want {sorted(wanted)}, one row a text")
    _kept.append(model)
    return round((_resident() - before) / _MIB, 1)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
