"""What a run needs to know, in the groups that programs share.

gin fills these in; they check what can be checked without reading a file, so that a
mistake costs a second and not the loading of a model.
"""

from spot_jax.settings.data import Data
from spot_jax.settings.evaluation import Evaluation
from spot_jax.settings.model import Model
from spot_jax.settings.prompts import Prompts
from spot_jax.settings.training import Loss, Target, Training

__all__ = ["Data", "Evaluation", "Loss", "Model", "Prompts", "Target", "Training"]
