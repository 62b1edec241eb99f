//! Names of weaknesses: CVE, GHSA and the other prefixes of the OSV schema, and CWE numbers.

use regex::Regex;
use std::sync::LazyLock;

use super::unique;

/// Prefixes of the OSV schema's registered databases (OSV schema 1.7, `id` field) and of national
/// databases, upper-cased.
const PREFIXES: &[&str] = &[
    "A",
    "ALAS",
    "ALAS2",
    "ALAS2023",
    "ALBA",
    "ALEA",
    "ALPINE",
    "ALSA",
    "ASB",
    "AZL",
    "BDU",
    "BELL",
    "BIT",
    "CGA",
    "CLEANSTART",
    "CNNVD",
    "CNVD",
    "CURL",
    "DEBIAN",
    "DHI",
    "DLA",
    "DRUPAL",
    "DSA",
    "DTSA",
    "ECHO",
    "EEF",
    "ELA",
    "ELBA",
    "ELEA",
    "ELSA",
    "EUVD",
    "FEDORA",
    "GLSA",
    "GMS",
    "GO",
    "GSD",
    "HSEC",
    "JLSEC",
    "JVNDB",
    "KUBE",
    "LBSEC",
    "LSN",
    "MAL",
    "MGASA",
    "MINI",
    "NSWG",
    "OESA",
    "OSEC",
    "OSV",
    "PHSA",
    "PSF",
    "PUB",
    "PYSEC",
    "RHBA",
    "RHEA",
    "RHSA",
    "RLBA",
    "RLEA",
    "RLSA",
    "ROOT",
    "RSEC",
    "RUSTSEC",
    "RXSA",
    "SNYK",
    "SUSE",
    "OPENSUSE",
    "TEMP",
    "UBUNTU",
    "USN",
    "UVI",
    "V8",
    "VSV00",
    "WORDFENCE",
];

#[expect(
    clippy::unwrap_used,
    reason = "the pattern is a constant; every test of this file compiles it"
)]
static IN_TEXT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:CVE-\d{4}-\d{4,19}|GHSA(?:-[0-9a-z]{4}){3}|RUSTSEC-\d{4}-\d{4}|GO-\d{4}-\d{4,}|PYSEC-\d{4}-\d+|(?:RHSA|RHBA|RHEA|ELSA|ALSA|RLSA)-\d{4}:\d+|USN-\d+-\d+|DSA-\d+-\d+|DLA-\d+-\d+|ALAS\d*-\d{4}-\d+)\b",
    )
    .unwrap()
});

/// Every identifier named in a free text, normalised, without repeats, CVE and GHSA first.
#[must_use]
pub fn identifiers(text: &str) -> Vec<String> {
    // The pattern only ever starts at a letter after a border; most texts have no `-` at all.
    if !text.contains('-') {
        return Vec::new();
    }
    in_order(IN_TEXT.find_iter(text).map(|found| found.as_str()))
}

/// The text as one identifier in its scheme's own spelling (`CVE-2024-1`, `GHSA-xxxx-xxxx-xxxx`,
/// `RUSTSEC-2024-0001`), where it is one and nothing else.
#[must_use]
pub fn identifier(text: &str) -> Option<String> {
    let text = text.trim();
    let (prefix, rest) = text.split_once('-')?;
    let prefix = prefix.to_ascii_uppercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '_' | '.');
    if rest.is_empty() || rest.len() > 80 || !rest.chars().all(fits) {
        return None;
    }
    match prefix.as_str() {
        "CVE" | "CAN" => {
            let (year, number) = rest.split_once('-')?;
            let digits =
                |part: &str, least| part.len() >= least && part.bytes().all(|b| b.is_ascii_digit());
            (digits(year, 4) && year.len() == 4 && digits(number, 1) && number.len() <= 19)
                .then(|| format!("CVE-{year}-{number}"))
        }
        "GHSA" => {
            let rest = rest.to_ascii_lowercase();
            let parts: Vec<&str> = rest.split('-').collect();
            (parts.len() == 3 && parts.iter().all(|part| part.len() == 4))
                .then(|| format!("GHSA-{rest}"))
        }
        // These schemes have letters of both cases after the prefix.
        "CGA" | "MAL" | "SNYK" | "DRUPAL" | "BIT" | "PSF" | "SUSE" | "OPENSUSE" | "FEDORA"
        | "A" => rest
            .bytes()
            .any(|b| b.is_ascii_digit())
            .then(|| text.to_owned()),
        known if PREFIXES.contains(&known) => rest
            .bytes()
            .any(|b| b.is_ascii_digit())
            .then(|| format!("{known}-{}", rest.to_ascii_uppercase())),
        _ => None,
    }
}

/// Identifiers from whole texts: what is none is left out, the rest normalised, without repeats,
/// CVE first, then GHSA, then the others, each in the order given.
#[must_use]
pub fn in_order<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Vec<String> {
    let read = texts
        .into_iter()
        .filter_map(|text| identifier(text.as_ref()));
    let mut all = unique(read);
    all.sort_by_key(|id| match id {
        id if id.starts_with("CVE-") => 0,
        id if id.starts_with("GHSA-") => 1,
        _ => 2,
    });
    all
}

/// The number in `CWE-79`, `79`, `cwe-079: Cross-site...`, `external/cwe/cwe-079`, or an address
/// of the catalogue (`.../definitions/79.html`). `None` for 0 and for texts without one.
#[must_use]
pub fn cwe(text: &str) -> Option<u32> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = if let Some((_, after)) = lower
        .rsplit_once("cwe-")
        .or_else(|| lower.rsplit_once("cwe_"))
    {
        after
    } else if let Some((_, after)) = lower.rsplit_once("cwe.mitre.org/data/definitions/") {
        after
    } else if let Some(after) = lower.strip_prefix("cwe") {
        after.trim_start_matches([':', ' ', '/', '=', '#'])
    } else if lower.starts_with(|c: char| c.is_ascii_digit()) {
        let end = lower
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(lower.len());
        let (number, after) = lower.split_at(end);
        // `3.5` or `2024-01-01` is no CWE, `79` and `79: Cross-site` are.
        if !after.is_empty() && !after.starts_with([':', ' ', '.'])
            || after.starts_with('.') && after != "." && after != ".0"
        {
            return None;
        }
        number
    } else {
        return None;
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits
        .get(..end)?
        .parse()
        .ok()
        .filter(|number| (1..=99_999).contains(number))
}

/// The numbers in several texts, in their order, without repeats.
#[must_use]
pub fn cwes<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Vec<u32> {
    unique(texts.into_iter().filter_map(|text| cwe(text.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_found_in_texts_and_ordered() {
        for (text, expected) in [
            (
                "see ghsa-JFH8-c2jp-5v3q, cve-2021-44228 and CVE-2021-44228.",
                vec!["CVE-2021-44228", "GHSA-jfh8-c2jp-5v3q"],
            ),
            (
                "RUSTSEC-2020-0071/CVE-2020-26235",
                vec!["CVE-2020-26235", "RUSTSEC-2020-0071"],
            ),
            (
                "RHSA-2021:5127 DSA-5020-1",
                vec!["RHSA-2021:5127", "DSA-5020-1"],
            ),
            ("XCVE-2021-44228 CVE-21-1 nothing", vec![]),
        ] {
            assert_eq!(identifiers(text), expected, "{text}");
        }
    }

    #[test]
    fn one_text_is_an_identifier_or_not() {
        for (text, expected) in [
            (" cve-2024-0001 ", Some("CVE-2024-0001")),
            ("GHSA-ABCD-1234-efgh", Some("GHSA-abcd-1234-efgh")),
            ("GHSA-abc", None),
            ("go-2024-2687", Some("GO-2024-2687")),
            ("SNYK-JS-LODASH-567746", Some("SNYK-JS-LODASH-567746")),
            ("UBUNTU-CVE-2024-1", Some("UBUNTU-CVE-2024-1")),
            ("GO-module", None),
            ("python.lang.security", None),
            ("CVE-2024", None),
        ] {
            assert_eq!(identifier(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn cwe_numbers_are_read_from_all_spellings() {
        for (text, expected) in [
            ("CWE-79", Some(79)),
            ("79", Some(79)),
            ("CWE-79: Improper Neutralization", Some(79)),
            ("external/cwe/cwe-079", Some(79)),
            ("CWE:89", Some(89)),
            ("https://cwe.mitre.org/data/definitions/611.html", Some(611)),
            ("0", None),
            ("CWE-0", None),
            ("NVD-CWE-noinfo", None),
            ("3.5", None),
            ("2024-01-01", None),
            ("none", None),
        ] {
            assert_eq!(cwe(text), expected, "{text}");
        }
        assert_eq!(cwes(["CWE-2", "x", "2", "CWE-1"]), [2, 1]);
    }
}
