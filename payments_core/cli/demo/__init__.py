"""The demonstration: people paid through a gateway that misbehaves, by a process that is killed in the middle."""
