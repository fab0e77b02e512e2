"""The latest texts: bounded, without personal data, found by a rollout's replay."""

from gateway_model import FakeModel, served

from serving.gateway.app import GatewayConfig, create_app
from serving.gateway.recent_texts import RecentTexts
from serving.rollout.replay import read_texts


def test_the_latest_are_kept_without_personal_data_and_replayed(tmp_path):
    path = tmp_path / "recent" / "texts.jsonl"
    recent = RecentTexts(path, limit=3)
    recent.add(["uno", "dos"])
    recent.write()
    recent.add(["rico 😋", "llámenme al 999 000 111"])
    recent.write()
    assert read_texts((path,), 10) == ["dos", "rico 😋", "llámenme al [TELEFONO]"]
    assert path.parent.stat().st_mode & 0o077 == 0
    assert len(read_texts((), 10**6, path)) == len(read_texts((), 10**6)) + 3, "beside the golden set"
    assert read_texts((), 10, tmp_path / "none") == read_texts((), 10)


def test_the_gateway_keeps_texts_only_where_it_is_told_to(tmp_path):
    with served(FakeModel()) as address:
        for number, limit in enumerate((0, 5)):
            path = tmp_path / str(number) / "texts.jsonl"
            app = create_app(GatewayConfig(address, recent_texts=limit, recent_texts_file=path))
            assert app.test_client().post("/api/v1/predict", json={"text": "rico"}).status_code == 200
            recent = app.extensions.get("recent_texts")
            assert (recent is None) == (limit == 0)
            if recent is not None:
                recent.write()
                assert read_texts((path,), 10) == ["rico"]
