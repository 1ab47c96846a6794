-- Of rows for a model matrix those of one phase and some image types.
SELECT patient_id AS line, *
FROM (
${rows}
)
WHERE phase = $phase
    AND (image_type IS NULL OR CAST(image_type AS VARCHAR) IN (SELECT unnest($image_types)))
