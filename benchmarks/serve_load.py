"""The load of the serving benchmark, in a process of its own: closed loop or a fixed rate. Prints one line of JSON.

At a fixed rate a request's time counts from when it was due, not from when a free client sent it: a server that stalls
is charged for all that waited (Tene, "How NOT to measure latency").
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np

Call = Callable[[str], Awaitable[None]]

_BODIES: dict[str, Callable[[str], dict[str, Any]]] = {
    "tensorflow": lambda text: {"instances": [text]},
    "mlflow": lambda text: {"dataframe_split": {"columns": ["text"], "data": [[text]]}},
    "plain": lambda text: {"text": text},
}


async def closed_loop(call: Call, texts: Sequence[str], clients: int, seconds: float) -> dict[str, Any]:
    """So many clients, each sending its next text when the last is answered."""
    times, failed = [], 0
    until_s = time.perf_counter() + seconds

    async def client(first: int) -> None:
        nonlocal failed
        at = first
        while (started_s := time.perf_counter()) < until_s:
            try:
                await call(texts[at % len(texts)])
                times.append(time.perf_counter() - started_s)
            except Exception:
                failed += 1
            at += clients

    began_s = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    return _summary(times, failed, time.perf_counter() - began_s)


async def fixed_rate(call: Call, texts: Sequence[str], per_s: float, seconds: float) -> dict[str, Any]:
    """Requests that are due at even distances, whatever became of those before."""
    times, failed = [], 0
    began_s = time.perf_counter()

    async def request(number: int, due_s: float) -> None:
        nonlocal failed
        try:
            await call(texts[number % len(texts)])
            times.append(time.perf_counter() - due_s)
        except Exception:
            failed += 1

    under_way = set()
    for number in range(int(per_s * seconds)):
        due_s = began_s + number / per_s
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        task = asyncio.create_task(request(number, due_s))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    return _summary(times, failed, time.perf_counter() - began_s)


def _summary(times: list[float], failed: int, seconds: float) -> dict[str, Any]:
    p50, p99 = np.percentile(times, (50, 99)) * 1e3 if times else (float("nan"), float("nan"))
    return {"requests": len(times), "failed": failed, "per_s": len(times) / seconds, "p50_ms": p50, "p99_ms": p99}


async def over_http(url: str, body: str, run: Callable[[Call], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """JSON over kept connections."""
    import aiohttp

    make = _BODIES[body]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(30)) as session:

        async def call(text: str) -> None:
            async with session.post(url, json=make(text)) as answer:
                await answer.read()
                answer.raise_for_status()

        return await run(call)


async def over_grpc(address: str, run: Callable[[Call], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """TensorFlow Serving's Predict."""
    import grpc
    from tensorflow_serving.apis.predict_pb2 import PredictRequest
    from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

    async with grpc.aio.insecure_channel(address) as channel:
        stub = PredictionServiceStub(channel)

        async def call(text: str) -> None:
            request = PredictRequest()
            request.model_spec.name = "taste"
            tensor = request.inputs["text"]
            tensor.dtype = 7  # string
            tensor.tensor_shape.dim.add(size=1)
            tensor.string_val.append(text.encode())
            await stub.Predict(request, timeout=30)

        return await run(call)


def main(target: str, body: str, texts: list[str], seconds: float, clients: int = 0, per_s: float = 0.0) -> None:
    """One measurement; `clients` for a closed loop, else `per_s`."""

    async def run(call: Call) -> dict[str, Any]:
        await closed_loop(call, texts, clients or 8, min(1.0, seconds / 4))  # connections, shapes
        if clients:
            return await closed_loop(call, texts, clients, seconds)
        return await fixed_rate(call, texts, per_s, seconds)

    answer = over_grpc(target, run) if body == "grpc" else over_http(target, body, run)
    print(json.dumps(asyncio.run(answer)))


if __name__ == "__main__":
    main(**json.load(sys.stdin))
