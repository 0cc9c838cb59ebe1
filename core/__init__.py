"""The engine: records, hooks, registry, pipeline, run folder, executors, configuration, command line."""
