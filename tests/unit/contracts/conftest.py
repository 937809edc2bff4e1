"""Property tests are never timed: a busy machine is no failure."""

from hypothesis import settings

settings.register_profile("holdfast", deadline=None)
settings.load_profile("holdfast")
