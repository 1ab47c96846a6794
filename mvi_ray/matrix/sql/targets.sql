-- What every reader has measured.
SELECT target
FROM (
${rows}
)
GROUP BY target
HAVING count(DISTINCT reader) = len($readers)
ORDER BY target
