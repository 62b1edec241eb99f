//! What an import writes, for the benches of the store: chunks of new vulnerabilities, each with its
//! identity, its presence and what the feed tells of it.

use gna_domain::time::Timestamp;
use gna_storage::kernel::{Batch, Expect, FeedRecord, IndexEntry, Item, ItemKey, Op};

/// Vulnerabilities in a chunk.
pub const CHUNK: u64 = 1_000;

/// A number spread over all 64 bits, as hashes and random ids are.
pub fn spread(n: u64) -> u64 {
    let mixed = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB)
}

/// The key of vulnerability number `n`.
pub fn vulnerability(n: u64) -> ItemKey {
    // Ids begin with the time, so they grow.
    let sort = format!("vul_{:016x}{:016x}", n, spread(n));
    ItemKey {
        collection: "vulnerability",
        partition: group(n),
        sort,
    }
}

/// The key of its identity.
pub fn identity(n: u64) -> ItemKey {
    let sort = format!(
        "{:016x}{:016x}{:016x}{:016x}",
        spread(n),
        spread(!n),
        spread(n + 1),
        spread(n + 2)
    );
    ItemKey {
        collection: "identity",
        partition: format!("{}/ast_{:032x}", group(n), n / 5_000),
        sort,
    }
}

fn presence(n: u64) -> ItemKey {
    let key = vulnerability(n);
    ItemKey {
        collection: "presence",
        partition: key.sort,
        sort: "main\u{1f}trivy".into(),
    }
}

/// The group it is in; 20,000 have one together.
pub fn group(n: u64) -> String {
    format!("grp_{:032x}", spread(n / 20_000))
}

fn put(key: ItemKey, bytes: usize, entries: Vec<IndexEntry>) -> Op {
    let fill = bytes.saturating_sub(12);
    let body = format!("{{\"fill\":\"{}\"}}", "x".repeat(fill));
    Op::Put {
        item: Item {
            key,
            version: 1,
            body: body.into(),
            entries,
            expires: None,
        },
        expect: Expect::Absent,
    }
}

/// What an import writes for one chunk of vulnerabilities that are all new.
pub fn chunk(first: u64) -> Batch {
    let mut ops = Vec::new();
    for n in first..first + CHUNK {
        let key = vulnerability(n);
        let entry = |index, partition: String, sort: String| IndexEntry {
            index,
            partition,
            sort,
        };
        let entries = vec![
            entry(
                "by_asset",
                format!("ast_{:032x}", n / 5_000),
                key.sort.clone(),
            ),
            entry(
                "by_finding",
                format!("fnd_{:032x}", spread(n % 997)),
                key.sort.clone(),
            ),
            entry(
                "by_due",
                key.partition.clone(),
                format!("{:020}", spread(n) % 100_000),
            ),
        ];
        let record = FeedRecord {
            event: "vulnerability.created".into(),
            key: key.clone(),
            version: 1,
            at: Timestamp::from_millis(0),
            data: "{\"report\":\"rep_0123456789abcdef\"}".into(),
        };
        ops.push(put(key, 700, entries));
        ops.push(put(identity(n), 60, vec![]));
        ops.push(put(presence(n), 120, vec![]));
        ops.push(Op::Append(record));
    }
    Batch { ops }
}
