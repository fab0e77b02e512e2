"""The model server as a process, and its clients: plain HTTP and the official gRPC stubs."""

import http.client
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

START_S, STOP_S = 150, 30
COMMAND = (sys.executable, "-m", "sazon.cli.main", "serve")


class Server:
    """One process on free ports, stopped by its own pid."""

    def __init__(self, *flags: str, command: tuple[str, ...] = COMMAND) -> None:
        ports = ("--rest_api_port=0", "--port=0", "--file_system_poll_wait_seconds=0.2")
        root = Path(__file__).parents[3]
        self.process = subprocess.Popen([*command, *ports, *flags], cwd=root, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if "model server ready" in line:
                self._ready.set()
        self._ready.set()

    def wait_ready(self) -> "Server":
        assert self._ready.wait(START_S)
        ready = next((line for line in self.lines if line.startswith("model server ready: ")), None)
        assert ready, self.lines
        words = ready.replace(",", "").split()
        self.rest, self.grpc = words[4], words[6]
        channel = grpc.insecure_channel(self.grpc, options=[("grpc.max_receive_message_length", -1)])
        self.channel = channel
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(channel)
        return self

    def wait_failed(self) -> str:
        """The last line of a server that does not start."""
        assert self.process.wait(START_S) != 0
        self._reader.join(5)
        assert not any("Traceback" in line for line in self.lines), self.lines
        return self.lines[-1]

    def request(self, method: str, path: str, body=None, headers=None) -> tuple[int, bytes]:
        status, answer, _ = self.exchange(method, path, body, headers)
        return status, answer

    def exchange(self, method: str, path: str, body=None, headers=None) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(self.rest, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read(), {key.lower(): value for key, value in response.getheaders()}
        finally:
            connection.close()

    def post(self, path: str, document) -> tuple[int, dict]:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        status, answer = self.request("POST", path, body)
        return status, json.loads(answer) if answer else {}

    def get(self, path: str) -> tuple[int, dict]:
        status, answer = self.request("GET", path)
        return status, json.loads(answer)

    def states(self, model: str = "m") -> dict[str, str]:
        _, answer = self.get(f"/v1/models/{model}")
        return {entry["version"]: entry["state"] for entry in answer.get("model_version_status", ())}

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.signal()
        try:
            return self.process.wait(STOP_S)
        finally:
            self.process.kill()
            self._reader.join(5)
