-- One feature of the study's current settings, as the modelling reader's masks have it, under the
-- name that it has in a model matrix.
WITH current AS (
    SELECT
        s.* REPLACE (f.family AS family), s.family AS kind,
        vois - missing - not_a_number AS finite
    FROM raw.feature_statistics AS s
    JOIN raw.current_feature_sets AS f
        ON f.phase = s.phase AND coalesce(f.image_type, '-') = s.image_type
        AND f.feature_set_id = s.feature_set_id
    WHERE s.reader = (SELECT reader FROM raw.model_reader)
        AND s.region IN (SELECT region FROM raw.regions)
),
named AS (
    SELECT
        *, CASE WHEN image_type = '-' THEN '' ELSE image_type || '_' END || feature AS name,
        phase || '_' || region || '_' || CASE WHEN family = kind THEN '' ELSE family || '_' END
        || name AS full_name,
        finite >= 2 AND minimum = maximum AS is_constant
    FROM current
)
SELECT
    n.full_name AS feature, n.family, n.kind, coalesce(d.class, '-') AS class, n.phase, n.region,
    n.image_type, n.name, n.vois, (n.vois - n.finite) / n.vois AS missing, n.mean, n.sd, n.minimum,
    n.maximum, coalesce(n.is_constant, false) AS is_constant,
    CASE
        -- Equal constants are no news; a feature without values equals all others without. Of a
        -- family and its variant the variant has the duplicate.
        WHEN n.finite >= 2 AND NOT n.is_constant
            THEN nullif(
                first_value(n.full_name) OVER (
                    PARTITION BY n.phase, n.fingerprint, n.finite >= 2 AND NOT n.is_constant
                    ORDER BY n.family != n.kind, n.full_name, n.family
                ),
                n.full_name
            )
    END AS duplicate_of
FROM named AS n
LEFT JOIN feature_dictionary AS d ON d.family = n.family AND d.name = n.name
ORDER BY n.full_name, n.family
