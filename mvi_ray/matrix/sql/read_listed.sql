-- One value of one VOI of each of several readers: the table of the family imported last.
SELECT
    concat_ws(chr(31), i.patient_id, i.session, i.lesion) AS target, i.reader,
    target || chr(31) || i.reader AS line,
    unnest(i.feature_names) AS name, unnest(i.feature_values) AS value
FROM raw.imported AS i
SEMI JOIN raw.current_feature_sets AS f
    ON f.family = i.family AND f.phase = i.phase AND f.feature_set_id = i.feature_set_id
WHERE i.family = $family AND i.reader IN (SELECT unnest($readers))
    AND i.phase = $phase AND i.region = $region
