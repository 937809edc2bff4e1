"""A payment provider: asynchronous results, scripted failures, silence, chargebacks, a statement."""
