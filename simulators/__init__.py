"""The outside world of a marketplace as processes: a payment provider and a carrier.

They are built on the runtime of the services, so their delays are timers that follow the clock of the whole stack,
and a crash of theirs loses nothing.
"""
