-- Every patient who was not excluded by hand, with clinical values: what a cohort predicate may name.
SELECT p.patient_id, ${centre} c.* EXCLUDE (patient_id)
FROM patients AS p
ANTI JOIN raw.current_exclusions AS x ON x.patient_id = p.patient_id
LEFT JOIN clinical AS c ON c.patient_id = p.patient_id
