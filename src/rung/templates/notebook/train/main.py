"""The training: each function is a task, its parameters name the tasks whose outputs it takes.

Tasks are cells of the notebook {{notebook}}. Run it with `rung train {{service}}`.
"""

import copy
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from rung.training import Experiment, TestResults, data_file, evaluate_models, sampled

from experiments.{{service}}.train.models import {{shared_names}}to_instances
{{imports}}

{{hyperparameters}}{{tasks}}
{{sample}}
{{evaluate}}
if __name__ == "__main__":
    experiment.run()
    experiment.save()
