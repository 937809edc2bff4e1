"""The benchmark: one contract, measured on Holdfast and on peers, against the limits of the machine it runs on."""
