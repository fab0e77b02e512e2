"""Who answers: stable, canary, shadow; what is retried, refused and counted."""

import re
import threading
import time

import grpc
import pytest
from gateway_model import FakeModel, served
from prometheus_client import CollectorRegistry
from waiting import wait_until

from serving.gateway.app import GatewayConfig, create_app
from serving.gateway.prediction_ids import read_prediction_id
from serving.gateway.routing import CHECK_S, TrafficFile, choose_shadow, choose_target
from serving.monitoring import metrics
from serving.traffic import CANARY, STABLE, Traffic

PREDICT, EXPLAIN = "/api/v1/predict", "/api/v1/explain"


@pytest.fixture
def model():
    model = FakeModel()
    model.versions = {7: "positive", 8: "negative"}
    return model


@pytest.fixture
def address(model):
    with served(model) as address:
        yield address


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def gateway(address, registry, tmp_path):
    """Makes a client of a gateway with this traffic."""

    def make(**traffic):
        path = tmp_path / "traffic.json"
        Traffic(**traffic).write(path)
        config = GatewayConfig(address, timeout_s=2.0, traffic=path, registry=registry, max_in_flight=2, max_queued=2)
        return create_app(config).test_client()

    return make


def ask(client, key, text="x", **headers):
    return client.post(PREDICT, json={"text": text}, headers={"X-Request-Key": key, **headers})


def count(registry, name, **labels):
    return registry.get_sample_value(name, {key: str(value) for key, value in labels.items()}) or 0


def test_a_share_of_keys_goes_to_the_canary_and_stays_there():
    keys = [f"store {number}" for number in range(4000)]

    def canaries(share):
        traffic = Traffic(stable=7, canary=8, canary_share=share)
        return {key for key in keys if choose_target(traffic, key).role == CANARY}

    few, more = canaries(0.05), canaries(0.25)
    assert 140 < len(few) < 260 and 880 < len(more) < 1120
    assert few < more < canaries(1.0) == set(keys)
    assert canaries(0.0) == set()
    shadowed = {key for key in keys if choose_shadow(Traffic(7, 8, 0.0, 0.25), key)}
    assert 180 < len(shadowed & more) < 330, "shadows are drawn apart from canaries"


def test_the_answer_names_the_version_that_the_key_leads_to(gateway, model):
    client = gateway(stable=7, canary=8, canary_share=0.5)
    versions = {f"k{number}": ask(client, f"k{number}").json["model_version"] for number in range(24)}
    assert set(versions.values()) == {"7", "8"}
    assert all(ask(client, key).json["model_version"] == version for key, version in versions.items())
    named = [(ask(client, key).json["prediction_id"], version) for key, version in versions.items()]
    said = {name: read_prediction_id(name) for name, _ in named}
    assert len(said) == 24, "no two answers share an id"
    roles = {"7": "stable", "8": "canary"}
    assert [(said[name].role, said[name].version) for name, _ in named] == [(roles[v], int(v)) for _, v in named]
    canary = next(key for key, version in versions.items() if version == "8")
    explained = client.post(EXPLAIN, json={"text": "a b"}, headers={"X-Request-Key": canary})
    assert explained.json["model_version"] == "8"
    texts = [f"text {number}" for number in range(24)]
    by_text = {text: client.post(PREDICT, json={"text": text}).json["model_version"] for text in texts}
    assert set(by_text.values()) == {"7", "8"}
    assert all(client.post(PREDICT, json={"text": text}).json["model_version"] == by_text[text] for text in texts)


def test_a_canary_that_is_gone_is_answered_for_by_stable_and_that_by_nobody(gateway, model, registry):
    client = gateway(stable=7, canary=9, canary_share=1.0)
    assert ask(client, "k").json["model_version"] == "7"
    del model.versions[7]
    assert ask(client, "k").status_code == 503, "the latest may be on trial"
    assert model.calls == {9: 2, 7: 2}
    calls = metrics.GATEWAY_CALLS
    assert count(registry, calls, role="canary", model_version=9, outcome="not_found") == 2
    assert count(registry, calls, role="stable", model_version=7, outcome="ok") == 1


def test_the_traffic_file_is_followed_and_a_damaged_one_is_not(tmp_path):
    path = tmp_path / "traffic.json"
    file = TrafficFile(path, check_s=0.0)
    assert file.current() == Traffic()
    Traffic(stable=3).write(path)
    assert file.current() == Traffic(stable=3)
    path.write_text("{")
    assert file.current() == Traffic(stable=3)
    Traffic(stable=3, canary=4, canary_share=0.05).write(path)
    assert file.current().canary == 4
    path.unlink()
    assert file.current() == Traffic()
    rare = TrafficFile(path)
    rare.current()
    Traffic(stable=5).write(path)
    assert rare.current() == Traffic()
    time.sleep(CHECK_S)
    assert rare.current() == Traffic(stable=5)


def test_a_shadow_is_counted_and_never_seen(gateway, model, registry):
    client = gateway(stable=7, canary=8, shadow_share=1.0)
    model.slow[8] = 0.3
    started = time.monotonic()
    answers = [ask(client, f"k{number}").json for number in range(2)]
    assert time.monotonic() - started < 0.3
    assert {answer["model_version"] for answer in answers} == {"7"}
    agreement = metrics.GATEWAY_SHADOW_AGREEMENT
    wait_until(lambda: count(registry, agreement, model_version=8, output="tastes", agrees="true") == 2)
    assert count(registry, agreement, model_version=8, output="sentiment", agrees="false") == 2
    assert count(registry, metrics.GATEWAY_CALLS, role="shadow", model_version=8, outcome="ok") == 2
    seconds = f"{metrics.GATEWAY_INFERENCE_DURATION}_sum"
    assert count(registry, seconds, role="shadow", model_version=8, outcome="ok") > 0.6
    predicted = metrics.GATEWAY_PREDICTIONS
    assert count(registry, predicted, role="shadow", model_version=8, sentiment="negative") == 2
    assert count(registry, predicted, role="stable", model_version=7, sentiment="positive") == 2

    model.slow[8], model.failing[8] = 0.0, (grpc.StatusCode.INTERNAL, 1)
    assert ask(client, "k").status_code == 200
    wait_until(lambda: count(registry, metrics.GATEWAY_CALLS, role="shadow", model_version=8, outcome="internal") == 1)


def test_shadows_that_pile_up_are_dropped(gateway, model, registry):
    client = gateway(stable=7, canary=8, shadow_share=1.0)
    model.slow[8] = 0.5
    assert all(ask(client, "k").status_code == 200 for _ in range(40))
    assert 8 <= count(registry, metrics.GATEWAY_SHADOW_DROPPED) <= 10


def test_what_did_not_run_is_retried_and_what_failed_is_not(gateway, model):
    client = gateway()
    model.failing[0] = (grpc.StatusCode.UNAVAILABLE, 2)
    assert ask(client, "k").status_code == 200
    assert model.calls[0] == 3
    model.failing[0] = (grpc.StatusCode.UNAVAILABLE, 3)
    refused = ask(client, "k")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    model.failing[0] = (grpc.StatusCode.INTERNAL, 1)
    assert ask(client, "k").status_code == 500
    assert model.calls[0] == 7


def test_a_model_server_that_is_overloaded_says_come_back(gateway, model):
    model.failure = grpc.StatusCode.RESOURCE_EXHAUSTED
    refused = ask(gateway(), "k")
    assert (refused.status_code, refused.json["error"]["code"]) == (429, "overloaded")
    assert refused.headers["Retry-After"] == "1"


def test_a_client_may_ask_for_less_time_and_for_no_more_than_the_gateway_gives(gateway, model):
    client, model.delay_s = gateway(), 0.4
    started = time.monotonic()
    late = ask(client, "k", **{"X-Timeout-Ms": "50"})
    assert (late.status_code, late.json["error"]["code"]) == (504, "model_timeout")
    assert time.monotonic() - started < 0.4
    model.delay_s = 2.5
    started = time.monotonic()
    assert ask(client, "k", **{"X-Timeout-Ms": "60000"}).status_code == 504
    assert time.monotonic() - started < 2.5
    for wrong in ("0", "-5", "soon", "1e3", "1.5", "٣", "9" * 40):
        refused = ask(client, "k", **{"X-Timeout-Ms": wrong})
        assert (refused.status_code, refused.json["error"]["code"]) == (400, "invalid_request"), wrong


def test_what_does_not_fit_is_refused_at_once_and_unread(gateway, model, registry):
    client, model.delay_s = gateway(), 0.5
    app = client.application
    answers = []
    askers = [threading.Thread(target=lambda: answers.append(ask(app.test_client(), "k"))) for _ in range(4)]
    for asker in askers:
        asker.start()
    wait_until(lambda: count(registry, metrics.GATEWAY_IN_FLIGHT) == 4)
    refused = client.post(PREDICT, data=b"not JSON at all", content_type="text/plain")
    assert (refused.status_code, refused.json["error"]["code"]) == (429, "overloaded")
    assert refused.headers["Retry-After"] == "1"
    assert client.get("/healthz").status_code == client.get("/metrics").status_code == 200
    for asker in askers:
        asker.join()
    assert [answer.status_code for answer in answers] == [200] * 4
    assert count(registry, metrics.GATEWAY_REFUSED) == 1
    assert count(registry, metrics.GATEWAY_IN_FLIGHT) == 0
    assert ask(client, "k").status_code == 200


def test_errors_of_a_canary_are_counted_as_its_own(gateway, model, registry):
    client = gateway(stable=7, canary=8, canary_share=1.0)
    model.failing[8] = (grpc.StatusCode.INTERNAL, 1)
    assert ask(client, "k").status_code == 500
    model.width = 3
    assert ask(client, "k").status_code == 500
    for outcome in ("internal", "bad_answer"):
        assert count(registry, metrics.GATEWAY_CALLS, role="canary", model_version=8, outcome=outcome) == 1


def test_a_histogram_leads_to_the_trace_that_took_long(gateway):
    client, trace = gateway(stable=7), "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = ask(client, "k", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert answer.headers["X-Trace-Id"] == trace
    plain = client.get("/metrics")
    assert plain.content_type.startswith("text/plain") and trace not in plain.text
    text = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}).text
    assert text.endswith("# EOF\n")
    found = re.search(rf'{metrics.GATEWAY_INFERENCE_DURATION}_bucket{{.*}} 1.0 # {{trace_id="(\w+)"}}', text)
    assert found and found[1] == trace
    made_up = ask(client, "k", traceparent="00-zz-1-01").headers["X-Trace-Id"]
    assert re.fullmatch("[0-9a-f]{32}", made_up)


def test_without_a_traffic_file_the_latest_version_answers(gateway, model):
    assert ask(gateway(), "k").json["model_version"] == "8"
    assert model.calls == {0: 1}
    assert choose_target(Traffic(), "k").role == STABLE
