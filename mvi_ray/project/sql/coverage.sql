-- VOIs of the modelling reader by phase, region, family and state.
SELECT
    phase, region, family, count(*) AS vois,
    count(*) FILTER (WHERE state = 'complete') AS complete,
    count(*) FILTER (WHERE state = 'partial') AS partial,
    count(*) FILTER (WHERE state = 'missing') AS missing,
    count(*) FILTER (WHERE state = 'quarantine') AS quarantine,
    count(*) FILTER (WHERE state IN ('no image', 'no mask')) AS absent
FROM coverage
GROUP BY phase, region, family
ORDER BY
    list_position($phases, phase), list_position($regions, region), family
