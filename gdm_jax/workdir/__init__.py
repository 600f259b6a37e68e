"""What a run leaves in its folder.

manifest     config.json and data.json: which experiment, on which data
checkpoint   checkpoints/, by Orbax
log          metrics.jsonl, TensorBoard's event files, samples/
lock         which process owns the folder
files        files written whole or not at all, in folders proved writable
"""

__all__: list[str] = []  # import the modules by their names
