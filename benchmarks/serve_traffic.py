"""Load with a record of every request, in a process of its own, which `begin` and `run` start.

At a fixed rate a request's time counts from when it was due, not from when it was sent.
"""

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
import numpy as np
from numpy.typing import NDArray

from benchmarks.serve_wire import LOST, PATIENCE_S, Record, Wire, post
from sazon.schema import INPUT_TEXT, MODEL_NAME
from serving.gateway.protocol import DT_STRING, PredictionServiceStub, PredictRequest


@dataclass(frozen=True)
class Load:
    """What is asked, and how.

    Attributes:
        texts: one a request, in turn.
        seconds: how long requests are sent, unless stopped before.
        port: of the server.
        form: of the requests: `gateway`; of the model server `rest` or `grpc`.
        clients: in a closed loop.
        per_s: a fixed rate instead, which clients keep to while they are not all waiting, where there are any; not for
            gRPC.
    """

    texts: Sequence[str]
    seconds: float
    port: int
    form: str = "gateway"
    clients: int = 0
    per_s: float = 0.0


@dataclass(frozen=True)
class Answers:
    """What came of a load; one entry per request, in the order of their ends.

    Attributes:
        due_s: (requests,) seconds since the start.
        took_s: (requests,).
        status: (requests,) of HTTP, or `LOST`.
        seconds: how long requests were sent.
        processor_s: what the load itself took of the processor.
    """

    due_s: NDArray[np.float64]
    took_s: NDArray[np.float64]
    status: NDArray[np.int64]
    seconds: float
    processor_s: float

    @property
    def good(self) -> NDArray[np.bool_]:
        """(requests,) which were answered as asked."""
        return self.status == 200

    @property
    def ends_s(self) -> NDArray[np.float64]:
        """(requests,) seconds since the start."""
        return self.due_s + self.took_s

    @property
    def per_s(self) -> float:
        """Good answers a second, those that came after the end not counted."""
        return float(np.sum(self.good & (self.ends_s <= self.seconds)) / self.seconds)

    @property
    def failed(self) -> int:
        """Answers that are not good."""
        return int(np.sum(~self.good))

    def quantile_ms(self, quantile: float, among: NDArray[np.bool_] | None = None) -> float:
        """Of the times of good answers, or of those chosen (a mask); NaN where there are none."""
        chosen = self.took_s[self.good if among is None else among]
        return float(np.quantile(chosen, quantile)) * 1e3 if chosen.size else float("nan")

    def joined(self, other: "Answers", later_s: float) -> "Answers":
        """Both loads as one; the other began so much later."""
        return Answers(
            np.concatenate([self.due_s, other.due_s + later_s]),
            np.concatenate([self.took_s, other.took_s]),
            np.concatenate([self.status, other.status]),
            self.seconds,
            self.processor_s + other.processor_s,
        )


@dataclass(frozen=True)
class Running:
    """A load that is under way.

    Attributes:
        began_s: on `time.monotonic`; what the records count from.
    """

    began_s: float
    _process: "subprocess.Popen[str]"

    def answers(self) -> Answers:
        """Waits for its end."""
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline())
        self._process.wait()
        found = np.load(said["records"])
        Path(said["records"]).unlink()
        return Answers(found[:, 0], found[:, 1], found[:, 2].astype(int), said["seconds"], said["processor_s"])

    def stop(self) -> None:
        """Ends a closed loop before its time."""
        self._process.terminate()


def begin(load: Load) -> Running:
    """Starts a load; returns when its first request is due.

    Raises:
        RuntimeError: it cannot be started; the reason is on stderr.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serve_traffic"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(asdict(load)))
    process.stdin.close()
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the load ended with exit code {process.wait()}")
    return Running(float(line), process)


def run(load: Load) -> Answers:
    """A load from beginning to end."""
    return begin(load).answers()


async def _over_grpc(load: Load, began_s: float, goes_on: Callable[[], bool]) -> list[Record]:
    requests = []
    for text in load.texts:
        request = PredictRequest()
        request.model_spec.name = MODEL_NAME
        tensor = request.inputs[INPUT_TEXT]
        tensor.dtype = DT_STRING
        tensor.tensor_shape.dim.add(size=1)
        tensor.string_val.append(text.encode())
        requests.append(request)
    stub, records = PredictionServiceStub(grpc.aio.insecure_channel(f"127.0.0.1:{load.port}")), list[Record]()

    async def client() -> None:
        while goes_on():
            sent_s = time.monotonic()
            try:
                await stub.Predict(requests[len(records) % len(requests)], timeout=PATIENCE_S)
                status = 200
            except grpc.aio.AioRpcError as error:
                print(f"gRPC: {error.code()}: {error.details()}", file=sys.stderr)
                status = LOST
            records.append((sent_s - began_s, time.monotonic() - sent_s, status))

    await asyncio.gather(*(client() for _ in range(load.clients)))
    return records


def _over_http(load: Load, began_s: float, goes_on: Callable[[], bool]) -> list[Record]:
    path = "/api/v1/predict" if load.form == "gateway" else f"/v1/models/{MODEL_NAME}:predict"
    bodies = [{"text": text} if load.form == "gateway" else {"instances": [text]} for text in load.texts]
    wire = Wire(load.port, [post(path, json.dumps(body).encode()) for body in bodies], began_s)
    if load.per_s and load.clients:
        return wire.paced(load.clients, load.per_s, goes_on)
    if load.per_s:
        return wire.fixed_rate(load.per_s, load.seconds)
    return wire.closed_loop(load.clients, goes_on)


def main() -> None:
    """Reads a load as JSON; prints when it begins, then where its records are."""
    load, ends_s = Load(**json.load(sys.stdin)), [float("inf")]
    signal.signal(signal.SIGTERM, lambda *_: ends_s.append(time.monotonic()))
    began_s, before_s = time.monotonic(), time.process_time()
    ends_s.append(began_s + load.seconds)
    print(began_s, flush=True)

    def goes_on() -> bool:
        return time.monotonic() < min(ends_s)

    if load.form == "grpc":
        records = asyncio.run(_over_grpc(load, began_s, goes_on))
    else:
        records = _over_http(load, began_s, goes_on)
    with tempfile.NamedTemporaryFile(prefix="sazon-load.", suffix=".npy", delete=False) as out:
        np.save(out, np.array(records).reshape(-1, 3))
    took = {"seconds": min(ends_s) - began_s, "processor_s": time.process_time() - before_s}
    print(json.dumps({"records": out.name, **took}))


if __name__ == "__main__":
    main()
