"""Rates that fit the encoder, where the settings leave them open."""

from sazon.settings import EncoderSettings, TrainSettings

_HIDDEN = 256  # of the encoder that the rates below were found for, on the eval split of the sample
_FROM_SCRATCH, _PRETRAINED, _LEAST = 8e-4, 4e-4, 2e-5
_LAYER_DECAY = 0.9


def complete(settings: TrainSettings, size: EncoderSettings, *, pretrained: bool) -> TrainSettings:
    """The settings with a learning rate and a layer decay.

    What was pretrained is changed less, and a wider encoder more slowly: 4.4e-5 for a pretrained BERT base.

    Args:
        settings: those given by the user stay as they are.
        size: of the encoder.
        pretrained: whether it starts from a checkpoint's weights.
    """
    narrow = min(1.0, _HIDDEN / size.hidden)
    rate = max(_LEAST, _PRETRAINED * narrow**2) if pretrained else _FROM_SCRATCH * narrow
    return settings.model_copy(
        update={
            "learning_rate": settings.learning_rate or rate,
            "layer_decay": settings.layer_decay or (_LAYER_DECAY if pretrained else 1.0),
        }
    )
