-- Embeddings of some patients, with the line that each belongs to.
SELECT ${line} AS line, phase, region, NULL AS image_type, CAST(embedding AS FLOAT[]) AS embedding
FROM ${rows}
WHERE patient_id BETWEEN $first AND $last
    AND phase IN (SELECT unnest($phases::VARCHAR[]))
    AND region IN (SELECT unnest($regions::VARCHAR[]))
