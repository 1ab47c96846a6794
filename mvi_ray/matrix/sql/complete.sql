-- Patients who have every row that a model takes of one family.
WITH chosen AS (
${chosen}
)
SELECT patient_id
FROM ${rows}
SEMI JOIN chosen USING (patient_id, lesion)
WHERE session = $session
    AND phase IN $phases
    AND region IN $regions
GROUP BY patient_id
HAVING count(DISTINCT (phase, region, ${image_type})) = $blocks
