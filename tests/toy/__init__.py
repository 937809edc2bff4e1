"""Two small services to try the runtime on: `toy` adds numbers to tallies, `mirror` writes down what toy says."""
