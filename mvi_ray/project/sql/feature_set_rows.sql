-- Every feature set with the number of rows that it has.
WITH rows_of AS (
    SELECT feature_set_id, 'CR' AS family, image_type, count(*) AS n
    FROM raw.cr
    GROUP BY ALL
    UNION ALL
    SELECT feature_set_id, 'DLR' AS family, NULL AS image_type, count(*) AS n
    FROM raw.dlr
    GROUP BY ALL
    UNION ALL
    SELECT feature_set_id, family, NULL AS image_type, count(*) AS n
    FROM raw.imported
    GROUP BY ALL
    UNION ALL
    SELECT feature_set_id, family, image_type, 0 AS n
    FROM raw.feature_sets
)
SELECT feature_set_id, family, image_type, CAST(sum(n) AS BIGINT) AS rows
FROM rows_of
GROUP BY ALL
ORDER BY ALL
