"""The development issuer: signs whatever it is asked to, so it must never be believed in production."""
