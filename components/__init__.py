"""TFX components of Sazón's own, one thin file each: the work itself is done in `models`, `feature_repo`, `serving`."""
