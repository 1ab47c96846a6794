-- One VOI of each of several readers: embeddings of current settings and masks.
SELECT
    concat_ws(chr(31), d.patient_id, d.session, d.lesion) AS target, d.reader,
    target || chr(31) || d.reader AS line, d.phase, d.region, NULL AS image_type, d.embedding
FROM raw.dlr AS d
SEMI JOIN raw.current_feature_sets AS f
    ON f.family = $family AND f.phase = d.phase AND f.feature_set_id = d.feature_set_id
SEMI JOIN raw.current_masks AS m
    ON m.patient_id = d.patient_id AND m.session = d.session AND m.phase = d.phase
    AND m.lesion = d.lesion AND m.region = d.region AND m.reader = d.reader
    AND m.input_digest = d.input_digest
WHERE d.reader IN (SELECT unnest($readers)) AND d.phase = $phase AND d.region = $region
