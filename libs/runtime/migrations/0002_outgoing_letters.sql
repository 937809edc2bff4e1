-- The relay asks with every batch which keys have a message set aside that the broker would not have: mostly none.
CREATE INDEX dead_letters_outgoing ON dead_letters (record_key)
    WHERE "offset" = -2 AND status IN ('failed', 'waiting');
