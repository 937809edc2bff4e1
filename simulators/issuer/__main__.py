"""`python -m simulators.issuer`"""

from simulators.issuer.main import main

main()
