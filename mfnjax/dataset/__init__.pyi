from .fields import load_fields as load_fields
from .generate import DatasetSummary as DatasetSummary, generate_dataset as generate_dataset
from .inspection import DatasetInfo as DatasetInfo, inspect_dataset as inspect_dataset
from .pictures import contact_sheet as contact_sheet, plot_distributions as plot_distributions
from .reading import Split as Split, TrainingArrays as TrainingArrays, load_dataset as load_dataset
from .sampling import SWEEPS as SWEEPS, sweep_config as sweep_config
