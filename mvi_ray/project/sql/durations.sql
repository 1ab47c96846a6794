-- Seconds that stored VOIs took, of some patients: what predictions are calibrated with. All rows
-- of one VOI and run carry the same number.
WITH sampled AS (
    SELECT patient_id
    FROM raw.patients
    ORDER BY hash(patient_id)
    LIMIT $patients
),
timed AS (
    SELECT
        f.family, c.patient_id, c.session, c.phase, c.lesion, c.region, c.reader, c.input_digest,
        c.run_id, c.duration_s, c.image_type
    FROM raw.cr AS c
    SEMI JOIN sampled ON sampled.patient_id = c.patient_id
    JOIN raw.current_feature_sets AS f
        ON f.phase = c.phase AND f.image_type = c.image_type AND f.feature_set_id = c.feature_set_id
    UNION ALL
    SELECT
        f.family, d.patient_id, d.session, d.phase, d.lesion, d.region, d.reader, d.input_digest,
        d.run_id, d.duration_s, NULL AS image_type
    FROM raw.dlr AS d
    SEMI JOIN sampled ON sampled.patient_id = d.patient_id
    JOIN raw.current_feature_sets AS f
        ON f.phase = d.phase AND f.image_type IS NULL AND f.feature_set_id = d.feature_set_id
)
SELECT
    family, patient_id, session, phase, lesion, region, reader, input_digest,
    max(duration_s) AS duration_s,
    list(DISTINCT image_type ORDER BY image_type) FILTER (WHERE image_type IS NOT NULL) AS image_types
FROM timed
WHERE duration_s > 0
GROUP BY family, patient_id, session, phase, lesion, region, reader, input_digest, run_id
ORDER BY ALL
