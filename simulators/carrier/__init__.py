"""A carrier: follows parcels and says when they are delivered."""
