//! Parts of a Dependency-Check report: which package a file is, and what its scores say.
//!
//! What it is not: the sweep over the report, which is [`super::dependency_check`].

use gna_domain::model::{Level, PackageLocation};

use crate::text;
use crate::xml::Element;

/// Words of several databases: `HIGH`, `moderate`, `Unscored:medium`, `0.0`.
pub(super) fn level(word: &str) -> Option<Level> {
    let word = word.rsplit(':').next().unwrap_or_default();
    Level::from_word(word)
}

/// The package that the tool took a file for. What a related file does not say is taken from
/// the dependency it is related to, but for its path.
pub(super) fn component(dependency: &Element, main: Option<&PackageLocation>) -> PackageLocation {
    let file = dependency.value("fileName");
    let path = dependency.value("filePath").or(file);
    let named = by_package(dependency)
        .or_else(|| by_coordinates(dependency))
        .or_else(|| main.cloned())
        .or_else(|| by_cpe(dependency))
        .or_else(|| by_evidence(dependency))
        .unwrap_or_else(|| PackageLocation {
            name: file.or(path).unwrap_or("unnamed").to_owned(),
            ..PackageLocation::default()
        });
    PackageLocation {
        path: path.map(|path| text::path(path, false)),
        ..named
    }
}

/// Since schema 2.0: `identifiers/package/id` is a package URL.
fn by_package(dependency: &Element) -> Option<PackageLocation> {
    let ids = dependency.values("identifiers/package/id");
    ids.into_iter().find_map(|id| {
        let purl = text::purl(id)?;
        Some(PackageLocation {
            name: purl.name,
            version: purl.version,
            purl: Some(id.to_owned()),
            // The tool makes purls of a type `javascript`, which the specification has not.
            ecosystem: Some(text::ecosystem(&purl.ecosystem).map_or(purl.ecosystem, str::to_owned)),
            ..PackageLocation::default()
        })
    })
}

/// Schema 1: `<identifier type="maven"><name>(group:artifact:version)</name>`.
fn by_coordinates(dependency: &Element) -> Option<PackageLocation> {
    let identifiers = dependency.all("identifiers/identifier");
    identifiers.into_iter().find_map(|identifier| {
        let ecosystem = text::ecosystem(identifier.attr("type")?)?;
        let name = identifier.value("name")?;
        let name = name.trim_start_matches('(').trim_end_matches(')');
        let (name, version) = match name.rsplit_once(':') {
            // `group:artifact` alone has no version.
            Some((_, version)) if !version.starts_with(|c: char| c.is_ascii_digit()) => {
                (name, None)
            }
            Some((name, version)) => (name, Some(version.to_owned())),
            None => (name, None),
        };
        Some(PackageLocation {
            name: name.to_owned(),
            version,
            ecosystem: Some(ecosystem.to_owned()),
            ..PackageLocation::default()
        })
    })
}

/// A CPE, of either binding, as `vendor:product`.
fn by_cpe(dependency: &Element) -> Option<PackageLocation> {
    let mut names = dependency.values("identifiers/vulnerabilityIds/id");
    names.extend(dependency.values("identifiers/identifier/name"));
    names.into_iter().find_map(|name| {
        let bare = name
            .strip_prefix("cpe:2.3:")
            .or_else(|| name.strip_prefix("cpe:/"))?;
        let mut parts = bare.split(':').skip(1);
        let (vendor, product) = (parts.next()?, parts.next()?);
        let version = parts
            .next()
            .filter(|version| !matches!(*version, "" | "*" | "-"));
        Some(PackageLocation {
            name: format!("{vendor}:{product}"),
            version: version.map(str::to_owned),
            ..PackageLocation::default()
        })
    })
}

/// What the file itself gives away, the surest first.
fn by_evidence(dependency: &Element) -> Option<PackageLocation> {
    let best = |kind: &str| {
        let evidence = dependency.all("evidenceCollected/evidence");
        let of_kind = evidence
            .into_iter()
            .filter(|e| e.attr("type") == Some(kind));
        // The last of equal ones wins in `max_by_key`; the tool lists the better ones first.
        of_kind
            .rev()
            .max_by_key(|e| match e.attr("confidence").unwrap_or_default() {
                "HIGHEST" => 4,
                "HIGH" => 3,
                "MEDIUM" => 2,
                "LOW" => 1,
                _ => 0,
            })
            .and_then(|e| e.value("value"))
    };
    Some(PackageLocation {
        name: best("product")?.to_owned(),
        version: best("version").map(str::to_owned),
        ..PackageLocation::default()
    })
}

/// The first version that is no longer affected, of the range that matched.
pub(super) fn fixed_version(vulnerability: &Element) -> Option<String> {
    let all = vulnerability.all("vulnerableSoftware/software");
    let matched = |software: &&&Element| {
        let attr = software.attr("vulnerabilityIdMatched");
        attr.is_some_and(|word| word.eq_ignore_ascii_case("true"))
    };
    let fixed = all.iter().find(matched)?.attr("versionEndExcluding")?;
    Some(fixed.to_owned())
}

/// Vectors put together again: most schemas give each metric an element of its own.
pub(super) fn vectors(vulnerability: &Element) -> Vec<String> {
    let given = [
        "cvssV4/vectorString",
        "cvssV3/vectorString",
        "cvssV2/vectorString",
    ];
    let mut vectors: Vec<String> = given
        .iter()
        .filter_map(|path| vulnerability.value(path))
        .map(str::to_owned)
        .collect();
    if let Some(v3) = vulnerability.get("cvssV3")
        && v3.value("vectorString").is_none()
    {
        let version = match v3.value("version") {
            Some("3.0") => "3.0",
            _ => "3.1",
        };
        let metrics = [
            ("AV", "attackVector"),
            ("AC", "attackComplexity"),
            ("PR", "privilegesRequired"),
            ("UI", "userInteraction"),
            ("S", "scope"),
            ("C", "confidentialityImpact"),
            ("I", "integrityImpact"),
            ("A", "availabilityImpact"),
        ];
        vectors.extend(compose(v3, &metrics).map(|vector| format!("CVSS:{version}/{vector}")));
    }
    if let Some(v2) = vulnerability.get("cvssV2")
        && v2.value("vectorString").is_none()
    {
        let metrics = [
            ("AV", "accessVector"),
            ("AC", "accessComplexity"),
            // The schema spells it with one r too many.
            ("Au", "authenticationr"),
            ("C", "confidentialImpact"),
            ("I", "integrityImpact"),
            ("A", "availabilityImpact"),
        ];
        let spelled = metrics.map(|(short, name)| match name {
            "authenticationr" if v2.value(name).is_none() => (short, "authentication"),
            "confidentialImpact" if v2.value(name).is_none() => (short, "confidentialityImpact"),
            _ => (short, name),
        });
        vectors.extend(compose(v2, &spelled));
    }
    // Schema 1 has them beside the name.
    let metrics = [
        ("AV", "cvssAccessVector"),
        ("AC", "cvssAccessComplexity"),
        ("Au", "cvssAuthenticationr"),
        ("C", "cvssConfidentialImpact"),
        ("I", "cvssIntegrityImpact"),
        ("A", "cvssAvailabilityImpact"),
    ];
    vectors.extend(compose(vulnerability, &metrics));
    vectors
}

/// Every value of a base metric is named by its first letter in the vector; `None` where one of
/// the metrics is missing.
fn compose(scores: &Element, metrics: &[(&str, &str)]) -> Option<String> {
    let parts: Option<Vec<String>> = metrics
        .iter()
        .map(|(short, name)| {
            let letter = scores.value(name)?.chars().next()?.to_ascii_uppercase();
            Some(format!("{short}:{letter}"))
        })
        .collect();
    parts.map(|parts| parts.join("/"))
}

/// A base score, of the newest version.
pub(super) fn score(vulnerability: &Element) -> Option<f64> {
    let paths = [
        "cvssV4/baseScore",
        "cvssV3/baseScore",
        "cvssV2/score",
        "cvssScore",
    ];
    paths
        .iter()
        .find_map(|path| vulnerability.value(path)?.parse().ok())
}
