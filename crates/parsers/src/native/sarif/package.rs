//! The package that a result is about, where a scanner of dependencies or images says it in its
//! own way: SARIF has no field for one.
//!
//! Known are the messages of Trivy, Grype and OSV-Scanner, the logical locations of Snyk, and the
//! properties of Black Duck. Any other result stays a place in a file.

use gna_domain::model::PackageLocation;

use super::model::{Finding, Rule};
use crate::text;

/// `advisory` says that the rule is an advisory (CVE, GHSA...), without which nothing is a package.
pub fn package(
    result: &Finding,
    rule: Option<&Rule>,
    message: Option<&str>,
    advisory: bool,
) -> Option<PackageLocation> {
    if let Some(name) = &result.properties.component {
        return Some(PackageLocation {
            name: name.clone(),
            version: result.properties.component_version.clone(),
            ecosystem: result
                .properties
                .component_origin
                .as_deref()
                .and_then(text::ecosystem)
                .map(str::to_owned),
            ..PackageLocation::default()
        });
    }
    if !advisory {
        return None;
    }
    let message = message.unwrap_or_default();
    let mut package = trivy(message)
        .or_else(|| grype(message))
        .or_else(|| osv_scanner(message))
        .or_else(|| snyk(result, rule))?;
    let purls = rule
        .map(|rule| rule.properties.purls.as_slice())
        .unwrap_or_default();
    if let [only] = purls
        && package.purl.is_none()
    {
        package.purl = Some(only.clone());
    }
    Some(package)
}

/// `Package: x`, `Installed Version: 1`, `Fixed Version: 2`, each on its line.
fn trivy(message: &str) -> Option<PackageLocation> {
    let field = |name: &str| {
        let value = message
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    Some(PackageLocation {
        name: field("Package")?,
        version: Some(field("Installed Version")?),
        fixed_version: field("Fixed Version"),
        ..PackageLocation::default()
    })
}

/// `A high vulnerability in npm package: x, version 1 was found at: /package-lock.json`
fn grype(message: &str) -> Option<PackageLocation> {
    let (before, after) = message.split_once(" package: ")?;
    let kind = before.rsplit(' ').next()?;
    let (name, after) = after.split_once(", version ")?;
    let (version, _) = after.split_once(" was found ")?;
    Some(PackageLocation {
        name: name.trim().to_owned(),
        version: Some(version.trim().to_owned()).filter(|version| !version.is_empty()),
        ecosystem: text::ecosystem(kind).map(str::to_owned),
        ..PackageLocation::default()
    })
}

/// `Package 'x@1' is vulnerable to 'CVE-...' (also known as ...)`
fn osv_scanner(message: &str) -> Option<PackageLocation> {
    let (_, after) = message.split_once("Package '")?;
    let (package, after) = after.split_once('\'')?;
    after
        .trim_start()
        .starts_with("is vulnerable to")
        .then_some(())?;
    named(package)
}

/// A logical location `x@1`.
fn snyk(result: &Finding, rule: Option<&Rule>) -> Option<PackageLocation> {
    let logical = result
        .locations
        .iter()
        .flat_map(|location| &location.logical_locations);
    let mut package = logical
        .filter_map(|logical| named(logical.fully_qualified_name.as_deref()?))
        .next()?;
    let tags = rule
        .map(|rule| rule.properties.tags.as_slice())
        .unwrap_or_default();
    package.ecosystem = tags
        .iter()
        .find_map(|tag| text::ecosystem(tag))
        .map(str::to_owned);
    Some(package)
}

/// `name@version`; the name of a scoped package begins with `@`.
fn named(text: &str) -> Option<PackageLocation> {
    let (name, version) = text.rsplit_once('@')?;
    let fits = !name.is_empty() && !version.is_empty() && !text.contains(char::is_whitespace);
    fits.then(|| PackageLocation {
        name: name.to_owned(),
        version: Some(version.to_owned()),
        ..PackageLocation::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_from_the_messages_of_known_tools() {
        for (message, expected) in [
            (
                "Package: openssl\nInstalled Version: 1.1.1k\nVulnerability CVE-2024-0001\nFixed Version: 1.1.1l",
                Some(("openssl", "1.1.1k", Some("1.1.1l"))),
            ),
            (
                "A critical vulnerability in npm package: @acme/x, version 2.0.0 was found at: /yarn.lock",
                Some(("@acme/x", "2.0.0", None)),
            ),
            (
                "Package 'lodash@4.17.20' is vulnerable to 'CVE-2021-23337'.",
                Some(("lodash", "4.17.20", None)),
            ),
            ("The package: is old, version unknown", None),
            ("Package 'x", None),
        ] {
            let found = package(&Finding::default(), None, Some(message), true);
            let found = found.as_ref().map(|p| {
                (
                    p.name.as_str(),
                    p.version.as_deref().unwrap_or(""),
                    p.fixed_version.as_deref(),
                )
            });
            assert_eq!(found, expected, "{message}");
        }
        assert_eq!(
            package(
                &Finding::default(),
                None,
                Some("Package 'a@1' is vulnerable to x"),
                false
            ),
            None
        );
    }
}
