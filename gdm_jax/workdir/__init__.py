"""What a run leaves in its folder, and the file by which its model is passed on.

manifest     config.json and data.json: which experiment, on which data
checkpoint   checkpoints/, by Orbax
model_file   one file of a trained model
trees        arrays by their paths
log          metrics.jsonl, TensorBoard's event files, samples/
lock         which process owns the folder
files        files written whole or not at all, in folders proved writable
"""

__all__: list[str] = []  # import the modules by their names
