"""Learning settings: the learner that the settings describe."""

from scoring.learner import LearnerConfig
from streams.settings import Settings

__all__ = ["learner_config"]


def learner_config(settings: Settings) -> LearnerConfig:
    """What the settings say about the model.

    Raises
    ------
    ValueError
        If they name a river pipeline that cannot be built; the text says what is unknown and what is near.
    """
    return LearnerConfig(
        model=settings.model,
        horizon_ms=settings.horizon_ms,
        half_life=settings.forgetting_half_life,
        warm_up_positives=settings.warm_up_positives,
        warm_up_negatives=settings.warm_up_negatives,
        calibration_examples=settings.calibration_examples,
        percentile_points=settings.percentile_points,
        allow_pickle=settings.allow_pickled_models,
    )
