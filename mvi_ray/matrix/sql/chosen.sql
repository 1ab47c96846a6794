-- The lesions that stand for a patient: all of them, or the one with the largest mean volume
-- over the phases (the first by name when two are equal).
WITH sizes AS (
    SELECT patient_id, lesion, avg(volume_mm3 ORDER BY phase) AS volume_mm3
    FROM raw.current_masks
    WHERE session = $session AND region = $drawn
        AND phase IN $phases
        AND reader = (SELECT reader FROM raw.model_reader)
    GROUP BY patient_id, lesion
),
ranked AS (
    SELECT
        patient_id, lesion,
        row_number() OVER (PARTITION BY patient_id ORDER BY volume_mm3 DESC, lesion) AS place
    FROM sizes
)
SELECT patient_id, lesion
FROM ranked
WHERE place = 1 OR $lesions = 'mean'
