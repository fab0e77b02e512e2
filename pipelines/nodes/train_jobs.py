"""TrainJobs of a namespace, and the pods of one, through the Kubernetes API."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pipelines.nodes.train_job import GROUP, PLURAL, VERSION
from sazon.errors import ClusterError, PipelineError
from sazon.kubernetes_api import Cluster

_OF_JOB: Final = "jobset.sigs.k8s.io/jobset-name"
_GONE_S: Final = 300.0


@dataclass(frozen=True)
class TrainJobs:
    """What the Trainer does with them; `sleep` between two looks takes seconds."""

    cluster: Cluster
    sleep: Callable[[float], None] = time.sleep

    def create(self, manifest: dict[str, Any]) -> bool:
        """False where one of that name is there already.

        Raises:
            ClusterError: the API refuses it, or does not know TrainJobs.
        """
        objects = self.cluster.objects
        try:
            self.cluster.call(objects.create_namespaced_custom_object, *self._all, manifest)
        except ClusterError as error:
            if error.status == 404:
                remedy = "this cluster has no TrainJobs; install Kubeflow Trainer 2.2 or later, or set train.nodes to 1"
                raise ClusterError(f"{error}: {remedy}", 404) from None
            if error.status != 409:
                raise
            return False
        return True

    def get(self, name: str) -> dict[str, Any] | None:
        """As it stands; None where there is none."""
        try:
            found: dict[str, Any] = self.cluster.call(
                self.cluster.objects.get_namespaced_custom_object, *self._all, name
            )
        except ClusterError as error:
            if error.status == 404:
                return None
            raise
        return found

    def delete(self, name: str) -> None:
        """With its pods; waits until they are gone.

        Raises:
            ClusterError: the API refuses or is away.
            PipelineError: they do not go.
        """
        try:
            self.cluster.call(
                self.cluster.objects.delete_namespaced_custom_object, *self._all, name, propagation_policy="Foreground"
            )
        except ClusterError as error:
            if error.status != 404:
                raise
        deadline_s = time.monotonic() + _GONE_S
        while self.get(name) is not None:
            if time.monotonic() > deadline_s:
                raise PipelineError(
                    f"TrainJob {name} is being deleted and does not go: see kubectl get trainjob,pods "
                    f"-n {self.cluster.namespace}"
                )
            self.sleep(1.0)

    def pods(self, name: str) -> list[Any]:
        """V1Pods in the order of the nodes."""
        listed = self.cluster.call(
            self.cluster.core.list_namespaced_pod, self.cluster.namespace, label_selector=f"{_OF_JOB}={name}"
        )
        return sorted(listed.items, key=lambda pod: str(pod.metadata.name))

    def last_line(self, pod: str) -> str:
        """Of its log; empty where there is none."""
        try:
            text = self.cluster.call(
                self.cluster.core.read_namespaced_pod_log, pod, self.cluster.namespace, tail_lines=20
            )
        except ClusterError:  # the pod or its machine is gone
            return ""
        return next((line.strip() for line in reversed(str(text).splitlines()) if line.strip()), "")

    @property
    def _all(self) -> tuple[str, str, str, str]:
        return GROUP, VERSION, self.cluster.namespace, PLURAL
