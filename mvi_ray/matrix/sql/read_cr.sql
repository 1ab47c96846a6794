-- One VOI of each of several readers under one image type: current settings and masks.
SELECT
    concat_ws(chr(31), c.patient_id, c.session, c.lesion) AS target, c.reader,
    target || chr(31) || c.reader AS line, c.phase, c.region, c.image_type, ${values}
FROM raw.cr AS c
SEMI JOIN raw.current_feature_sets AS f
    ON f.family = $family AND f.phase = c.phase AND f.image_type = c.image_type
    AND f.feature_set_id = c.feature_set_id
SEMI JOIN raw.current_masks AS m
    ON m.patient_id = c.patient_id AND m.session = c.session AND m.phase = c.phase
    AND m.lesion = c.lesion AND m.region = c.region AND m.reader = c.reader
    AND m.input_digest = c.input_digest
WHERE c.reader IN (SELECT unnest($readers)) AND c.phase = $phase AND c.region = $region
    AND c.image_type IN (SELECT unnest($image_types))
