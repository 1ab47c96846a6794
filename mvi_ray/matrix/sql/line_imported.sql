-- Imported values of some patients, with the line that each belongs to.
SELECT ${line} AS line, phase, region, feature_values
FROM imported
WHERE family = $family
    AND patient_id BETWEEN $first AND $last
    AND phase IN (SELECT unnest($phases::VARCHAR[]))
    AND region IN (SELECT unnest($regions::VARCHAR[]))
