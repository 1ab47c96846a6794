-- One row for each patient, phase and region; embeddings of several lesions become their mean.
WITH chosen AS (
${chosen}
),
long AS (
    SELECT
        patient_id, phase, region, lesion,
        generate_subscripts(CAST(embedding AS FLOAT[]), 1) AS position,
        CAST(unnest(CAST(embedding AS FLOAT[])) AS DOUBLE) AS value
    FROM ${rows}
    SEMI JOIN chosen USING (patient_id, lesion)
    WHERE session = $session
        AND phase IN $phases
        AND region IN $regions
),
means AS (
    SELECT patient_id, phase, region, position, avg(value ORDER BY lesion) AS value
    FROM long
    GROUP BY patient_id, phase, region, position
)
SELECT
    patient_id, phase, region, NULL AS image_type, list(value ORDER BY position) AS embedding
FROM means
GROUP BY patient_id, phase, region
ORDER BY patient_id, phase, region
