"""Other engines that carry the same contract, each a program of its own in an environment of its own."""
