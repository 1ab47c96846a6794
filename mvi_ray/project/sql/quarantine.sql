-- What failed, without tracebacks.
SELECT
    stage, family, patient_id, session, phase, lesion, region, reader, reason, way_out,
    attempts, failed_at
FROM quarantine
ORDER BY ALL
