"""Makes the dataset of the test that kills it: python dataset_runner.py PATH ROWS."""

import sys

from dataset_sweeps import small_config

from mfnjax.dataset import generate_dataset

if __name__ == "__main__":
    config = small_config(
        num_samples=int(sys.argv[2]),
        grid_sizes=(16,),
        steps_range=(40, 64),
        output_path=sys.argv[1],
    )
    generate_dataset(config, workers=2, resume=True)
