"""What a run leaves in its folder: config.json, checkpoints, numbers, pictures; and who owns it."""
