-- A chargeback names a reference; the daily statement names the payment it takes back.
CREATE INDEX operations_paid ON operations ((state ->> 'reference'), moved_at, id)
    WHERE moved_at IS NOT NULL AND state ->> 'kind' = 'payment';
