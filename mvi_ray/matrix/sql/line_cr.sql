-- Rows of `cr` of some patients, with the line that each belongs to.
SELECT ${line} AS line, phase, region, image_type, ${values}
FROM ${rows}
WHERE patient_id BETWEEN $first AND $last
    AND phase IN (SELECT unnest($phases::VARCHAR[]))
    AND region IN (SELECT unnest($regions::VARCHAR[]))
    AND image_type IN (SELECT unnest($image_types::VARCHAR[]))
