-- Views of the catalog. The schema `raw` holds one scan for each Delta table and the study's
-- declarations; everything a user asks for is in the schema `main`.

CREATE VIEW patients AS SELECT * FROM raw.patients;

CREATE VIEW images AS SELECT * FROM raw.images;

CREATE VIEW masks AS SELECT * FROM raw.masks;

CREATE VIEW clinical AS SELECT * FROM raw.clinical;

CREATE VIEW quarantine AS SELECT * FROM raw.quarantine;

CREATE VIEW feature_sets AS
SELECT s.*, s.feature_set_id IN (SELECT feature_set_id FROM raw.current_feature_sets) AS is_current
FROM raw.feature_sets AS s;

-- Statistics of a feature set that several families have come once for each of them.
CREATE VIEW feature_statistics AS
SELECT s.* REPLACE (coalesce(f.family, s.family) AS family), f.family IS NOT NULL AS is_current
FROM raw.feature_statistics AS s
LEFT JOIN (
    SELECT DISTINCT family, phase, feature_set_id FROM raw.current_feature_sets
) AS f ON f.feature_set_id = s.feature_set_id AND f.phase = s.phase;

CREATE VIEW snapshots AS
SELECT s.snapshot, s.created_at, s.command, s.run_id, t.study_digest, s.table_versions
FROM raw.snapshots AS s
LEFT JOIN raw.studies AS t ON t.declarations_digest = s.declarations_digest;

-- Every reader and every feature set ever computed.
CREATE VIEW cr_all AS SELECT * FROM raw.cr;

-- Arrays of known length, for array_cosine_distance and the like.
CREATE VIEW dlr_all AS
SELECT * REPLACE (CAST(embedding AS FLOAT[${dlr_values}]) AS embedding) FROM raw.dlr;

-- A mask drawn on an image that was replaced since counts for nothing until it is ingested again.
CREATE VIEW raw.current_masks AS
SELECT m.*
FROM raw.masks AS m
SEMI JOIN raw.images AS i
    ON i.patient_id = m.patient_id AND i.session = m.session AND i.phase = m.phase
    AND i.image_digest = m.image_digest;

-- Only the reader used for modelling, the current feature sets, and rows of the image and mask
-- that are stored now: a row never comes twice, and a stale one never comes.
CREATE VIEW cr AS
SELECT c.*
FROM raw.cr AS c
SEMI JOIN raw.current_feature_sets AS f
    ON f.family = 'CR' AND f.phase = c.phase AND f.image_type = c.image_type
    AND f.feature_set_id = c.feature_set_id
SEMI JOIN raw.current_masks AS m
    ON m.patient_id = c.patient_id AND m.session = c.session AND m.phase = c.phase
    AND m.lesion = c.lesion AND m.region = c.region AND m.reader = c.reader
    AND m.input_digest = c.input_digest
WHERE c.reader = (SELECT reader FROM raw.model_reader)
    AND c.region IN (SELECT region FROM raw.regions);

CREATE VIEW dlr AS
SELECT d.*
FROM dlr_all AS d
SEMI JOIN raw.current_feature_sets AS f
    ON f.family = 'DLR' AND f.phase = d.phase AND f.feature_set_id = d.feature_set_id
SEMI JOIN raw.current_masks AS m
    ON m.patient_id = d.patient_id AND m.session = d.session AND m.phase = d.phase
    AND m.lesion = d.lesion AND m.region = d.region AND m.reader = d.reader
    AND m.input_digest = d.input_digest
WHERE d.reader = (SELECT reader FROM raw.model_reader)
    AND d.region IN (SELECT region FROM raw.regions);

-- The same for CR and each variant of it. A row that several of them share comes once for each.
CREATE VIEW raw.cr_current AS
SELECT f.family, c.*
FROM raw.cr AS c
JOIN raw.current_feature_sets AS f
    ON f.phase = c.phase AND f.image_type = c.image_type AND f.feature_set_id = c.feature_set_id
SEMI JOIN raw.current_masks AS m
    ON m.patient_id = c.patient_id AND m.session = c.session AND m.phase = c.phase
    AND m.lesion = c.lesion AND m.region = c.region AND m.reader = c.reader
    AND m.input_digest = c.input_digest
WHERE c.reader = (SELECT reader FROM raw.model_reader)
    AND c.region IN (SELECT region FROM raw.regions);

CREATE VIEW raw.dlr_current AS
SELECT f.family, d.*
FROM dlr_all AS d
JOIN raw.current_feature_sets AS f
    ON f.phase = d.phase AND f.feature_set_id = d.feature_set_id
SEMI JOIN raw.current_masks AS m
    ON m.patient_id = d.patient_id AND m.session = d.session AND m.phase = d.phase
    AND m.lesion = d.lesion AND m.region = d.region AND m.reader = d.reader
    AND m.input_digest = d.input_digest
WHERE d.reader = (SELECT reader FROM raw.model_reader)
    AND d.region IN (SELECT region FROM raw.regions);

CREATE VIEW cr_variants AS SELECT * FROM raw.cr_current WHERE family != 'CR';

CREATE VIEW dlr_variants AS SELECT * FROM raw.dlr_current WHERE family != 'DLR';

CREATE VIEW imported_all AS SELECT * FROM raw.imported;

-- Of each imported family the table that came in last.
CREATE VIEW imported AS
SELECT i.*
FROM raw.imported AS i
SEMI JOIN raw.current_feature_sets AS f
    ON f.family = i.family AND f.phase = i.phase AND f.feature_set_id = i.feature_set_id
WHERE i.reader = (SELECT reader FROM raw.model_reader)
    AND i.region IN (SELECT region FROM raw.regions);

-- Every family, one row per value. Names of a variant bear its own after the region.
CREATE VIEW features AS
SELECT
    patient_id, session, phase, lesion, region, reader, family, image_type,
    phase || '_' || region || '_' || CASE WHEN family = 'CR' THEN '' ELSE family || '_' END
    || image_type || '_' || name AS feature,
    value
FROM (
    UNPIVOT (
        SELECT patient_id, session, phase, lesion, region, reader, family, image_type, ${cr_features}
        FROM raw.cr_current
    ) ON ${cr_features} INTO NAME name VALUE value
)
UNION ALL
SELECT
    patient_id, session, phase, lesion, region, reader, family, NULL AS image_type,
    phase || '_' || region || '_' || CASE WHEN family = 'DLR' THEN '' ELSE family || '_' END
    || 'dlr_' || lpad(CAST(position AS VARCHAR), 3, '0') AS feature,
    value
FROM (
    SELECT
        patient_id, session, phase, lesion, region, reader, family,
        generate_subscripts(CAST(embedding AS FLOAT[]), 1) - 1 AS position,
        CAST(unnest(CAST(embedding AS FLOAT[])) AS DOUBLE) AS value
    FROM raw.dlr_current
)
UNION ALL
SELECT
    patient_id, session, phase, lesion, region, reader, family, NULL AS image_type,
    phase || '_' || region || '_' || name AS feature, value
FROM (
    SELECT
        patient_id, session, phase, lesion, region, reader, family,
        unnest(feature_names) AS name, unnest(feature_values) AS value
    FROM imported
)
WHERE value IS NOT NULL;

-- What exists, and what stands in the way of the rest.
CREATE VIEW coverage AS
WITH lesions AS (
    SELECT DISTINCT i.patient_id, i.session, coalesce(m.lesion, '1') AS lesion
    FROM raw.images AS i
    LEFT JOIN (
        SELECT DISTINCT patient_id, session, lesion
        FROM raw.masks
        WHERE reader = (SELECT reader FROM raw.model_reader)
    ) AS m ON m.patient_id = i.patient_id AND m.session = i.session
),
wanted AS (
    SELECT
        l.patient_id, l.session, p.phase, l.lesion, r.region, o.reader, p.family, p.expected,
        p.position AS phase_position, r.position AS region_position
    FROM lesions AS l
    CROSS JOIN raw.families AS p
    CROSS JOIN raw.regions AS r
    CROSS JOIN raw.model_reader AS o
),
done AS (
    SELECT patient_id, session, phase, lesion, region, family, count(*) AS present
    FROM raw.cr_current
    GROUP BY ALL
    UNION ALL
    SELECT patient_id, session, phase, lesion, region, family, count(*) AS present
    FROM raw.dlr_current
    GROUP BY ALL
),
failed AS (
    SELECT DISTINCT patient_id, session, phase, lesion, region, reader, family
    FROM raw.quarantine
    WHERE stage = 'extract'
),
-- What is computed for one family fails for all that share it.
stopped AS (
    SELECT q.patient_id, q.session, q.phase, q.lesion, q.region, q.reader, o.family
    FROM failed AS q
    JOIN raw.current_feature_sets AS f ON f.family = q.family AND f.phase = q.phase
    JOIN raw.current_feature_sets AS o
        ON o.phase = f.phase AND o.feature_set_id = f.feature_set_id AND o.family != f.family
    ANTI JOIN (
        SELECT patient_id, session, phase, lesion, region, reader, family, feature_set_id
        FROM raw.cr_current
        UNION ALL
        SELECT patient_id, session, phase, lesion, region, reader, family, feature_set_id
        FROM raw.dlr_current
    ) AS p
        ON p.patient_id = q.patient_id AND p.session = q.session AND p.phase = q.phase
        AND p.lesion = q.lesion AND p.region = q.region AND p.reader = q.reader
        AND p.family = o.family AND p.feature_set_id = o.feature_set_id
    UNION
    SELECT * FROM failed
)
SELECT
    w.patient_id, w.session, w.phase, w.lesion, w.region, w.reader, w.family,
    w.expected, coalesce(d.present, 0) AS present,
    CASE
        WHEN i.patient_id IS NULL THEN 'no image'
        WHEN m.patient_id IS NULL THEN 'no mask'
        WHEN coalesce(d.present, 0) >= w.expected THEN 'complete'
        WHEN q.patient_id IS NOT NULL THEN 'quarantine'
        WHEN coalesce(d.present, 0) > 0 THEN 'partial'
        ELSE 'missing'
    END AS state
FROM wanted AS w
LEFT JOIN raw.images AS i
    ON i.patient_id = w.patient_id AND i.session = w.session AND i.phase = w.phase
LEFT JOIN raw.current_masks AS m
    ON m.patient_id = w.patient_id AND m.session = w.session AND m.phase = w.phase
    AND m.lesion = w.lesion AND m.region = w.region AND m.reader = w.reader
LEFT JOIN done AS d
    ON d.patient_id = w.patient_id AND d.session = w.session AND d.phase = w.phase
    AND d.lesion = w.lesion AND d.region = w.region AND d.family = w.family
LEFT JOIN stopped AS q
    ON q.patient_id = w.patient_id AND q.session = w.session AND q.phase = w.phase
    AND q.lesion = w.lesion AND q.region = w.region AND q.reader = w.reader
    AND q.family = w.family
ORDER BY w.patient_id, w.session, w.phase_position, w.lesion, w.region_position, w.family;

CREATE VIEW exclusions AS SELECT *, undone_at IS NULL AS is_current FROM raw.exclusions;

-- A patient counts once, with the reason given last.
CREATE VIEW raw.current_exclusions AS
SELECT patient_id, arg_max(reason, excluded_at) AS reason
FROM raw.exclusions
WHERE undone_at IS NULL
GROUP BY patient_id;

-- Everybody whom a manifest or a clinical table named, also where no image could be stored.
CREATE VIEW raw.screening AS
WITH screened AS (
    SELECT patient_id FROM raw.patients
    UNION
    SELECT patient_id FROM raw.clinical
    UNION
    SELECT patient_id FROM raw.quarantine
)
SELECT
    s.patient_id,
    s.patient_id IN (SELECT patient_id FROM raw.images) AS has_image,
    s.patient_id IN (
        SELECT patient_id
        FROM raw.current_masks
        WHERE region = 'intratumoral' AND reader = (SELECT reader FROM raw.model_reader)
    ) AS has_mask,
    s.patient_id IN (SELECT patient_id FROM raw.current_exclusions) AS is_excluded
FROM screened AS s;

-- The first step of the flow chart at which a patient leaves the study.
CREATE VIEW enrolment AS
SELECT
    s.patient_id,
    CASE
        WHEN NOT s.has_image THEN 'no image'
        WHEN NOT s.has_mask THEN 'no tumour mask'
        WHEN e.criterion IS NOT NULL AND e.is_unknown THEN 'unknown'
        WHEN e.criterion IS NOT NULL THEN 'not eligible'
        WHEN s.is_excluded THEN 'excluded'
        ELSE 'enrolled'
    END AS state,
    CASE WHEN s.has_image AND s.has_mask THEN e.criterion END AS criterion,
    e.unknown
FROM raw.screening AS s
LEFT JOIN raw.enrolment AS e ON e.patient_id = s.patient_id
ORDER BY s.patient_id;

COMMENT ON VIEW enrolment IS 'One screened patient: enrolled, or the step at which the patient left the study.';
COMMENT ON COLUMN enrolment.state IS 'no image, no tumour mask, not eligible, unknown (a value that a criterion needs is missing), excluded (by hand), or enrolled';
COMMENT ON COLUMN enrolment.criterion IS 'the criterion that took the patient out; NULL: none did';
COMMENT ON COLUMN exclusions.is_current IS 'whether it holds';
COMMENT ON VIEW features IS 'One value: every family, modelling reader, current settings.';
COMMENT ON COLUMN features.family IS 'CR, DLR, a variant of the study, or the name of an imported family';
COMMENT ON COLUMN features.feature IS 'phase, region and name, as in the columns of a model matrix';
COMMENT ON COLUMN features.value IS 'NaN where the engine returned it; what is not defined has no row';
COMMENT ON VIEW cr IS 'One VOI under one image type: PyRadiomics values of the modelling reader under the study''s settings.';
COMMENT ON VIEW cr_all IS 'As cr, with every reader and every setting ever computed.';
COMMENT ON VIEW cr_variants IS 'As cr, for each variant of family CR that the study names; what it shares with another family comes for it, too.';
COMMENT ON COLUMN cr_variants.family IS 'name of the variant, in capitals';
COMMENT ON VIEW dlr IS 'One VOI: embedding of the modelling reader under the study''s settings.';
COMMENT ON VIEW dlr_all IS 'As dlr, with every reader and every setting ever computed.';
COMMENT ON VIEW dlr_variants IS 'As dlr, for each variant of family DLR that the study names.';
COMMENT ON COLUMN dlr_variants.family IS 'name of the variant, in capitals';
COMMENT ON VIEW imported IS 'One VOI: values that were made elsewhere, of each family the table imported last.';
COMMENT ON VIEW imported_all IS 'As imported, with every reader and every table ever imported.';
COMMENT ON VIEW coverage IS 'One VOI and family that the study wants: what is there and what stands in the way.';
COMMENT ON COLUMN coverage.expected IS 'rows that a complete VOI has';
COMMENT ON COLUMN coverage.present IS 'rows that are there';
COMMENT ON COLUMN coverage.state IS 'complete, partial, missing, quarantine, no mask, or no image';
COMMENT ON COLUMN feature_sets.family IS 'CR or DLR, also for their variants, or the name of an imported family';
COMMENT ON COLUMN feature_sets.is_current IS 'whether the study names it now';
COMMENT ON COLUMN feature_statistics.family IS 'CR, DLR, a variant of the study, or the name of an imported family';
COMMENT ON COLUMN feature_statistics.is_current IS 'whether the study names its feature set now';
COMMENT ON COLUMN quarantine.family IS 'CR, DLR, or a variant; ''-'' at ingest';
COMMENT ON COLUMN snapshots.study_digest IS 'SHA-256 of the study file of that time';
COMMENT ON TABLE feature_dictionary IS 'One feature: what it measures and in which unit.';
COMMENT ON COLUMN feature_dictionary.name IS 'image type and feature, or number in the embedding';
COMMENT ON COLUMN feature_dictionary.class IS 'PyRadiomics'' feature class, or embedding';
COMMENT ON COLUMN feature_dictionary.feature IS 'column of the view cr; NULL for an embedding';
COMMENT ON COLUMN feature_dictionary.unit IS 'for images whose intensities have the unit intensity; 1: none';
COMMENT ON COLUMN feature_dictionary.definition IS 'what it measures';
COMMENT ON COLUMN feature_dictionary.ibsi IS 'code in the reference manual of the IBSI; NULL where it has none';
COMMENT ON TABLE catalog_info IS 'One row: what this catalog was published from.';
COMMENT ON COLUMN catalog_info.study IS 'title of the study';
COMMENT ON COLUMN catalog_info.study_digest IS 'SHA-256 of the study file';
COMMENT ON COLUMN catalog_info.synthetic IS 'true: the images are made by a program';
COMMENT ON COLUMN catalog_info.tables_folder IS 'where the files that the views read lie';
COMMENT ON COLUMN catalog_info.published_at IS 'when this file was written (UTC)';
COMMENT ON COLUMN catalog_info.schema_version IS 'of the tables and of this catalog';
