-- One row for each patient, phase and region, of the largest lesion.
WITH chosen AS (
${chosen}
)
SELECT patient_id, phase, region, NULL AS image_type, CAST(embedding AS FLOAT[]) AS embedding
FROM ${rows}
SEMI JOIN chosen USING (patient_id, lesion)
WHERE session = $session
    AND phase IN $phases
    AND region IN $regions
