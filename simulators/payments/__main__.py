"""`python -m simulators.payments`"""

from simulators.payments.main import main

main()
