from models.training.recipe import complete
from sazon.settings import EncoderSettings, TrainSettings

BASE = EncoderSettings(layers=12, hidden=768, heads=12, intermediate=3072)


def test_what_was_pretrained_is_changed_less_and_a_wide_encoder_more_slowly():
    small = complete(TrainSettings(), EncoderSettings(), pretrained=True)
    scratch = complete(TrainSettings(), EncoderSettings(), pretrained=False)
    base = complete(TrainSettings(), BASE, pretrained=True)
    assert 2e-5 <= base.learning_rate < small.learning_rate < scratch.learning_rate
    assert (small.layer_decay, scratch.layer_decay) == (0.9, 1.0)


def test_what_the_user_gave_stays():
    given = TrainSettings(learning_rate=1e-3, layer_decay=0.8)
    assert complete(given, BASE, pretrained=True) == given
