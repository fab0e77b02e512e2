"""What a sweep searches: the values that settings of training may take. The same for Optuna and for Katib."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import ValidationError

from sazon.errors import SettingsError
from sazon.settings import Span, TrainSettings, Tunable

if TYPE_CHECKING:
    from optuna import Trial

# Where rows are few, `train.least_steps` may make more epochs than these.
# The learning rates of large pretrained encoders begin at the lower end, those of small new ones end at the upper.
DEFAULT: Final[dict[Tunable, Span]] = {
    "learning_rate": Span(low=2e-5, high=2e-3, log=True),
    "batch_size": Span(choices=(16, 32, 64)),
    "epochs": Span(low=3, high=10),
    "dropout": Span(low=0.0, high=0.3),
    "token_dropout": Span(low=0.0, high=0.3),
    "label_smoothing": Span(low=0.0, high=0.15),
    "weight_decay": Span(low=1e-3, high=0.1, log=True),
    "warmup_share": Span(low=0.0, high=0.2),
    "layer_decay": Span(low=0.7, high=1.0),
    "rdrop": Span(choices=(0.0, 1.0)),
}

Values = dict[str, int | float]


@dataclass(frozen=True)
class SearchSpace:
    """Spans by the name of the setting of training."""

    spans: Mapping[Tunable, Span]

    @classmethod
    def of(cls, overrides: Mapping[Tunable, Span]) -> Self:
        """The default space with some spans replaced.

        Raises:
            SettingsError: a span holds a value that the setting does not take.
        """
        for name, span in overrides.items():
            for value in span.choices or (span.low, span.high):
                _check(name, value)
        return cls({**DEFAULT, **overrides})

    def suggest(self, trial: "Trial") -> Values:
        """Values of one trial."""
        return {name: _suggest(trial, name, span) for name, span in self.spans.items()}

    def values_of(self, settings: TrainSettings) -> Values | None:
        """The settings as a point of the space; None where they lie outside."""
        values: Values = {name: getattr(settings, name) for name in self.spans}
        return values if all(_holds(span, values[name]) for name, span in self.spans.items()) else None

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """In the form of `sweep.space` in sazon.yaml."""
        return {name: span.model_dump(mode="json", exclude_defaults=True) for name, span in self.spans.items()}


def is_whole(name: Tunable) -> bool:
    """Whether the setting is a count."""
    return TrainSettings.model_fields[name].annotation is int


def _suggest(trial: "Trial", name: Tunable, span: Span) -> int | float:
    if span.choices is not None:
        return trial.suggest_categorical(name, span.choices)
    assert span.low is not None and span.high is not None
    if is_whole(name):
        return trial.suggest_int(name, int(span.low), int(span.high), log=span.log)
    return trial.suggest_float(name, span.low, span.high, log=span.log)


def _holds(span: Span, value: float) -> bool:
    if span.choices is not None:
        return value in span.choices
    assert span.low is not None and span.high is not None
    return span.low <= value <= span.high


def _check(name: Tunable, value: float | None) -> None:
    try:
        TrainSettings.model_validate({name: value})
    except ValidationError as error:
        raise SettingsError(f"setting sweep.space.{name}: {value}: {error.errors()[0]['msg']}") from None
