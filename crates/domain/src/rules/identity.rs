//! Identity: which names a vulnerability is recognised by inside its asset.
//!
//! Every located instance gets keys by rank; matching ([`super::matching`]) takes the best rank
//! first. A key is 128 bits of SHA-256 over the algorithm's version and the inputs named here, so
//! a new algorithm never mistakes an old key for its own.
//!
//! | location | rank 0 | rank 1 | rank 2 |
//! |---|---|---|---|
//! | package | each public name of the advisory (CVE first) + package without version + place | | |
//! | code | tool + rule + path + the tool's fingerprint | tool + rule + path + normalised snippet | tool + rule + path (nearest line) |
//! | endpoint | tool + rule + method + address without query values + parameter | | |
//! | network | tool + rule + host + port + protocol | | |
//! | cloud | tool + rule + resource | | |
//! | asset | tool + rule | | |
//!
//! Where the group's policy merges code findings across tools, code has a rank 3: path + line + CWE.

use sha2::{Digest, Sha256};
use std::str::FromStr;

use crate::import::ParsedFinding;
use crate::model::{CodeLocation, EndpointLocation, Location, PackageLocation};

/// Version of the inputs below; a part of every key.
pub const VERSION: &str = "1";

/// Ranks that mean the very same thing, whatever the line.
pub const RANK_SURE: u8 = 0;
pub const RANK_SNIPPET: u8 = 1;
/// Same rule in the same file: the nearest line decides.
pub const RANK_NEAR: u8 = 2;
/// Same place and CWE, other tool; only by policy.
pub const RANK_PLACE: u8 = 3;

/// A key of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub rank: u8,
    pub hash: [u8; 16],
}

impl Key {
    fn new(rank: u8, kind: &str, inputs: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        for input in [VERSION, kind].iter().chain(inputs) {
            // The length keeps ("ab","c") apart from ("a","bc").
            hasher.update(u64::try_from(input.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(input.as_bytes());
        }
        let mut hash = [0; 16];
        for (to, from) in hash.iter_mut().zip(hasher.finalize()) {
            *to = from;
        }
        Self { rank, hash }
    }

    /// As it is stored.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.hash)
    }
}

/// What one instance is recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Best rank first. Never empty.
    pub keys: Vec<Key>,
    /// The exact place and content: equal only for something said twice in one report.
    pub exact: [u8; 16],
    pub line: Option<u32>,
    /// First 4 bytes of the normalised snippet's hash.
    pub snippet: Option<[u8; 4]>,
    /// One of the keys alone says that two instances are the same, even in one report.
    pub by_any_key: bool,
}

/// What decides on keys beside the instance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub merge_code_across_tools: bool,
}

/// The keys of one instance, as reported by `tool`.
#[must_use]
pub fn keys(finding: &ParsedFinding, tool: &str, options: Options) -> Keys {
    let rule = finding.weakness.rule.as_str();
    let mut line = None;
    let mut snippet = None;
    let mut by_any_key = false;
    let keys = match &finding.location {
        Location::Code(code) => {
            line = code.line;
            snippet = normal_snippet(code).map(|text| short_hash(&text));
            code_keys(finding, code, tool, options)
        }
        Location::Package(package) => {
            by_any_key = true;
            let name = package_name(package);
            let place = package_place(package);
            advisory_names(finding)
                .iter()
                .map(|advisory| Key::new(RANK_SURE, "package", &[advisory, &name, &place]))
                .collect()
        }
        Location::Endpoint(endpoint) => {
            let (method, address, parameter) = endpoint_parts(endpoint);
            vec![Key::new(
                RANK_SURE,
                "endpoint",
                &[tool, rule, &method, &address, &parameter],
            )]
        }
        Location::Network(network) => {
            let port = network
                .port
                .map(|port| port.to_string())
                .unwrap_or_default();
            let protocol = network
                .protocol
                .as_deref()
                .unwrap_or_default()
                .to_ascii_lowercase();
            vec![Key::new(
                RANK_SURE,
                "network",
                &[
                    tool,
                    rule,
                    &network.host.to_ascii_lowercase(),
                    &port,
                    &protocol,
                ],
            )]
        }
        Location::Cloud(cloud) => {
            vec![Key::new(RANK_SURE, "cloud", &[tool, rule, &cloud.resource])]
        }
        Location::Asset => vec![Key::new(RANK_SURE, "asset", &[tool, rule])],
    };
    Keys {
        exact: exact(finding, tool),
        keys,
        line,
        snippet,
        by_any_key,
    }
}

fn code_keys(
    finding: &ParsedFinding,
    code: &CodeLocation,
    tool: &str,
    options: Options,
) -> Vec<Key> {
    let rule = finding.weakness.rule.as_str();
    let path = normal_path(&code.path);
    let mut keys: Vec<Key> = finding
        .fingerprints
        .iter()
        .map(|(name, value)| Key::new(RANK_SURE, "fingerprint", &[tool, rule, &path, name, value]))
        .collect();
    if let Some(snippet) = normal_snippet(code) {
        keys.push(Key::new(
            RANK_SNIPPET,
            "snippet",
            &[tool, rule, &path, &snippet],
        ));
    }
    let symbol = code.symbol.as_deref().unwrap_or_default();
    keys.push(Key::new(
        RANK_NEAR,
        "near",
        &[
            tool,
            rule,
            &path,
            if code.line.is_none() { symbol } else { "" },
        ],
    ));
    if options.merge_code_across_tools
        && let Some(line) = code.line
    {
        let at = line.to_string();
        keys.extend(
            finding
                .weakness
                .cwes
                .iter()
                .map(|cwe| Key::new(RANK_PLACE, "place", &[&path, &at, &cwe.to_string()])),
        );
    }
    keys
}

/// The names under which an advisory takes part in a package's identity. An advisory with one CVE
/// is that CVE, and its aliases with it. One that bundles several CVEs is itself only: else it
/// would tie together what other tools report one by one.
#[must_use]
pub fn advisory_names(finding: &ParsedFinding) -> Vec<String> {
    let weakness = &finding.weakness;
    let is_cve = |name: &str| {
        name.len() > 4
            && name
                .get(..4)
                .is_some_and(|start| start.eq_ignore_ascii_case("CVE-"))
    };
    let cves: Vec<&String> = weakness
        .identifiers
        .iter()
        .filter(|name| is_cve(name))
        .collect();
    let own = normal_advisory(&weakness.rule);
    if cves.len() > 1 {
        // The item may itself be one of the CVEs it lists.
        return vec![own];
    }
    let mut names: Vec<String> = cves.into_iter().map(|name| normal_advisory(name)).collect();
    names.extend(
        weakness
            .identifiers
            .iter()
            .filter(|name| is_alias(name))
            .map(|name| normal_advisory(name)),
    );
    if names.is_empty() || is_alias(&weakness.rule) {
        names.push(own);
    }
    let mut unique = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

/// Schemes whose ids name one weakness in one package or ecosystem (list of the OSV schema, section
/// "id, modified"), so that they are aliases and not bundles.
fn is_alias(name: &str) -> bool {
    const SCHEMES: [&str; 14] = [
        "GHSA-", "OSV-", "PYSEC-", "RUSTSEC-", "GO-", "MAL-", "BIT-", "CURL-", "DRUPAL-", "EEF-",
        "HSEC-", "PSF-", "RSEC-", "SNYK-",
    ];
    SCHEMES.iter().any(|scheme| {
        name.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

fn normal_advisory(name: &str) -> String {
    name.trim().to_ascii_uppercase()
}

/// The package without its version: the purl's type, namespace and name, or ecosystem and name.
#[must_use]
pub fn package_name(package: &PackageLocation) -> String {
    if let Some(purl) = package
        .purl
        .as_deref()
        .and_then(|purl| packageurl::PackageUrl::from_str(purl).ok())
    {
        let namespace = purl
            .namespace()
            .map(|space| format!("{space}/"))
            .unwrap_or_default();
        let name = format!("{namespace}{}", purl.name());
        return format!(
            "{}/{}",
            purl.ty(),
            if purl.ty() == "maven" {
                name
            } else {
                name.to_lowercase()
            }
        );
    }
    let ecosystem = package
        .ecosystem
        .as_deref()
        .unwrap_or("generic")
        .to_ascii_lowercase();
    let name = package.name.trim().replace(':', "/");
    format!(
        "{ecosystem}/{}",
        if ecosystem == "maven" {
            name
        } else {
            name.to_lowercase()
        }
    )
}

/// Where the package is: the manifest or file. Packages of an operating system are at one place in
/// an image, whatever path a tool names for their database.
#[must_use]
pub fn package_place(package: &PackageLocation) -> String {
    let name = package_name(package);
    let image = package.image.as_deref().unwrap_or_default();
    let place = if ["apk/", "deb/", "rpm/", "alpm/"]
        .iter()
        .any(|os| name.starts_with(os))
    {
        ""
    } else {
        package
            .path
            .as_deref()
            .or(package.layer.as_deref())
            .unwrap_or_default()
    };
    format!("{image}|{}", normal_path(place))
}

/// A path without what differs between tools: leading `/` and `./`, backslashes.
#[must_use]
pub fn normal_path(path: &str) -> String {
    let path = path.trim().replace('\\', "/");
    let mut rest = path.as_str();
    loop {
        let shorter = rest
            .strip_prefix("./")
            .or_else(|| rest.strip_prefix('/'))
            .unwrap_or(rest);
        if shorter.len() == rest.len() {
            return rest.to_owned();
        }
        rest = shorter;
    }
}

/// The snippet without white space at line ends and indentation; `None` when nothing is left.
fn normal_snippet(code: &CodeLocation) -> Option<String> {
    let lines: Vec<&str> = code
        .snippet
        .as_deref()?
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let text = lines.join("\n");
    (!text.is_empty()).then_some(text)
}

/// Method, address without the values of its query, and parameter.
fn endpoint_parts(endpoint: &EndpointLocation) -> (String, String, String) {
    let url = endpoint.url.trim();
    let bare = url.split('#').next().unwrap_or_default();
    let (address, query) = bare.split_once('?').unwrap_or((bare, ""));
    let address = match address.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
            let host = match scheme.as_str() {
                "http" => host.strip_suffix(":80").unwrap_or(&host),
                "https" => host.strip_suffix(":443").unwrap_or(&host),
                _ => &host,
            };
            format!("{scheme}://{host}/{path}")
        }
        None => address.to_owned(),
    };
    let mut names: Vec<&str> = query
        .split('&')
        .filter_map(|pair| pair.split('=').next())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    let method = endpoint
        .method
        .as_deref()
        .unwrap_or_default()
        .to_ascii_uppercase();
    (
        method,
        format!("{address}?{}", names.join("&")),
        endpoint.parameter.clone().unwrap_or_default(),
    )
}

/// Everything about place and content: two instances with the same value are one thing said twice.
fn exact(finding: &ParsedFinding, tool: &str) -> [u8; 16] {
    let place = serde_json::to_string(&finding.location).unwrap_or_default();
    Key::new(
        0,
        "exact",
        &[
            tool,
            &finding.weakness.rule,
            &place,
            finding.message.as_deref().unwrap_or_default(),
        ],
    )
    .hash
}

fn short_hash(text: &str) -> [u8; 4] {
    let mut short = [0; 4];
    for (to, from) in short.iter_mut().zip(Sha256::digest(text.as_bytes())) {
        *to = from;
    }
    short
}

/// The names by which the finding (the weakness type) of an instance is found in its group.
#[must_use]
pub fn finding_names(finding: &ParsedFinding, tool: &str) -> Vec<String> {
    match &finding.location {
        Location::Package(_) => advisory_names(finding),
        _ => vec![format!("{tool}:{}", finding.weakness.rule)],
    }
}
