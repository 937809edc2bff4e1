"""`python -m identity`"""

from identity.main import main

main()
