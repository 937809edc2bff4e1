-- From here on every batch keeps count of the lines in each state; these are the lines there were before.
INSERT INTO census (aggregate, state, change)
SELECT 'escrow', coalesce(tranche ->> 'state', 'start'), count(*)
FROM escrow, json_array_elements(state -> 'tranches') AS tranche
GROUP BY 2;
