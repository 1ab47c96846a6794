-- Every patient with clinical values: what a cohort predicate may name.
SELECT p.patient_id, ${centre} c.* EXCLUDE (patient_id)
FROM patients AS p
LEFT JOIN clinical AS c ON c.patient_id = p.patient_id
