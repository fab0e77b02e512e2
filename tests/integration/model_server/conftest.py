"""One server for all groups that do not change it; and a table of checks by group."""

import re
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("tensorflow_serving.apis")

from tests.integration.model_server.bad_cases import MESSAGE_LIMIT
from tests.integration.model_server.process import Server
from tests.integration.model_server.saved_models import export_examples, export_toy

LABELS = "--allow_version_labels_for_unavailable_models"
GROUPS = Path(__file__).parent


def model_config(*entries: str) -> str:
    """The text of a model configuration file."""
    return "model_config_list { " + " ".join(f"config {{ {entry} }}" for entry in entries) + " }"


def model_entry(name: str, base: Path, more: str = "") -> str:
    """One model in it."""
    return f'name: "{name}" base_path: "{base}" model_platform: "tensorflow" {more}'


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Path:
    """Toy versions 1 to 3, and a model of examples under `examples/1`."""
    folder = tmp_path_factory.mktemp("exported")
    for version in (1, 2, 3):
        export_toy(folder, version)
    (folder / "examples").mkdir()
    export_examples(folder / "examples", 1)
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory, exported):
    """Models `m` (toy, version 1), `two` (toy, versions 2 and 3, labelled) and `ex` (examples)."""
    base = tmp_path_factory.mktemp("served")
    for name, version, source in (("m", "00000001", "1"), ("two", "2", "2"), ("two", "3", "3")):
        (base / name).mkdir(exist_ok=True)
        (base / name / version).symlink_to(exported / source)
    labels = "".join(
        f'version_labels {{ key: "{key}" value: {value} }} ' for key, value in (("stable", 2), ("canary", 3))
    )
    config, monitoring = base / "models.config", base / "monitoring.config"
    config.write_text(
        model_config(
            model_entry("m", base / "m"),
            model_entry("two", base / "two", f"model_version_policy {{ all {{}} }} {labels}"),
            model_entry("ex", exported / "examples"),
        )
    )
    monitoring.write_text('prometheus_config { enable: true path: "/metrics/here" }')
    limit = f"--grpc_channel_arguments=grpc.max_receive_message_length={MESSAGE_LIMIT}"
    flags = (f"--model_config_file={config}", f"--monitoring_config_file={monitoring}", limit)
    started = Server(*flags, "--rest_api_timeout_in_ms=3000", "--rest_api_enable_cors_support", LABELS).wait_ready()
    yield started
    assert started.stop() == 0


def pytest_collection_modifyitems(items) -> None:
    """These are integration tests, each with time for a busy machine."""
    for item in items:
        if GROUPS in item.path.parents:
            item.add_marker(pytest.mark.integration)
            item.add_marker(pytest.mark.timeout(300))


def pytest_terminal_summary(terminalreporter) -> None:
    """Prints how many checks of each group passed, when only these tests ran."""
    results: dict[str, Counter] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            path = Path(report.nodeid.split("::")[0])
            if path.parent.name == GROUPS.name and getattr(report, "when", "call") == "call":
                results.setdefault(_group(path, report.nodeid), Counter())[outcome] += 1
    if results:
        terminalreporter.section("model server: checks by group")
        for group, counts in sorted(results.items()):
            terminalreporter.line(f"{group:24} {counts['passed']:4} of {counts.total()}")
        total = sum((counts for counts in results.values()), Counter())
        terminalreporter.line(f"{'all':24} {total['passed']:4} of {total.total()}")


def _group(path: Path, nodeid: str) -> str:
    """The file's; bad inputs have groups of their own, as `[group/name]`."""
    group = path.stem.removeprefix("test_")
    part = re.search(r"\[(\w+)/", nodeid) if group == "bad_input" else None
    return f"{group} {part[1]}" if part else group
