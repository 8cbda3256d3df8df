-- What people declared, and which datasets name an object: who may read one of them may read it.

CREATE TABLE declarations (
    seq    BIGINT NOT NULL PRIMARY KEY REFERENCES events (seq),
    digest BYTEA  NOT NULL
);

-- `seq` is the first event of that dataset that named the object. A refused ingest may be of a
-- dataset that does not exist, so it is named, not referred to.
CREATE TABLE object_datasets (
    object_id BYTEA  NOT NULL REFERENCES objects (id),
    namespace TEXT   COLLATE "C" NOT NULL,
    name      TEXT   COLLATE "C" NOT NULL,
    seq       BIGINT NOT NULL REFERENCES events (seq),
    PRIMARY KEY (object_id, namespace, name)
);

-- From the events that are there already, as their projection would have written it.
INSERT INTO object_datasets (object_id, namespace, name, seq)
SELECT decode(n.object, 'hex'), split_part(n.dataset, '.', 1), split_part(n.dataset, '.', 2),
       min(n.seq)
FROM (
    SELECT o.value ->> 'object' AS object, e.dataset, e.seq
    FROM events e CROSS JOIN LATERAL json_array_elements(e.body::json -> 'objects') o
    WHERE e.type IN ('version_committed', 'ingest_refused')
    UNION ALL
    SELECT s.value ->> 'object', e.dataset, e.seq
    FROM events e CROSS JOIN LATERAL json_array_elements(e.body::json -> 'sources') s
    WHERE e.type = 'ingest_refused'
) n
GROUP BY n.object, n.dataset;
