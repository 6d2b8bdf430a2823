"""The doctor: what may be wrong with a machine and a store, each with what to do about it. It changes nothing."""
