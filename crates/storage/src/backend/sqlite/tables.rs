//! The tables of the item store.
//!
//! Bodies lie in a table by number, in the order they came, and a narrow index leads from key to
//! number: a body of 700 bytes inside a key tree would leave four keys to a page and make the
//! tree twice as deep. Texts compare byte by byte, SQLite's own way.

/// Steps of the component `items`; see [`super::schema::migrate`].
pub(super) const STEPS: &[&str] = &["
    CREATE TABLE names (
        code INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;

    CREATE TABLE items (
        id INTEGER PRIMARY KEY,
        collection INTEGER NOT NULL,
        part TEXT NOT NULL,
        sort TEXT NOT NULL,
        version INTEGER NOT NULL,
        expires INTEGER,
        -- JSON: [[index, partition, sort], ...]
        entries TEXT,
        body TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX items_by_key ON items (collection, part, sort);
    CREATE INDEX items_by_expiry ON items (expires) WHERE expires IS NOT NULL;

    CREATE TABLE entries (
        collection INTEGER NOT NULL,
        idx INTEGER NOT NULL,
        part TEXT NOT NULL,
        sort TEXT NOT NULL,
        item INTEGER NOT NULL,
        PRIMARY KEY (collection, idx, part, sort, item)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE feed (
        seq INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        event TEXT NOT NULL,
        collection INTEGER NOT NULL,
        part TEXT NOT NULL,
        sort TEXT NOT NULL,
        version INTEGER NOT NULL,
        data TEXT NOT NULL
    ) STRICT;
"];
