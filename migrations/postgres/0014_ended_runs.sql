-- Runs of which nothing came are on record, too, by the event that says why.
ALTER TABLE committed_runs RENAME TO ended_runs;

-- What was known of them by these rows alone, for a week, goes.
DELETE FROM runs WHERE state = 'aborted';
ALTER TABLE runs DROP COLUMN outcome;
