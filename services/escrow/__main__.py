from escrow.main import main

main()
