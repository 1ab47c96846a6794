-- One value of an imported family for each patient, phase and region, of the lesions that models
-- use. Of a patient without any mask nobody knows the largest lesion: it is the first by name.
WITH chosen AS (
${chosen}
),
listed AS (
    SELECT patient_id, lesion, feature_names, feature_values
    FROM imported
    WHERE family = $family AND session = $session AND phase = $phase AND region = $region
),
unmeasured AS (
    SELECT patient_id, lesion
    FROM listed
    ANTI JOIN chosen USING (patient_id)
    QUALIFY $lesions = 'mean' OR lesion = min(lesion) OVER (PARTITION BY patient_id)
),
long AS (
    SELECT patient_id, lesion, unnest(feature_names) AS name, unnest(feature_values) AS value
    FROM listed
    SEMI JOIN (FROM chosen UNION FROM unmeasured) USING (patient_id, lesion)
)
SELECT patient_id AS line, name, avg(value ORDER BY lesion) AS value
FROM long
GROUP BY patient_id, name
