"""One node of a training on several: `python -m models.training.nodes ADDRESS HOST:PORT…`.

All nodes run this with the same arguments. They fetch the job from the store, train together, and the first one writes
checkpoints and the result. A node that loses another ends with an error; started again, all go on from the newest
checkpoint. Which one this is, `JOB_COMPLETION_INDEX` says, as the Job controller of Kubernetes sets it.
"""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sazon.errors import SazonError, UserError
from sazon.quiet import quiet_libraries

if TYPE_CHECKING:
    from models.training.fitting import Fitted
    from models.training.state import Epoch
    from models.training.store import ObjectStore

JOB_FOLDER: Final = "job"
RESULT_FOLDER: Final = "result"
_INDEX: Final = "JOB_COMPLETION_INDEX"


def main(address: str, hosts: Sequence[str]) -> None:
    """Trains as one node.

    Args:
        address: of the training in the store.
        hosts: host:port where each node listens for the others, in their order.
    """
    os.environ["TF_CONFIG"] = tf_config(hosts, index := node_index(len(hosts)))
    with tempfile.TemporaryDirectory(prefix="sazon-node-") as scratch:
        _train(address, index, Path(scratch))


def node_index(nodes: int) -> int:
    """The number of this node, from 0.

    Raises:
        UserError: the environment does not say.
    """
    found = os.environ.get(_INDEX, "")
    if not found.isdigit() or int(found) >= nodes:
        raise UserError(f'{_INDEX} is "{found}", want 0 to {nodes - 1}: run this in an indexed Job')
    return int(found)


def tf_config(hosts: Sequence[str], index: int) -> str:
    """What TensorFlow reads from the environment to find the other nodes.

    >>> tf_config(["taste-node-0-0.taste:2222"], 0)
    '{"cluster": {"worker": ["taste-node-0-0.taste:2222"]}, "task": {"type": "worker", "index": 0}}'
    """
    return json.dumps({"cluster": {"worker": list(hosts)}, "task": {"type": "worker", "index": index}})


def _train(address: str, index: int, scratch: Path) -> None:
    from models.inputs.example_store import ExampleStore
    from models.training.devices import device_scope, mean_over_nodes
    from models.training.fitting import Observer
    from models.training.handover import read_job
    from models.training.state import TrainingState
    from models.training.store import ObjectStore

    store = ObjectStore(address)
    job = store.below(JOB_FOLDER)
    for name in job.names():
        job.get(name, scratch / name)
    observer = Observer(on_epoch=_report) if index == 0 else Observer()
    trainer = read_job(scratch, ExampleStore(scratch / "train"), ExampleStore(scratch / "eval"), None, observer)
    trainer.state = TrainingState(scratch / "state.npz", trainer.settings.checkpoint_s, store, writes=index == 0)
    with device_scope(trainer.settings):
        fitted = trainer.fit()
        if index == 0:
            _store_result(fitted, store, scratch)
        mean_over_nodes([0.0])  # whoever leaves early takes the others down


def _store_result(fitted: "Fitted", store: "ObjectStore", scratch: Path) -> None:
    from models.training.handover import result_files, write_result

    write_result(fitted, scratch)
    target = store.below(RESULT_FOLDER)
    for name, path in result_files(scratch).items():
        target.put(name, path)


def _report(epoch: "Epoch") -> None:
    sys.stdout.write(f"epoch {epoch.number} · loss {epoch.loss:.3f} · eval_score={epoch.score:.4f}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    quiet_libraries()
    from sazon.memory import keep_freed_memory

    keep_freed_memory()
    try:
        main(sys.argv[1], sys.argv[2:])
    except SazonError as error:
        sys.exit(f"error: {error}")
