//! Exports for people: the workbook, read back by another library, and the page that is printed.

use calamine::{Data, Reader, Xlsx};
use gna_testkit::{Issue, sarif, trivy};
use std::io::Cursor;

use crate::rest_actor::{Actor, Place};

const BYTES: [(&str, &str); 1] = [("content-type", "application/octet-stream")];
const EXPORT: &str = "/api/v2/vulnerabilities/export?organization=acme&group=shop&format=";

async fn filled(place: &Place) -> Actor {
    let tess = place.tess().await;
    let upload = |asset: &str| {
        format!("/api/v2/reports?organization=acme&group=shop&asset={asset}&file_name=a.json")
    };
    let packages = [
        (
            "CVE-2024-0001",
            "=HYPERLINK(\"https://evil.example\")",
            "1.0.0",
        ),
        ("CVE-2024-0002", "<script>alert(1)</script>", "1.0.0"),
    ];
    let issues = [Issue::new("=cmd|' /C calc'!A0", "src/a.rs", 7).snippet("a();")];
    for (asset, report) in [
        ("%3Cimg%20src%3Dx%3E", trivy("a.json", &packages)),
        ("web", sarif("+Linter", &issues)),
    ] {
        let answer = tess.send("POST", &upload(asset), &BYTES, report).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        place.world.run_jobs().await.expect("imports");
        place.world.clock.advance_millis(1_000);
    }
    tess
}

#[tokio::test]
async fn a_workbook_has_what_the_csv_has_and_no_formula() {
    let place = Place::new().await;
    let tess = filled(&place).await;
    let csv = tess.get(&format!("{EXPORT}csv")).await.text;
    let mut lines = csv::Reader::from_reader(csv.as_bytes());
    let names: Vec<String> = lines
        .headers()
        .expect("names")
        .iter()
        .map(str::to_owned)
        .collect();
    let expected: Vec<Vec<String>> = lines
        .records()
        .map(|record| {
            record
                .expect("a record")
                .iter()
                .map(str::to_owned)
                .collect()
        })
        .collect();
    assert_eq!(expected.len(), 3);

    let answer = tess.get(&format!("{EXPORT}xlsx")).await;
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    assert_eq!(answer.header("content-type"), kind);
    let mut book = Xlsx::new(Cursor::new(answer.bytes)).expect("a workbook");
    let formulas = book.worksheet_formula("Vulnerabilities").expect("a sheet");
    assert!(formulas.cells().all(|(_, _, formula)| formula.is_empty()));
    let sheet = book.worksheet_range("Vulnerabilities").expect("a sheet");
    let rows: Vec<&[Data]> = sheet.rows().collect();
    let text = |cell: &Data| match cell {
        Data::Empty => String::new(),
        other => other.to_string(),
    };
    assert_eq!(rows[0].iter().map(text).collect::<Vec<_>>(), names);
    assert_eq!(rows.len(), expected.len() + 1);
    let mut is_number_seen = false;
    for (row, line) in rows[1..].iter().zip(&expected) {
        for ((cell, wanted), name) in row.iter().zip(line).zip(&names) {
            match cell {
                Data::Float(number) => {
                    is_number_seen = true;
                    assert!(["score", "line"].contains(&name.as_str()), "{name}");
                    assert!((number - wanted.parse::<f64>().expect("a number")).abs() < 1e-9);
                }
                // A string is no formula: it needs no mark that keeps it from being one.
                other => assert_eq!(
                    text(other),
                    wanted.strip_prefix('\'').unwrap_or(wanted),
                    "{name}"
                ),
            }
        }
    }
    assert!(is_number_seen);
    assert!(csv.contains("=HYPERLINK"), "what might run was there");
}

#[tokio::test]
async fn a_page_tells_the_summary_and_each_one_and_runs_and_asks_for_nothing() {
    let place = Place::new().await;
    let tess = filled(&place).await;
    let answer = tess.get(&format!("{EXPORT}html")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    let page = &answer.text;
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    for said in [
        "Vulnerabilities of acme/shop",
        "3 vulnerabilities.",
        "CVE-2024-0001",
        "&#60;script&#62;",
        "&#60;img src=x&#62;",
        "src/a.rs:7",
        "<svg role=\"img\" aria-label=\"By severity\"",
        "class=\"HIGH\"",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    for never in [
        "<script",
        "<img",
        "<link",
        "src=\"",
        "href=",
        "url(",
        "@import",
        "http://",
        "http-equiv=\"refresh",
    ] {
        assert!(!page.contains(never), "{never}: {page}");
    }
    // Each in the details, and in what comes first.
    assert_eq!(page.matches("CVE-2024-0001</small>").count(), 2, "{page}");
    // A filter holds for all of it.
    let path = format!("{EXPORT}html&cve=CVE-2024-0002");
    let narrowed = tess.get(&path).await.text;
    assert!(narrowed.contains("1 vulnerability.") && !narrowed.contains("CVE-2024-0001"));
}
