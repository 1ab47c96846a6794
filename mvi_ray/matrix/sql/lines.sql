-- One row for each patient, session and lesion that has anything of what is asked for.
WITH parts AS (
    SELECT patient_id, session, lesion, computed_at
    FROM raw.cr_current
    WHERE family IN (SELECT unnest($families::VARCHAR[]))
        AND phase IN (SELECT unnest($phases::VARCHAR[]))
        AND region IN (SELECT unnest($regions::VARCHAR[]))
        AND image_type IN (SELECT unnest($image_types::VARCHAR[]))
    UNION ALL
    SELECT patient_id, session, lesion, computed_at
    FROM raw.dlr_current
    WHERE family IN (SELECT unnest($families::VARCHAR[]))
        AND phase IN (SELECT unnest($phases::VARCHAR[]))
        AND region IN (SELECT unnest($regions::VARCHAR[]))
    UNION ALL
    SELECT patient_id, session, lesion, computed_at
    FROM imported
    WHERE family IN (SELECT unnest($families::VARCHAR[]))
        AND phase IN (SELECT unnest($phases::VARCHAR[]))
        AND region IN (SELECT unnest($regions::VARCHAR[]))
)
SELECT patient_id, session, lesion, ${line} AS line, max(computed_at) AS computed_at
FROM parts
GROUP BY patient_id, session, lesion
ORDER BY patient_id, session, lesion
