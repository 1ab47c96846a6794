-- One row for each feature of each feature set, phase, region and reader, over the masks that are
-- stored now.
WITH current_cr AS (
    SELECT c.*
    FROM raw.cr AS c
    SEMI JOIN raw.current_masks AS m
        ON m.patient_id = c.patient_id AND m.session = c.session AND m.phase = c.phase
        AND m.lesion = c.lesion AND m.region = c.region AND m.reader = c.reader
        AND m.input_digest = c.input_digest
),
current_dlr AS (
    SELECT d.*
    FROM raw.dlr AS d
    SEMI JOIN raw.current_masks AS m
        ON m.patient_id = d.patient_id AND m.session = d.session AND m.phase = d.phase
        AND m.lesion = d.lesion AND m.region = d.region AND m.reader = d.reader
        AND m.input_digest = d.input_digest
),
cr_summary AS (
    SELECT
        'CR' AS family, feature_set_id, phase, region, reader, image_type,
        unnest([${cr_summaries}]) AS s
    FROM current_cr
    GROUP BY feature_set_id, phase, region, reader, image_type
),
listed AS (
    SELECT
        'DLR' AS family, feature_set_id, phase, region, reader, patient_id, session, lesion,
        'dlr_' || lpad(CAST(generate_subscripts(embedding, 1) - 1 AS VARCHAR), 3, '0') AS feature,
        CAST(unnest(embedding) AS DOUBLE) AS value
    FROM current_dlr
    UNION ALL
    SELECT
        family, feature_set_id, phase, region, reader, patient_id, session, lesion,
        unnest(feature_names) AS feature, unnest(feature_values) AS value
    FROM raw.imported
),
listed_summary AS (
    SELECT
        family, feature_set_id, phase, region, reader, '-' AS image_type,
        ${listed_summary} AS s
    FROM listed
    GROUP BY family, feature_set_id, phase, region, reader, feature
)
SELECT
    family, feature_set_id, phase, region, reader, image_type, s.feature, s.vois, s.missing,
    s.not_a_number, s.mean, s.sd, s.minimum, s.maximum, s.fingerprint, $state AS state
FROM (FROM cr_summary UNION ALL FROM listed_summary)
-- Shape is defined for the original image only.
WHERE s.missing < s.vois OR NOT (s.feature LIKE 'shape\_%' ESCAPE '\')
ORDER BY ALL
