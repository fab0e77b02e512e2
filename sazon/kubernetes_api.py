"""A namespace of a Kubernetes cluster, through its API."""

import json
import os
import random
import re
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from sazon.errors import ClusterError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, CoreV1Api, CustomObjectsApi

TIMEOUT_S: Final = 10.0
_ATTEMPTS: Final = 5
_FIRST_PAUSE_S: Final = 0.2
_PASSING: Final = (429, 500, 502, 503, 504)
_REMEDIES: Final = {
    401: "the credentials are not accepted (log in again, or renew the token of the kubeconfig)",
    403: "the account lacks this right (want a Role that grants it)",
}


class Cluster:
    """Asks the API server; what passes is asked again, everything else is one line.

    Attributes:
        namespace: that of all objects.
    """

    def __init__(self, client: "ApiClient", namespace: str) -> None:
        self._client, self.namespace = client, namespace

    @classmethod
    def connect(cls, namespace: str, context: str | None = None) -> "Cluster":
        """Opens no connection yet.

        Args:
            namespace: of all objects.
            context: of the kubeconfig; None: in a pod its service account, elsewhere the current context.

        Raises:
            ClusterError: there is neither a service account nor a kubeconfig with that context.
        """
        from kubernetes import client, config
        from urllib3.util import Retry
        from yaml import YAMLError

        settings = client.Configuration()
        settings.retries = Retry(0)  # asking again is decided here
        in_pod = context is None and "KUBERNETES_SERVICE_HOST" in os.environ
        try:
            if in_pod:
                config.load_incluster_config(settings)
            else:
                config.load_kube_config(os.environ.get("KUBECONFIG"), context, settings)
        except (config.ConfigException, OSError, YAMLError) as error:
            asked = f"context {context} of " if context else ""
            remedy = "set KUBECONFIG, or see: kubectl config get-contexts"
            raise ClusterError(f"{asked}the kubeconfig cannot be used: {_one_line(error)} ({remedy})") from None
        return cls(client.ApiClient(settings), namespace)

    @cached_property
    def core(self) -> "CoreV1Api":
        """Pods, ConfigMaps, Services."""
        from kubernetes.client import CoreV1Api

        return CoreV1Api(self._client)

    @cached_property
    def objects(self) -> "CustomObjectsApi":
        """Custom resources."""
        from kubernetes.client import CustomObjectsApi

        return CustomObjectsApi(self._client)

    def call(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """One request, sent again while the server is overloaded, broken or away.

        Only for what may be carried out twice: an answer may be lost after the server has acted.

        Raises:
            ClusterError: refused, or no answer after several attempts; `status` is HTTP's, None without an answer.
        """
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        options.setdefault("_request_timeout", TIMEOUT_S)
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
            try:
                return method(*arguments, **options)
            except ApiException as error:
                problem = ClusterError(self._describe(error), error.status)
                if error.status not in _PASSING:
                    raise problem from None
            except HTTPError as error:
                reason = getattr(error, "reason", None) or error
                problem = ClusterError(f"the Kubernetes API at {self._address} cannot be reached: {_one_line(reason)}")
        raise problem

    @property
    def _address(self) -> str:
        return str(self._client.configuration.host)

    def _describe(self, error: Any) -> str:
        """What the server says of itself, and what a person can do."""
        try:
            said = json.loads(error.body)["message"]
        except (TypeError, ValueError, KeyError):
            said = _one_line(error.reason or error.body or "no reason")
        remedy = _REMEDIES.get(error.status)
        return f"Kubernetes at {self._address}: {said}{f': {remedy}' if remedy else ''} ({error.status})"


def _one_line(error: object) -> str:
    text = " ".join(str(error).split())
    return re.sub(r"^\S*Connection\(.*?\): ", "", text)  # urllib3 names its own object first
