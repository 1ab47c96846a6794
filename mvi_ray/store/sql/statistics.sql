-- Rows of one table in one phase and region, of the masks that are stored now; with the text that
-- names a VOI among those of its group.
SELECT
    t.feature_set_id, ${family} AS family, t.reader, ${image_type} AS image_type,
    t.patient_id, t.session, t.lesion,
    hash(t.patient_id, t.session, t.lesion) AS voi, ${columns}
FROM raw.${table} AS t
${current}
WHERE t.phase = $phase AND t.region = $region
