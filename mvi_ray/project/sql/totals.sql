-- VOIs of the modelling reader by what they have, over some families.
SELECT
    count(*) AS wanted,
    count(*) FILTER (WHERE state = 'complete') AS complete,
    count(*) FILTER (WHERE state IN ('no image', 'no mask')) AS absent
FROM coverage
WHERE family IN (SELECT unnest($families))
