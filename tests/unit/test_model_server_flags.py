"""Flags and configuration files of the model server."""

import pytest

from sazon.errors import SettingsError
from serving.model_server.flags import parse_flags
from serving.model_server.model_configs import read_models
from serving.traffic import Traffic


def parse(*arguments: str):
    return parse_flags(arguments, "sazon serve")


def test_flags_come_with_or_without_an_equals_sign(tmp_path):
    options = parse("--port=1", "--rest_api_port", "2", f"--model_base_path={tmp_path}", "--model_name", "m")
    assert (options.listen.grpc_port, options.listen.rest_port) == (1, 2)
    (entry,) = options.models.model_config_list.config
    assert (entry.name, entry.base_path) == ("m", str(tmp_path))


def test_the_default_is_what_was_rolled_out(tmp_path, monkeypatch):
    monkeypatch.setenv("SAZON_HOME", str(tmp_path))
    (entry,) = parse().models.model_config_list.config
    assert entry.name == "taste"
    assert entry.base_path.startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "on"),
    [
        ((), False),
        (("--enable_batching",), True),
        (("--enable_batching=true",), True),
        (("--enable_batching", "true"), True),
        (("--enable_batching=false",), False),
    ],
)
def test_switches(arguments, on):
    assert (parse(*arguments).batching is not None) == on


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--modle_name=x",), "unrecognized arguments: --modle_name=x"),
        (("--model_nam=x",), "unrecognized arguments: --model_nam=x"),
        (("extra",), "unrecognized arguments: extra"),
        (("--port=x",), "argument --port: invalid int value: 'x'"),
        (("--enable_batching=maybe",), "'maybe' is neither true nor false"),
        (("--model_config_file=/no/such",), "/no/such: cannot be read: No such file"),
        (("--batching_parameters_file=/x",), "without --enable_batching"),
    ],
)
def test_mistakes_are_one_clear_line(arguments, message):
    with pytest.raises(SettingsError) as caught:
        parse(*arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_real_servers_flags_without_a_meaning_here_are_taken():
    parse("--flush_filesystem_caches=false", "--num_load_threads=4", "--per_process_gpu_memory_fraction", "0.5")


def models(tmp_path, text: str):
    file = tmp_path / "models.config"
    file.write_text(text)
    return read_models(parse(f"--model_config_file={file}").models)


def test_a_configuration_of_several_models(tmp_path):
    read = models(
        tmp_path,
        """
        model_config_list {
          config { name: "a" base_path: "/a" model_platform: "tensorflow" }
          config {
            name: "b" base_path: "/b" model_platform: "tensorflow"
            model_version_policy { specific { versions: 4 versions: 2 } }
            version_labels { key: "stable" value: 2 }
          }
          config {
            name: "c" base_path: "/c" model_platform: "tensorflow" model_version_policy { latest { num_versions: 2 } }
          }
        }""",
    )
    assert list(read) == ["a", "b", "c"]
    assert read["a"].policy.choose([1, 2, 3]) == {3}
    assert read["b"].policy.choose([1, 2, 3]) == {2}
    assert read["b"].labels == {"stable": 2}
    assert read["c"].policy.choose([1, 2, 3]) == {2, 3}


def test_an_empty_configuration_asks_for_nothing(tmp_path):
    assert models(tmp_path, "") is None
    assert models(tmp_path, "model_config_list {}") == {}


ENTRY = 'name: "m" base_path: "/m"'


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ((f'{ENTRY} model_platform: "tensorflow"',) * 2, "Illegal to list model m multiple times in config list"),
        (
            ('name: "m" base_path: "m" model_platform: "tensorflow"',),
            "Expected model m to have an absolute path or URI; got base_path()=m",
        ),
        (
            (ENTRY,),
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform.",
        ),
        ((f'{ENTRY} model_platform: "torch"',), "Model m requests unsupported platform torch"),
    ],
)
def test_wrong_configurations(tmp_path, entries, message):
    text = "model_config_list { " + "".join(f"config {{ {entry} }} " for entry in entries) + "}"
    with pytest.raises(Exception) as caught:  # noqa: PT011
        models(tmp_path, text)
    assert str(caught.value) == message


def test_a_file_that_is_no_such_proto(tmp_path):
    with pytest.raises(SettingsError, match=r"models\.config: Invalid protobuf file, line 1:"):
        models(tmp_path, "modle_config_list {}")


def batching(tmp_path, text: str):
    file = tmp_path / "batching.config"
    file.write_text(text)
    return parse("--enable_batching", f"--batching_parameters_file={file}").batching


def test_batching_parameters(tmp_path):
    read = batching(
        tmp_path,
        """
        max_batch_size { value: 8 }
        batch_timeout_micros { value: 5000 }
        max_enqueued_batches { value: 3 }
        num_batch_threads { value: 2 }
        allowed_batch_sizes: 4
        allowed_batch_sizes: 8
        pad_variable_length_inputs: true
        """,
    )
    assert (read.max_batch_size, read.batch_timeout_s, read.max_enqueued_batches, read.threads) == (8, 0.005, 3, 2)
    assert (read.allowed_batch_sizes, read.pad_variable_length_inputs) == ((4, 8), True)
    with pytest.raises(SettingsError, match="it must be max_batch_size, 8"):
        batching(tmp_path, "max_batch_size { value: 8 } allowed_batch_sizes: 4")


def test_without_a_file_large_requests_are_split(tmp_path):
    assert parse("--enable_batching").batching.split_large
    assert not batching(tmp_path, "").split_large
    assert batching(tmp_path, "enable_large_batch_splitting { value: true }").split_large


def test_where_rollouts_decide_the_stable_version_is_served_not_the_newest(tmp_path, monkeypatch):
    monkeypatch.setenv("SAZON_HOME", str(tmp_path))
    base = tmp_path / "served" / "taste"
    for version in (3, 4):
        (base / str(version)).mkdir(parents=True)
    assert not parse().models.model_config_list.config[0].HasField("model_version_policy")
    Traffic(stable=3, canary=4, canary_share=0.1).write(tmp_path / "traffic.json")
    options = parse()
    (model,) = options.models.model_config_list.config
    assert (list(model.model_version_policy.specific.versions), dict(model.version_labels)) == ([3], {"stable": 3})
    assert options.allow_unavailable_labels
    (base / "3").rmdir()
    assert not parse().models.model_config_list.config[0].HasField("model_version_policy")


def test_monitoring_and_tls(tmp_path):
    file = tmp_path / "file.config"
    file.write_text("prometheus_config { enable: true }")
    path = parse(f"--monitoring_config_file={file}").listen.metrics_path
    assert path == "/monitoring/prometheus/metrics"
    assert parse("--model_base_path=/m").listen.metrics_path is None
    assert parse().listen.metrics_path == path
    file.write_text('server_key: "k" server_cert: "c" client_verify: false')
    tls = parse(f"--ssl_config_file={file}").listen.tls
    assert (tls.key, tls.certificate, tls.client_authority, tls.verify_client) == (b"k", b"c", None, False)
