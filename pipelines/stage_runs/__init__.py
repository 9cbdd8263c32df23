"""DVC stages as Prefect tasks: what has to run, when, on which GPU, as which process."""
