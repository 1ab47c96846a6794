-- What the study wants of the families asked for ($families) and the store does not have: one row for each
-- VOI and feature set, whichever of the families name it.
WITH asked AS (
    SELECT DISTINCT phase, image_type, feature_set_id
    FROM raw.current_feature_sets
    WHERE family IN (SELECT family FROM raw.families)
        AND family IN (SELECT unnest($families::VARCHAR[]))
),
wanted AS (
    SELECT
        m.patient_id, m.session, m.phase, m.lesion, m.region, m.reader, m.input_digest,
        f.image_type, f.feature_set_id
    FROM raw.current_masks AS m
    JOIN asked AS f ON f.phase = m.phase
    WHERE m.region IN (SELECT region FROM raw.regions)
        AND m.reader IN (SELECT reader FROM raw.readers)
),
present AS (
    SELECT
        patient_id, session, phase, lesion, region, reader, input_digest, feature_set_id
    FROM raw.cr
    UNION ALL
    SELECT
        patient_id, session, phase, lesion, region, reader, input_digest, feature_set_id
    FROM raw.dlr
)
SELECT w.*
FROM wanted AS w
ANTI JOIN present AS p
    ON p.patient_id = w.patient_id AND p.session = w.session AND p.phase = w.phase
    AND p.lesion = w.lesion AND p.region = w.region AND p.reader = w.reader
    AND p.input_digest = w.input_digest AND p.feature_set_id = w.feature_set_id
ORDER BY ALL
