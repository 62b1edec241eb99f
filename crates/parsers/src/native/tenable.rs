//! What Tenable's XML and CSV exports have in common: plugins, what they met, and where.
//!
//! What it is not: a format; [`super::nessus`] and [`super::nessus_csv`] fill an [`Item`] each in
//! their way.

use gna_domain::import::Reported;
use gna_domain::model::{EndpointLocation, Level, Location, NetworkLocation};

use super::draft::Draft;
use crate::text;

/// Most products that are kept as tags of one item.
const PRODUCTS: usize = 3;

/// What one plugin said about one port, in the report's own words.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Item {
    pub plugin: String,
    pub name: String,
    pub family: String,
    pub host: String,
    pub port: String,
    pub protocol: String,
    pub service: String,
    /// 0 to 4, or a word.
    pub severity: String,
    pub vectors: Vec<String>,
    pub score: Option<f64>,
    /// Lists of any separator.
    pub cves: Vec<String>,
    pub cwes: Vec<u32>,
    /// `CWE:79`, `RHSA:2024:0001`, `IAVA #2024-A-0001`; lists of any separator.
    pub cross_references: Vec<String>,
    pub synopsis: String,
    pub description: String,
    pub solution: String,
    pub see_also: Vec<String>,
    /// Names of products (CPE), any separator; often hundreds of packages of one source.
    pub products: String,
    pub output: String,
    pub tags: Vec<String>,
    pub reported: Reported,
    /// From web application scanning: the place is an address, not a port.
    pub web: bool,
}

/// Tenable's numbers and words for severity.
pub(super) fn level(word: &str) -> Option<Level> {
    match word.trim() {
        "0" => Some(Level::Info),
        "1" => Some(Level::Low),
        "2" => Some(Level::Medium),
        "3" => Some(Level::High),
        "4" => Some(Level::Critical),
        word => Level::from_word(word),
    }
}

/// A vector with the prefix that some exports leave out; `standard` is `CVSS:3.0/` or the like.
pub(super) fn vector(standard: &str, written: &str) -> String {
    let written = written.trim();
    if written.is_empty() || written.starts_with("CVSS") {
        written.to_owned()
    } else {
        format!("{standard}{written}")
    }
}

impl Item {
    /// The rule is the plugin's number; without one, its name.
    pub fn is_named(&self) -> bool {
        !self.plugin.trim().is_empty() || !self.name.trim().is_empty()
    }

    pub fn convert(self) -> (Draft, Location) {
        let location = self.location();
        let mut identifiers: Vec<String> = Vec::new();
        for cves in &self.cves {
            identifiers.extend(text::identifiers(cves));
        }
        let mut cwes = self.cwes;
        for reference in self.cross_references.iter().flat_map(|list| pieces(list)) {
            match text::cwe(&reference).filter(|_| reference.starts_with("CWE")) {
                Some(cwe) => cwes.push(cwe),
                None => identifiers.extend(advisory(&reference)),
            }
        }
        let filled = |written: &str| {
            let written = written.trim();
            let nothing = written.is_empty() || written.eq_ignore_ascii_case("n/a");
            (!nothing).then(|| written.to_owned())
        };
        let output = filled(&self.output);
        let output = output
            .as_deref()
            .map(|output| output.strip_prefix("Plugin Output:").unwrap_or(output));
        let draft = Draft {
            rule: filled(&self.plugin).unwrap_or_else(|| text::slug(&self.name)),
            title: if self.name.trim().is_empty() {
                text::one_line(&self.synopsis, 200)
            } else {
                self.name
            },
            description: filled(&self.description).or_else(|| filled(&self.synopsis)),
            recommendation: filled(&self.solution),
            references: self
                .see_also
                .iter()
                .flat_map(|list| list.split([' ', '\n', '\r', '\t', ',']))
                .filter(|word| word.contains("://"))
                .map(str::to_owned)
                .collect(),
            cwes: text::unique(cwes),
            identifiers,
            vectors: self.vectors,
            severity: filled(&self.severity),
            score: self.score,
            message: output.map(str::to_owned),
            tags: filled(&self.family)
                .into_iter()
                .chain(self.tags)
                .chain(products(&self.products))
                .collect(),
            reported: self.reported,
            ..Draft::default()
        };
        (draft, location)
    }

    fn location(&self) -> Location {
        let host = self.host.trim();
        let is_url = host.contains("://");
        if is_url || self.web {
            let met = text_url(&self.output, host);
            let base = if is_url {
                host.to_owned()
            } else {
                let scheme = text::filled(Some(&self.protocol)).unwrap_or("http");
                format!("{}://{host}/", scheme.to_ascii_lowercase())
            };
            if !host.is_empty() {
                return Location::Endpoint(EndpointLocation {
                    url: met.unwrap_or(base),
                    method: None,
                    parameter: quoted_after(&self.output, " named '"),
                });
            }
        }
        if host.is_empty() {
            return Location::Asset;
        }
        let word = |text: &str, nothing: &str| {
            let text = text.trim().to_ascii_lowercase();
            (!text.is_empty() && text != nothing).then_some(text)
        };
        Location::Network(NetworkLocation {
            host: host.to_owned(),
            // Port 0 is the host itself.
            port: self.port.trim().parse().ok().filter(|port| *port > 0),
            protocol: word(&self.protocol, "unknown"),
            service: word(&self.service, "general"),
        })
    }
}

/// The first address of the host in what the plugin met: `... on URL 'http://shop.example/a' by`.
fn text_url(output: &str, host: &str) -> Option<String> {
    let bare = host.split_once("://").map_or(host, |(_, rest)| rest);
    let bare = bare.split(['/', ':']).next().unwrap_or_default();
    output
        .split(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '<' | '>' | '(' | ')'))
        .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
        .find(|word| {
            let rest = word.split_once("://").map_or("", |(_, rest)| rest);
            let theirs = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
            !bare.is_empty() && theirs.eq_ignore_ascii_case(bare)
        })
        .map(|url| url.trim_end_matches([',', '.', ';']).to_owned())
}

fn quoted_after(text: &str, mark: &str) -> Option<String> {
    let (_, rest) = text.split_once(mark)?;
    let (value, _) = rest.split_once('\'')?;
    (!value.trim().is_empty() && value.len() <= 200).then(|| value.trim().to_owned())
}

/// The first of the products; the others are mostly packages built from the same source.
fn products(list: &str) -> impl Iterator<Item = String> + '_ {
    list.split([',', ';', '\n', '\r', ' ', '\t', '"', '[', ']', '\''])
        .filter(|name| name.contains("cpe:"))
        .map(str::to_owned)
        .take(PRODUCTS)
}

/// `IAVA #1, CWE:79` as `IAVA:1` and `CWE:79`.
fn pieces(list: &str) -> Vec<String> {
    list.replace(" #", ":")
        .split([',', ';', '\n', '\r', ' ', '\t'])
        .map(|piece| piece.trim().to_ascii_uppercase())
        .filter(|piece| !piece.is_empty())
        .collect()
}

/// `RHSA-2024:0001` of `RHSA:2024:0001`: advisories of makers, which say the same as the plugin.
fn advisory(reference: &str) -> Option<String> {
    let (scheme, number) = reference.split_once(':')?;
    match scheme {
        "CVE" | "GHSA" => text::identifier(number),
        "RHSA" | "RHBA" | "RHEA" | "USN" | "DSA" | "DLA" | "ELSA" | "ALSA" | "RLSA" | "GLSA"
        | "ALAS" => text::identifier(number).or_else(|| {
            let number = number.strip_prefix(scheme).unwrap_or(number);
            text::identifier(&format!("{scheme}-{}", number.trim_start_matches('-')))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_references_become_weaknesses_and_advisories() {
        let item = Item {
            plugin: "1".into(),
            cross_references: vec![
                "CWE:79, RHSA:2024:0001".into(),
                "IAVA #2024-A-0001\nCWE #89 USN:1234-1".into(),
                "CWE:79".into(),
            ],
            cves: vec!["CVE-2024-0001,cve-2024-0002".into()],
            ..Item::default()
        };
        let (draft, location) = item.convert();
        assert_eq!(draft.cwes, [79, 89]);
        assert_eq!(
            draft.identifiers,
            [
                "CVE-2024-0001",
                "CVE-2024-0002",
                "RHSA-2024:0001",
                "USN-1234-1"
            ]
        );
        assert_eq!(location, Location::Asset);
    }

    #[test]
    fn web_findings_stand_at_the_address_that_the_plugin_met() {
        for (host, protocol, output, url, parameter) in [
            (
                "http://shop.example/",
                "tcp",
                "seen on URL 'http://shop.example/find' by exploiting 'form' element named 'q' and",
                "http://shop.example/find",
                Some("q"),
            ),
            (
                "shop.example",
                "https",
                "See http://other.example/x. https://shop.example:8443/a, has",
                "https://shop.example:8443/a",
                None,
            ),
            ("shop.example", "", "none", "http://shop.example/", None),
        ] {
            let item = Item {
                host: host.into(),
                protocol: protocol.into(),
                output: output.into(),
                web: true,
                ..Item::default()
            };
            let expected = EndpointLocation {
                url: url.into(),
                method: None,
                parameter: parameter.map(str::to_owned),
            };
            assert_eq!(item.location(), Location::Endpoint(expected));
        }
    }

    #[test]
    fn bare_vectors_get_their_prefix() {
        assert_eq!(vector("CVSS:3.0/", "AV:N"), "CVSS:3.0/AV:N");
        assert_eq!(vector("CVSS:3.0/", "CVSS:3.1/AV:N"), "CVSS:3.1/AV:N");
        assert_eq!(vector("CVSS:3.0/", " "), "");
    }
}
