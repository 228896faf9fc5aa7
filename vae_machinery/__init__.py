"""What vae_core needs and a reader of it does not: checks, files, checkpoints, optimisers, data, few labels."""
