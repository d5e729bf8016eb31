"""The demonstration: payees are paid through a gateway with faults, by a process that is killed during the run."""
