-- One row for each patient, phase, region and image type, of the largest lesion.
WITH chosen AS (
${chosen}
)
SELECT patient_id, phase, region, image_type, ${values}
FROM ${rows}
SEMI JOIN chosen USING (patient_id, lesion)
WHERE session = $session
    AND phase IN $phases
    AND region IN $regions
