-- Every screened patient with clinical values: what a criterion of the enrolment may name.
SELECT s.patient_id, ${centre} c.* EXCLUDE (patient_id)
FROM raw.screening AS s
LEFT JOIN patients AS p ON p.patient_id = s.patient_id
LEFT JOIN clinical AS c ON c.patient_id = s.patient_id
