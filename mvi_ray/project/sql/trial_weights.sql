-- Families whose current embeddings come from a network with random weights.
SELECT family
FROM raw.dlr_current
GROUP BY family
HAVING bool_or(trial_weights)
