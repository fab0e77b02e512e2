"""The server's own measurements, named and bucketed as TensorFlow Serving's."""

from typing import Final, Literal

from serving.model_server.metric_families import Counter, Histogram
from serving.model_server.statuses import Code

Api = Literal["Predict", "Classify", "Regress", "MultiInference"]
EntryPoint = Literal["REST", "GRPC"]

PREFIX: Final = ":tensorflow:serving:"
BUCKETS_US: Final = tuple(10 * 1.8**power for power in range(33))
BUCKETS_SIZE: Final = tuple(2**power for power in range(15))

_RUNTIME: Final = "TF1"


class Telemetry:
    """Counts requests, latencies and batches; safe to use from several threads."""

    def __init__(self) -> None:
        self._requests = Counter(f"{PREFIX}request_count", ("model_name", "status"))
        self._request_latency = _latency("request_latency", "model_name", "API", "entrypoint")
        self._runtime_latency = _latency("runtime_latency", "model_name", "API", "runtime")
        self._examples = Counter(f"{PREFIX}request_example_count_total", ("model",))
        self._example_counts = _sizes("request_example_counts", "model")
        self._warm_up_latency = _latency("model_warmup_latency", "model_path", "status")
        self._queuing_latency = _latency("batching_session:queuing_latency", "thread_pool_name")
        self._wrapped_runs = Counter(f"{PREFIX}batching_session:wrapped_run_count")
        self._padding = _sizes("batching_session:padding_size", "execution_batch_size")
        self._input_sizes = _sizes("batching_session:input_batch_size")
        self._processed_sizes = _sizes("batching_session:processed_batch_size")

    def count_request(self, model_name: str, code: Code) -> None:
        """Counts a finished request."""
        self._requests.add(model_name, code.name)

    def observe_request(self, model_name: str, api: Api, entry_point: EntryPoint, seconds: float) -> None:
        """Adds the latency of a successful request, from its last byte in to its answer."""
        self._request_latency.observe(seconds * 1e6, model_name, api, entry_point)

    def observe_runtime(self, model_name: str, api: Api, seconds: float) -> None:
        """Adds the time that the model itself took."""
        self._runtime_latency.observe(seconds * 1e6, model_name, api, _RUNTIME)

    def count_examples(self, model_name: str, count: int) -> None:
        """Adds the examples of a classify, regress or multi-inference request."""
        self._examples.add(model_name, amount=count)
        self._example_counts.observe(count, model_name)

    def observe_warm_up(self, path: str, code: Code, seconds: float) -> None:
        """Adds the time that the warm-up of a version took."""
        self._warm_up_latency.observe(seconds * 1e6, path, code.name)

    def observe_queued(self, pool: str, size: int, seconds: float) -> None:
        """Adds a request that waited for its batch."""
        self._queuing_latency.observe(seconds * 1e6, pool)
        self._input_sizes.observe(size)

    def observe_batch(self, size: int, padding: int) -> None:
        """Adds a batch: its size with the padding rows, and their number."""
        self._wrapped_runs.add()
        self._processed_sizes.observe(size)
        self._padding.observe(padding, str(size))

    def render(self) -> str:
        """The Prometheus text format."""
        lines = []
        for family in vars(self).values():
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines += family.lines()
        return "".join(f"{line}\n" for line in lines)


def _latency(name: str, *labels: str) -> Histogram:
    return Histogram(PREFIX + name, labels, BUCKETS_US)


def _sizes(name: str, *labels: str) -> Histogram:
    return Histogram(PREFIX + name, labels, BUCKETS_SIZE)
