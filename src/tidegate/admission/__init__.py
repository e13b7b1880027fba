"""The deploy gate in a cluster: a validating admission webhook that reads local evidence only."""
