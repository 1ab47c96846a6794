-- Names of an imported family that have a value in a phase and region.
SELECT DISTINCT phase, region, name
FROM (
    SELECT phase, region, unnest(feature_names) AS name, unnest(feature_values) AS value
    FROM imported
    WHERE family = $family
        AND phase IN (SELECT unnest($phases::VARCHAR[]))
        AND region IN (SELECT unnest($regions::VARCHAR[]))
)
WHERE value IS NOT NULL
