//! Names out of package URLs (purl specification 1.0).

use packageurl::PackageUrl;

/// What a package URL says about a package, by the conventions of its ecosystem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purl {
    /// `group:artifact` for Maven, `@scope/name` for npm, the bare name for packages of systems
    /// (whose namespace is the distribution), else namespace and name.
    pub name: String,
    pub version: Option<String>,
    /// The purl type.
    pub ecosystem: String,
}

/// Reads a package URL; `None` where it is none.
#[must_use]
pub fn purl(text: &str) -> Option<Purl> {
    let purl = text.trim().parse::<PackageUrl<'_>>().ok()?;
    let name = match (purl.ty(), purl.namespace()) {
        (_, None) | ("deb" | "rpm" | "apk" | "alpm", _) => purl.name().to_owned(),
        ("maven", Some(group)) => format!("{group}:{}", purl.name()),
        (_, Some(namespace)) => format!("{namespace}/{}", purl.name()),
    };
    Some(Purl {
        name,
        version: purl.version().map(str::to_owned),
        ecosystem: purl.ty().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::purl;

    #[test]
    fn names_follow_their_ecosystem() {
        for (text, expected) in [
            (
                "pkg:maven/org.acme/acme-db@1.0?type=jar",
                Some(("org.acme:acme-db", Some("1.0"), "maven")),
            ),
            (
                "pkg:npm/%40acme/cart@2",
                Some(("@acme/cart", Some("2"), "npm")),
            ),
            (
                "pkg:deb/debian/openssl@3.0?arch=amd64",
                Some(("openssl", Some("3.0"), "deb")),
            ),
            (
                "pkg:golang/example.org/x/net",
                Some(("example.org/x/net", None, "golang")),
            ),
            ("acme-db", None),
            ("pkg:", None),
        ] {
            let found = purl(text);
            let found = found
                .as_ref()
                .map(|p| (p.name.as_str(), p.version.as_deref(), p.ecosystem.as_str()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
