//! Reading the feeds of threats: EPSS (FIRST, CSV) and KEV (CISA, JSON). Pure and all or nothing: a
//! feed with one line that can't be read is refused, so that no day's scores are half old.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::model::{Epss, FeedKind, Kev};
use crate::time::Timestamp;

/// Most entries of a feed; there are some 300,000 CVEs.
const ENTRIES: usize = 2_000_000;
/// Most entries of a catalogue, all of whose names are kept in one record. (The one of 2026 has about
/// 1,500.)
const KEV_ENTRIES: usize = 20_000;

/// What a feed says.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    pub as_of: Timestamp,
    pub entries: Entries,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Entries {
    Epss(Vec<(String, Epss)>),
    Kev(Vec<(String, Kev)>),
}

impl Feed {
    #[must_use]
    pub fn kind(&self) -> FeedKind {
        match self.entries {
            Entries::Epss(_) => FeedKind::Epss,
            Entries::Kev(_) => FeedKind::Kev,
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        match &self.entries {
            Entries::Epss(list) => list.len(),
            Entries::Kev(list) => list.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads a feed of that kind, decompressed.
///
/// # Errors
/// `feed.malformed` with the line or the entry, `feed.empty`, `feed.too_large`.
pub fn read(kind: FeedKind, bytes: &[u8]) -> Result<Feed> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
    let text = text.trim_start_matches('\u{feff}');
    let feed = match kind {
        FeedKind::Epss => epss(text),
        FeedKind::Kev => kev(text),
    }?;
    if feed.is_empty() {
        return Err(Error::invalid(
            "feed.empty",
            "the feed has no entry; nothing was changed",
        ));
    }
    Ok(feed)
}

fn malformed(what: impl std::fmt::Display) -> Error {
    Error::invalid(
        "feed.malformed",
        format!("the feed can't be read: {what}; nothing was changed"),
    )
}

fn limit(count: usize, most: usize) -> Result<()> {
    if count > most {
        return Err(Error::limit(
            "feed.too_large",
            format!("a feed of this kind has at most {most} entries"),
        ));
    }
    Ok(())
}

/// `CVE-`, four digits, `-`, four or more digits, in upper case (CVE Record Format, `cveId`).
#[must_use]
pub fn is_cve(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix("CVE-")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(year, number)| {
            year.len() == 4 && digits(year) && (4..=19).contains(&number.len()) && digits(number)
        })
}

/// A comment with the model's version and the day, then `cve,epss,percentile`.
fn epss(text: &str) -> Result<Feed> {
    let mut as_of = None;
    let mut names: Option<[usize; 3]> = None;
    let mut list = Vec::new();
    for (number, line) in (1_u64..).zip(text.lines()) {
        let line = line.trim_end();
        let at = |what: &str| malformed(format!("line {number}: {what}"));
        if let Some(comment) = line.strip_prefix('#') {
            let date = comment
                .split(',')
                .find_map(|pair| pair.trim().strip_prefix("score_date:"));
            if let Some(date) = date {
                as_of = Some(moment(date).ok_or_else(|| at("the date can't be read"))?);
            }
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let Some([cve, score, percentile]) = names else {
            let place = |name: &str| cells.iter().position(|cell| *cell == name);
            names = match (place("cve"), place("epss"), place("percentile")) {
                (Some(cve), Some(score), Some(percentile)) => Some([cve, score, percentile]),
                _ => return Err(at("there must be columns cve, epss and percentile")),
            };
            continue;
        };
        let cell = |place: usize| cells.get(place).copied().unwrap_or_default();
        let share = |place: usize| {
            cell(place)
                .parse::<f64>()
                .ok()
                .filter(|share| (0.0..=1.0).contains(share))
                .ok_or_else(|| at("a score is a number from 0 to 1"))
        };
        if !is_cve(cell(cve)) {
            return Err(at("the first value is no CVE"));
        }
        let entry = Epss {
            probability: share(score)?,
            percentile: share(percentile)?,
        };
        list.push((cell(cve).to_owned(), entry));
        limit(list.len(), ENTRIES)?;
    }
    let as_of = as_of.ok_or_else(|| malformed("the first line does not say of which day it is"))?;
    Ok(Feed {
        as_of,
        entries: Entries::Epss(list),
    })
}

/// The date with the offset as the feed writes it (`+0000`), or as everybody else does.
fn moment(text: &str) -> Option<Timestamp> {
    Timestamp::parse_with("%Y-%m-%dT%H:%M:%S%z", text).or_else(|| Timestamp::parse(text).ok())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Catalogue {
    date_released: String,
    vulnerabilities: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(rename = "cveID")]
    cve: String,
    date_added: String,
    #[serde(default)]
    due_date: Option<String>,
    #[serde(default)]
    known_ransomware_campaign_use: Option<String>,
}

fn kev(text: &str) -> Result<Feed> {
    let catalogue: Catalogue = serde_json::from_str(text).map_err(malformed)?;
    limit(catalogue.vulnerabilities.len(), KEV_ENTRIES)?;
    let as_of = Timestamp::parse(&catalogue.date_released)
        .map_err(|_| malformed("dateReleased is no time"))?;
    let list = catalogue
        .vulnerabilities
        .into_iter()
        .enumerate()
        .map(|(number, listed)| {
            let at = |what: &str| malformed(format!("entry {number}: {what}"));
            if !is_cve(&listed.cve) {
                return Err(at("cveID is no CVE"));
            }
            let added = date(&listed.date_added).ok_or_else(|| at("dateAdded is no date"))?;
            let due = listed
                .due_date
                .filter(|text| !text.is_empty())
                .map(|text| date(&text).ok_or_else(|| at("dueDate is no date")))
                .transpose()?;
            let ransomware = listed
                .known_ransomware_campaign_use
                .is_some_and(|word| word.eq_ignore_ascii_case("known"));
            let kev = Kev {
                added,
                due,
                ransomware,
            };
            Ok((listed.cve, kev))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Feed {
        as_of,
        entries: Entries::Kev(list),
    })
}

/// A day, as it is written, where it is one.
fn date(text: &str) -> Option<String> {
    let text = text.trim();
    let is_day = text.len() == 10 && Timestamp::parse(text).is_ok();
    is_day.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "#model_version:v2025.03.14,score_date:2026-01-01T00:00:00+0000\ncve,epss,percentile\nCVE-2021-44228,0.97,0.999\nCVE-2024-0001,0.00042,0.05\n";

    #[test]
    fn the_feeds_are_read_as_they_are_published() {
        let feed = read(FeedKind::Epss, CSV.as_bytes()).expect("reads");
        assert_eq!(feed.as_of.to_string(), "2026-01-01T00:00:00.000Z");
        let Entries::Epss(list) = &feed.entries else {
            panic!("{feed:?}")
        };
        assert_eq!(list[1].0, "CVE-2024-0001");
        assert_eq!(list[0].1.probability, 0.97);
        let kev = serde_json::json!({ "title": "CISA Catalog of Known Exploited Vulnerabilities", "catalogVersion": "2026.01.02",
            "dateReleased": "2026-01-02T15:00:00.123Z", "count": 1, "vulnerabilities": [{ "cveID": "CVE-2021-44228", "vendorProject": "Apache",
            "dateAdded": "2021-12-10", "dueDate": "2021-12-24", "knownRansomwareCampaignUse": "Known" }] });
        let feed = read(FeedKind::Kev, kev.to_string().as_bytes()).expect("reads");
        let expected = Kev {
            added: "2021-12-10".to_owned(),
            due: Some("2021-12-24".to_owned()),
            ransomware: true,
        };
        assert_eq!(
            feed.entries,
            Entries::Kev(vec![("CVE-2021-44228".to_owned(), expected)])
        );
    }

    #[test]
    fn one_bad_line_refuses_the_whole_feed_and_is_named() {
        for (change, line) in [
            (("0.00042", "1.5"), "line 4"),
            (("0.00042", "NaN"), "line 4"),
            (("0.00042", ""), "line 4"),
            (("CVE-2024-0001", "x"), "line 4"),
            (("cve,epss", "cve,score"), "line 2"),
            (("score_date", "date"), "which day"),
            (("2026-01-01T00", "yesterday"), "line 1"),
        ] {
            let text = CSV.replace(change.0, change.1);
            let error = read(FeedKind::Epss, text.as_bytes()).expect_err("refused");
            assert_eq!(error.code(), "feed.malformed");
            assert!(error.message().contains(line), "{}", error.message());
        }
        let head = CSV.lines().take(2).collect::<Vec<_>>().join("\n");
        let empty = read(FeedKind::Epss, head.as_bytes()).expect_err("refused");
        assert_eq!(empty.code(), "feed.empty");
        for text in [
            "",
            "{}",
            "[]",
            r#"{"dateReleased": "2026-01-01", "vulnerabilities": [{"cveID": "x", "dateAdded": "2026-01-01"}]}"#,
            r#"{"dateReleased": "2026-01-01", "vulnerabilities": [{"cveID": "CVE-2024-0001", "dateAdded": "soon"}]}"#,
        ] {
            let error = read(FeedKind::Kev, text.as_bytes()).expect_err("refused");
            assert_eq!(error.code(), "feed.malformed", "{text}");
        }
        assert!(read(FeedKind::Epss, b"\xff\xfe").is_err());
    }

    #[test]
    fn a_cve_is_known_by_its_form() {
        for (name, is) in [
            ("CVE-2024-0001", true),
            ("CVE-2024-1234567", true),
            ("cve-2024-0001", false),
            ("CVE-24-0001", false),
            ("CVE-2024-1", false),
            ("GHSA-xxxx", false),
            ("CVE-2024-00x1", false),
        ] {
            assert_eq!(is_cve(name), is, "{name}");
        }
    }
}
