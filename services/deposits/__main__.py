"""`python -m deposits`"""

from deposits.main import main

main()
