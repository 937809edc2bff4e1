from disputes.main import main

main()
