-- What people declared, and which datasets name an object: who may read one of them may read it.

CREATE TABLE declarations (
    seq    INTEGER NOT NULL PRIMARY KEY REFERENCES events (seq),
    digest BLOB    NOT NULL
) STRICT;

-- `seq` is the first event of that dataset that named the object. A refused ingest may be of a
-- dataset that does not exist, so it is named, not referred to.
CREATE TABLE object_datasets (
    object_id BLOB    NOT NULL REFERENCES objects (id),
    namespace TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    seq       INTEGER NOT NULL REFERENCES events (seq),
    PRIMARY KEY (object_id, namespace, name)
) STRICT, WITHOUT ROWID;

-- From the events that are there already, as their projection would have written it.
INSERT INTO object_datasets (object_id, namespace, name, seq)
SELECT unhex(n.object), substr(n.dataset, 1, instr(n.dataset, '.') - 1),
       substr(n.dataset, instr(n.dataset, '.') + 1), min(n.seq)
FROM (
    SELECT o.value ->> '$.object' AS object, e.dataset, e.seq
    FROM events e, json_each(e.body, '$.objects') o
    WHERE e.type IN ('version_committed', 'ingest_refused')
    UNION ALL
    SELECT s.value ->> '$.object', e.dataset, e.seq
    FROM events e, json_each(e.body, '$.sources') s
    WHERE e.type = 'ingest_refused'
) n
GROUP BY n.object, n.dataset;
