//! The tables of the item store, and the function that commits a batch.
//!
//! Keys are `bytea`: they compare byte by byte whatever the database's locale is, and may hold any
//! text, also U+0000. Names of collections and indexes are small numbers.
//!
//! `commit_batch` does a whole batch in one statement, hence one round trip and one transaction:
//!
//! 1. lock what is there, in key order, so that two batches never wait for each other in a circle;
//! 2. when an expectation does not hold, answer which one and write nothing;
//! 3. insert, update, delete. What must be absent is inserted also where it is only checked, and
//!    deleted again: the unique index makes others who want the key wait until this has committed;
//! 4. take places in the feed, from the one row of `feed_head`, as the last thing. Its lock is held
//!    until the commit is visible, so places become visible in their order: a reader that saw
//!    place n has seen all before it, and none is ever skipped. (Numbers from a sequence would be
//!    taken in one order and become visible in another.)
//!
//! A key that was created between 1 and 3 raises 23505; the caller repeats the call.

/// Steps of the component `items`; see [`super::schema::migrate`].
pub(super) const STEPS: &[&str] = &["
    CREATE TABLE names (
        code smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text COLLATE \"C\" NOT NULL UNIQUE
    );

    CREATE SEQUENCE item_ids AS bigint;
    CREATE TABLE items (
        id bigint PRIMARY KEY,
        collection smallint NOT NULL,
        part bytea NOT NULL,
        sort bytea NOT NULL,
        version bigint NOT NULL,
        expires bigint,
        -- JSON: [[index, partition, sort], ...]
        entries bytea NOT NULL,
        body bytea NOT NULL
    ) WITH (fillfactor = 90);
    CREATE UNIQUE INDEX items_by_key ON items (collection, part, sort);
    CREATE INDEX items_by_expiry ON items (expires) WHERE expires IS NOT NULL;

    CREATE TABLE entries (
        item bigint NOT NULL,
        idx smallint NOT NULL,
        collection smallint NOT NULL,
        part bytea NOT NULL,
        sort bytea NOT NULL,
        PRIMARY KEY (item, idx)
    );
    CREATE INDEX entries_in_order ON entries (collection, idx, part, sort, item);

    CREATE TABLE feed (
        seq bigint PRIMARY KEY,
        at bigint NOT NULL,
        event text NOT NULL,
        collection smallint NOT NULL,
        part bytea NOT NULL,
        sort bytea NOT NULL,
        version bigint NOT NULL,
        data bytea NOT NULL
    );
    -- One row each. The head is locked by every commit that tells something; trimming must not wait.
    CREATE TABLE feed_head (seq bigint NOT NULL) WITH (fillfactor = 10);
    INSERT INTO feed_head VALUES (0);
    CREATE TABLE feed_tail (seq bigint NOT NULL);
    INSERT INTO feed_tail VALUES (0);

    -- kinds: 0 put, 1 delete, 2 check. expects: a version, -1 anything, -2 nothing. Operations come
    -- in the order of their keys; ops are their numbers in the batch.
    CREATE FUNCTION commit_batch(
        now_ms bigint,
        ops int[], kinds smallint[], expects bigint[],
        colls smallint[], parts bytea[], sorts bytea[],
        new_versions bigint[], new_expires bigint[], new_entries bytea[], bodies bytea[],
        e_n int[], e_idx smallint[], e_parts bytea[], e_sorts bytea[],
        f_at bigint[], f_events text[], f_colls smallint[], f_parts bytea[], f_sorts bytea[],
        f_versions bigint[], f_data bytea[],
        channel text, payload text,
        OUT lost int, OUT head bigint
    ) LANGUAGE plpgsql AS $$
    DECLARE
        ids bigint[];
        versions bigint[];
        moved boolean[];
    BEGIN
        IF cardinality(ops) > 0 THEN
            -- 1. By number of operation: the item's id (0: none), its version (-1: none that
            -- lives), whether its index entries change.
            SELECT array_agg(a.id ORDER BY a.n), array_agg(a.version ORDER BY a.n), array_agg(a.moved ORDER BY a.n)
            INTO ids, versions, moved
            FROM (
                SELECT u.n, max(u.id) AS id, max(u.version) AS version, bool_or(u.moved) AS moved
                FROM (
                    SELECT n::bigint, 0::bigint AS id, (-1)::bigint AS version, false AS moved
                    FROM generate_subscripts(ops, 1) n
                    UNION ALL
                    SELECT l.n, l.id,
                        CASE WHEN l.expires IS NULL OR l.expires > now_ms THEN l.version ELSE -1 END,
                        l.entries <> l.new_entries
                    FROM (
                        SELECT k.n, i.id, i.version, i.expires, i.entries, k.new_entries
                        FROM unnest(colls, parts, sorts, new_entries) WITH ORDINALITY AS k(c, p, s, new_entries, n)
                        JOIN items i ON i.collection = k.c AND i.part = k.p AND i.sort = k.s
                        ORDER BY k.n
                        FOR UPDATE OF i
                    ) l
                ) u
                GROUP BY u.n
            ) a;

            -- 2.
            SELECT min(k.op) INTO lost
            FROM unnest(ops, expects, versions) AS k(op, expect, version)
            WHERE (k.expect = -2 AND k.version >= 0) OR (k.expect >= 0 AND k.version <> k.expect);
            IF lost IS NOT NULL THEN
                RETURN;
            END IF;

            -- 3. New ids are negative until they are used.
            SELECT array_agg(CASE WHEN k.id = 0 AND (k.kind = 0 OR k.expect = -2) THEN -nextval('item_ids') ELSE k.id END ORDER BY k.n)
            INTO ids
            FROM unnest(ids, kinds, expects) WITH ORDINALITY AS k(id, kind, expect, n);

            INSERT INTO items (id, collection, part, sort, version, expires, entries, body)
            SELECT -k.id, k.c, k.p, k.s, k.version, k.expires, k.entries, k.body
            FROM unnest(ids, colls, parts, sorts, new_versions, new_expires, new_entries, bodies)
                WITH ORDINALITY AS k(id, c, p, s, version, expires, entries, body, n)
            WHERE k.id < 0
            ORDER BY k.n;

            UPDATE items i SET version = k.version, expires = k.expires, entries = k.entries, body = k.body
            FROM unnest(ids, kinds, new_versions, new_expires, new_entries, bodies)
                AS k(id, kind, version, expires, entries, body)
            WHERE k.id > 0 AND k.kind = 0 AND i.id = k.id;

            IF 0 <> ANY (kinds) THEN
                DELETE FROM items i USING unnest(ids, kinds) AS k(id, kind)
                WHERE i.id = abs(k.id) AND (k.kind = 1 OR (k.kind = 2 AND k.id < 0));
            END IF;

            IF true = ANY (moved) THEN
                DELETE FROM entries e USING unnest(ids, kinds, moved) AS k(id, kind, moved)
                WHERE k.moved AND k.kind <> 2 AND e.item = k.id;
            END IF;
            IF cardinality(e_n) > 0 THEN
                INSERT INTO entries (item, idx, collection, part, sort)
                SELECT abs(ids[e.n]), e.idx, colls[e.n], e.p, e.s
                FROM unnest(e_n, e_idx, e_parts, e_sorts) AS e(n, idx, p, s)
                WHERE ids[e.n] < 0 OR moved[e.n];
            END IF;
        END IF;

        -- 4.
        IF cardinality(f_at) > 0 THEN
            UPDATE feed_head SET seq = seq + cardinality(f_at) RETURNING seq INTO head;
            INSERT INTO feed (seq, at, event, collection, part, sort, version, data)
            SELECT head - cardinality(f_at) + f.n, f.at, f.event, f.c, f.p, f.s, f.version, f.data
            FROM unnest(f_at, f_events, f_colls, f_parts, f_sorts, f_versions, f_data)
                WITH ORDINALITY AS f(at, event, c, p, s, version, data, n);
        ELSE
            SELECT seq INTO head FROM feed_head;
        END IF;
        IF payload <> '' THEN
            PERFORM pg_notify(channel, payload);
        END IF;
    END
    $$;
"];
