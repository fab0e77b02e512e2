"""Kubeflow Pipelines over its API: send a compiled pipeline, repeat it, follow it, stop it."""

import contextlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from pipelines.kubeflow.arguments import parse_arguments
from pipelines.kubeflow.post_compile import checks, document
from pipelines.kubeflow.run_details import RunState, executor_of, read_run
from sazon.cluster import KubeflowSettings
from sazon.errors import ServingError, UserError

_NOT_FOUND: Final = 404
_TIMEOUT_S: Final = 10.0
_LISTED: Final = 10


@dataclass(frozen=True)
class Schedule:
    """A pipeline that is started again and again."""

    schedule_id: str
    name: str
    cron: str
    enabled: bool


class KubeflowClient:
    """One Kubeflow Pipelines API, spoken to with the kfp client.

    Every method raises ServingError when the API is away or refuses, UserError when something does not exist.
    """

    def __init__(self, kfp_client: Any, api: Any, settings: KubeflowSettings, namespace: str | None) -> None:
        self._kfp = kfp_client
        self._api = api
        self._settings = settings
        self._namespace = namespace  # only where the installation has several users

    @classmethod
    def connect(cls, settings: KubeflowSettings) -> Self:
        """Asks the API how it is, within ten seconds.

        Raises:
            UserError: no host is set.
            ServingError: nothing answers there, or something else than Kubeflow Pipelines.
        """
        if not settings.host:
            raise UserError("no host of Kubeflow Pipelines: give --host, or set kubeflow.host (http://localhost:8888)")
        import kfp
        import kfp_server_api

        token = settings.token.get_secret_value() if settings.token else None
        configuration = kfp_server_api.Configuration(host=settings.host.rstrip("/"))
        if token:
            configuration.api_key["authorization"] = token
            configuration.api_key_prefix["authorization"] = "Bearer"
        api = kfp_server_api.ApiClient(configuration)
        health = kfp_server_api.HealthzServiceApi(api)
        multi_user = _ask(settings.host, health.healthz_service_get_healthz, _request_timeout=_TIMEOUT_S).multi_user
        place = {"namespace": settings.namespace} if multi_user else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is for version 2
            client = kfp.Client(host=settings.host, existing_token=token, **place)
        return cls(client, api, settings, settings.namespace if multi_user else None)

    def submit(self, package: Path, arguments: list[str], name: str | None = None, *, cache: bool = True) -> RunState:
        """Starts a compiled pipeline.

        Args:
            package: the compiled file; checked again.
            arguments: `name=value` for its parameters.
            name: of the run.
            cache: False runs every step anew.
        """
        pipeline, values = read_order(package, arguments)
        run = self._call(
            self._kfp.run_pipeline,
            experiment_id=self._experiment(pipeline),
            job_name=name or f"{pipeline} {datetime.now().astimezone():%Y-%m-%d %H:%M}",
            pipeline_package_path=str(package),
            params=values,
            pipeline_root=self._settings.pipeline_root,
            enable_caching=None if cache else False,
            service_account=self._settings.service_account,
        )
        return read_run(run)

    def schedule(self, package: Path, arguments: list[str], cron: str, name: str | None = None) -> Schedule:
        """Starts the pipeline at the times of a cron line, in UTC, one run at a time; replaces what has that name."""
        pipeline, values = read_order(package, arguments)
        name = name or pipeline
        replaced = [known for known in self.schedules() if known.name == name]
        made = self._call(
            self._kfp.create_recurring_run,
            experiment_id=self._experiment(pipeline),
            job_name=name,
            cron_expression=f"0 {cron}",  # Kubeflow's first field is the second
            max_concurrency=1,
            no_catchup=True,
            params=values,
            pipeline_package_path=str(package),
            pipeline_root=self._settings.pipeline_root,
            service_account=self._settings.service_account,
        )
        for known in replaced:
            self._call(self._kfp.delete_recurring_run, known.schedule_id)
        return _schedule(made)

    def runs(self) -> list[RunState]:
        """The latest, newest first."""
        found = self._call(
            self._kfp.list_runs, page_size=_LISTED, sort_by="created_at desc", namespace=self._namespace
        ).runs
        return [read_run(run) for run in found or ()]

    def schedules(self) -> list[Schedule]:
        """All that are there."""
        found: list[Schedule] = []
        token = ""
        while True:
            page = self._call(self._kfp.list_recurring_runs, page_token=token, page_size=100, namespace=self._namespace)
            found += [_schedule(item) for item in page.recurring_runs or ()]
            token = page.next_page_token
            if not token:
                return found

    def status(self, run_id: str) -> RunState:
        """A run and its steps."""
        return read_run(self._call(self._kfp.get_run, run_id, missing=f'no run has the id "{run_id}"'))

    def logs(self, run_id: str, step: str) -> str:
        """What the container of a step printed; of several tries, the last."""
        run = self._call(self._kfp.get_run, run_id, missing=f'no run has the id "{run_id}"')
        node = executor_of(run, step)
        response = self._call(
            self._api.call_api,
            "/apis/v1alpha1/runs/{run}/nodes/{node}/log",
            "GET",
            path_params={"run": run_id, "node": node},
            auth_settings=["Bearer"],
            missing=f"{step}: its log is gone, with its pod",
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=_TIMEOUT_S,
        )
        text: str = response.data.decode("utf-8", errors="replace")
        return text

    def cancel(self, run_or_schedule: str) -> str:
        """Stops a run, or ends a schedule; says which."""
        try:
            self._call(self._kfp.terminate_run, run_or_schedule, missing="")
        except UserError:
            missing = f'neither a run nor a schedule has the id "{run_or_schedule}"'
            self._call(self._kfp.delete_recurring_run, run_or_schedule, missing=missing)
            return "schedule"
        return "run"

    def _experiment(self, pipeline: str) -> str:
        made = self._call(self._kfp.create_experiment, pipeline, namespace=self._namespace)
        identifier: str = made.experiment_id
        return identifier

    def _call(self, function: Callable[..., Any], *args: Any, missing: str | None = None, **kwargs: Any) -> Any:
        return _ask(self._settings.host, function, *args, missing=missing, **kwargs)


def read_order(package: Path, arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """Checks a compiled file and the arguments for it; returns the name of its pipeline and their values.

    Raises:
        UserError: the file is none, would not run, or an argument does not fit.
    """
    try:
        text = package.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise UserError(f"{package}: {reason}; make it with sazon pipeline compile") from None
    ir, platform = document.parse(text)
    checks.check(ir, platform)
    return ir["pipelineInfo"]["name"], parse_arguments(ir, arguments)


def _ask(host: str | None, function: Callable[..., Any], *args: Any, missing: str | None = None, **kwargs: Any) -> Any:
    """Calls the API; whatever goes wrong becomes one line."""
    from kfp_server_api.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # the client prints links
            return function(*args, **kwargs)
    except ApiException as error:
        if missing is not None and error.status == _NOT_FOUND:
            raise UserError(missing) from None
        reason = " ".join(str(error.body or error.reason).split())[:300]
        raise ServingError(f"Kubeflow Pipelines at {host} answered {error.status}: {reason}") from None
    except HTTPError as error:
        reason = " ".join(str(getattr(error, "reason", None) or error).split())[:200]
        raise ServingError(
            f"Kubeflow Pipelines at {host} cannot be reached: {reason} "
            "(is kubectl port-forward svc/ml-pipeline 8888 running?)"
        ) from None


def _schedule(item: Any) -> Schedule:
    cron = item.trigger.cron_schedule.cron if item.trigger and item.trigger.cron_schedule else ""
    return Schedule(item.recurring_run_id, item.display_name, cron.removeprefix("0 "), item.mode != "DISABLE")
