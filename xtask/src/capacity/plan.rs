//! From what was measured to a large instance: every figure with how it comes about, as Markdown.

use std::collections::BTreeMap;

use super::meter::{Cost, Kept};

/// How an instance is used.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Pattern {
    /// Scans of each asset in a month
    #[arg(long, default_value_t = 30)]
    scans: u64,
    /// Pages of lists in a month, for each million of vulnerabilities
    #[arg(long, default_value_t = 1_000_000)]
    pages: u64,
    /// Decisions of people in a month, for each million of vulnerabilities
    #[arg(long, default_value_t = 20_000)]
    decisions: u64,
    /// Findings in a report
    #[arg(long, default_value_t = 1_000)]
    report: u64,
}

/// What a small instance did.
pub struct Measured {
    pub findings: u64,
    pub kept: BTreeMap<&'static str, Kept>,
    /// Pages and bytes of the feed.
    pub feed: (u64, u64),
    /// Documents of vulnerabilities and of findings, and their bytes.
    pub documents: (u64, u64, u64),
    pub new: Cost,
    pub new_documents: u64,
    pub again: Cost,
    pub again_documents: u64,
    pub some: Cost,
    pub some_documents: u64,
    pub page: Cost,
    pub decision: Cost,
}

const SIZES: [u64; 4] = [1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// Bytes of an index on disk for a byte of JSON, with one replica: OpenSearch keeps the source, an
/// inverted index and columns, about 1.1 times the source (the sizing guide of Amazon OpenSearch
/// Service counts 10 % for indexing), twice.
const SEARCH_FACTOR: f64 = 2.2;

/// Months of 30 days, in seconds.
const MONTH: f64 = 30.0 * 86_400.0;

/// Units for writing that one partition of a table takes in a second (developer guide, "Designing
/// partition keys"); the row that counts the feed costs two per commit.
const PARTITION_WRITES: f64 = 1_000.0;

fn per(total: u64, count: u64) -> f64 {
    total as f64 / count as f64
}

fn human(number: f64) -> String {
    let (value, unit) = match number {
        n if n >= 1e12 => (n / 1e12, " T"),
        n if n >= 1e9 => (n / 1e9, " G"),
        n if n >= 1e6 => (n / 1e6, " M"),
        n if n >= 1e3 => (n / 1e3, " k"),
        n => (n, ""),
    };
    match value {
        value if value >= 100.0 => format!("{value:.0}{unit}"),
        value if value >= 10.0 => format!("{value:.1}{unit}"),
        value => format!("{value:.2}{unit}"),
    }
}

/// Prints it.
pub fn print(measured: &Measured, pattern: &Pattern) {
    println!(
        "## Measured on an instance of {} vulnerabilities\n",
        measured.findings
    );
    rows(measured);
    calls(measured);
    println!("\n## Multiplied\n");
    sizes(measured);
    month(measured, pattern);
}

fn rows(measured: &Measured) {
    let n = measured.findings;
    println!("Rows after the first import, with the 100 bytes that the service adds to each:\n");
    println!(
        "| Collection | Rows | Bytes a row | Index entries | Bytes an entry | Bytes for one vulnerability |"
    );
    println!("|---|---|---|---|---|---|");
    for (name, kept) in measured
        .kept
        .iter()
        .filter(|(_, kept)| kept.rows * 100 >= n)
    {
        let bytes = kept.bytes + kept.index_bytes;
        println!(
            "| {name} | {} | {:.0} | {} | {:.0} | {:.0} |",
            kept.rows,
            per(kept.bytes, kept.rows),
            kept.index_entries,
            per(kept.index_bytes, kept.index_entries.max(1)),
            per(bytes, n)
        );
    }
    let (pages, bytes) = measured.feed;
    println!(
        "| (feed) | {pages} | {:.0} | 0 | 0 | {:.0} |",
        per(bytes, pages.max(1)),
        per(bytes, n)
    );
    println!(
        "\nAltogether {:.0} bytes and {:.2} rows for one vulnerability, {:.0} of it feed, which is dropped after `worker.feed_days`.",
        stored(measured),
        per(measured.kept.values().map(|kept| kept.rows).sum(), n),
        per(bytes, n)
    );
}

/// Bytes of the table for one vulnerability.
fn stored(measured: &Measured) -> f64 {
    let kept = measured.kept.values();
    let bytes: u64 = kept.map(|kept| kept.bytes + kept.index_bytes).sum();
    per(bytes + measured.feed.1, measured.findings)
}

fn calls(measured: &Measured) {
    let n = measured.findings;
    println!(
        "\nUnits: a write unit is 1 KB written, twice in a transaction; a read unit 4 KB read strongly. All are for one item of the left column.\n"
    );
    println!("| What | Write units | Read units | Requests | Bytes written | Documents indexed |");
    println!("|---|---|---|---|---|---|");
    let line = |what: &str, cost: &Cost, count: u64, documents: f64| {
        println!(
            "| {what} | {:.2} | {:.2} | {:.3} | {:.0} | {documents:.2} |",
            per(cost.writes, count),
            cost.reads() / count as f64,
            per(cost.requests, count),
            per(cost.written, count),
        );
    };
    line(
        "a finding, the first time",
        &measured.new,
        n,
        per(measured.new_documents, n),
    );
    line(
        "a finding, seen again",
        &measured.again,
        n,
        per(measured.again_documents, n),
    );
    line(
        "a finding of a report in which one in a hundred is new and one gone",
        &measured.some,
        n,
        per(measured.some_documents, n),
    );
    line(
        "a page of 50, with findings and assets",
        &measured.page,
        1,
        0.0,
    );
    line(
        "a decision about one vulnerability",
        &measured.decision,
        1,
        1.0,
    );
}

fn sizes(measured: &Measured) {
    let bytes = stored(measured);
    let (documents, findings, search) = measured.documents;
    let document = search as f64 / (documents + findings) as f64;
    println!(
        "| Vulnerabilities | Rows | Table and indexes | First import: write units | Documents | Search, with one replica |"
    );
    println!("|---|---|---|---|---|---|");
    let rows = per(
        measured.kept.values().map(|kept| kept.rows).sum(),
        measured.findings,
    );
    let writes = per(measured.new.writes, measured.findings);
    let each = per(documents + findings, documents);
    for size in SIZES {
        let size = size as f64;
        println!(
            "| {} | {} | {}B | {} | {} | {}B |",
            human(size),
            human(size * rows),
            human(size * bytes),
            human(size * writes),
            human(size * each),
            human(size * each * document * SEARCH_FACTOR),
        );
    }
    println!(
        "\nTable = vulnerabilities × {bytes:.0} bytes. Write units = vulnerabilities × {writes:.2}. Search = documents × {document:.0} bytes of JSON × {SEARCH_FACTOR} (1.1 for the index, two copies)."
    );
}

fn month(measured: &Measured, pattern: &Pattern) {
    let n = measured.findings;
    let (scans, report) = (pattern.scans, pattern.report);
    println!(
        "\nA month: each vulnerability is scanned {scans} times in reports of {report} findings, one finding in a hundred is new and one gone each time; {} pages and {} decisions for each million of vulnerabilities.\n",
        pattern.pages, pattern.decisions
    );
    println!(
        "| Vulnerabilities | Write units | of it pages and decisions | Read units | Write units a second, even load | Commits that tell, a second | Documents indexed |"
    );
    println!("|---|---|---|---|---|---|---|");
    let (writes, reads) = (
        per(measured.some.writes, n),
        measured.some.reads() / n as f64,
    );
    let told = per(measured.some.told, n);
    let documents = per(measured.some_documents, n);
    for size in SIZES {
        let seen = size as f64 * scans as f64;
        let millions = size as f64 / 1e6;
        let (pages, decisions) = (
            millions * pattern.pages as f64,
            millions * pattern.decisions as f64,
        );
        let people = decisions * measured.decision.writes as f64;
        let all = seen * writes + people;
        let read =
            seen * reads + pages * measured.page.reads() + decisions * measured.decision.reads();
        let commits = seen * told + decisions * measured.decision.told as f64;
        println!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            human(size as f64),
            human(all),
            human(people),
            human(read),
            human(all / MONTH),
            human(commits / MONTH),
            human(seen * documents + decisions),
        );
    }
    println!(
        "\nWrite units = vulnerabilities × {scans} scans × {writes:.2} + decisions × {}. Read units = vulnerabilities × {scans} × {reads:.2} + pages × {:.1} + decisions × {:.1}. Commits that tell = vulnerabilities × {scans} × {told:.5} + decisions × {}.",
        measured.decision.writes,
        measured.page.reads(),
        measured.decision.reads(),
        measured.decision.told,
    );
    println!(
        "\nThe bound of one table: commits that tell something count on one row, two write units each, so that at most {:.0} / 2 = {:.0} of them fit into a second; what is above that needs several instances.",
        PARTITION_WRITES,
        PARTITION_WRITES / 2.0
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, said) in [
            (0.5, "0.50"),
            (999.0, "999"),
            (1_000.0, "1.00 k"),
            (12_345_678.0, "12.3 M"),
            (1e9, "1.00 G"),
            (2.5e12, "2.50 T"),
        ] {
            assert_eq!(human(number), said);
        }
    }
}
