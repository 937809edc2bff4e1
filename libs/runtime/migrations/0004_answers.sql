-- How commands that came by HTTP under an Idempotency-Key were answered: written with their effect, and read when the
-- same request comes again. `id` is the command's id in the inbox, `request` a digest of what was asked.
CREATE TABLE answers (
    id      uuid PRIMARY KEY,
    request bytea NOT NULL,
    answer  json NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
);
-- Rows come in the order of their time, so that this small index finds the old ones.
CREATE INDEX answers_at ON answers USING brin (at);
