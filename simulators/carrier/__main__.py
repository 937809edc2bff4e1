"""`python -m simulators.carrier`"""

from simulators.carrier.main import main

main()
