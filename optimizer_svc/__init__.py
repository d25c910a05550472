"""Works off training jobs: searches parameters, judges them out of sample, keeps the best."""
