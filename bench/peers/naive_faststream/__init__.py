"""Five services on FastStream as its documentation shows them: a transaction and an acknowledgement a message."""
