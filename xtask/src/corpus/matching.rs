//! When one of our findings is one of the peer's: an identifier, rule or title, a component or
//! file, and a line in common.

use gna_domain::import::ParsedFinding;
use gna_domain::model::Location;
use serde_json::Value;

fn lower(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_lowercase(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn clean(path: &str) -> String {
    path.trim_start_matches("./")
        .trim_start_matches('/')
        .to_lowercase()
}

/// What is compared of one of ours, in lower case.
pub struct Ours {
    names: Vec<String>,
    places: Vec<String>,
    lines: Vec<String>,
    pub level: String,
}

impl Ours {
    pub fn of(found: &ParsedFinding) -> Self {
        let weakness = &found.weakness;
        let ids = found.fingerprints.iter().map(|(_, value)| value);
        let names = weakness
            .identifiers
            .iter()
            .chain([&weakness.rule, &weakness.title])
            .chain(ids);
        let mut names: Vec<String> = names
            .map(|name| name.trim().to_lowercase())
            .filter(|name| !name.is_empty())
            .collect();
        // Some of the peer's titles are what we keep as the message of the instance.
        names.extend(
            found
                .message
                .iter()
                .map(|message| message.trim().to_lowercase())
                .filter(|message| !message.is_empty()),
        );
        // A matcher or a check at the end of our rule is a component to the peer.
        let mut places: Vec<String> = weakness
            .rule
            .split_once(':')
            .map(|(_, last)| last.to_lowercase())
            .into_iter()
            .collect();
        places.extend(found.location.path().map(clean));
        let mut lines: Vec<String> = found
            .location
            .line()
            .map(|line| line.to_string())
            .into_iter()
            .collect();
        match &found.location {
            Location::Package(package) => {
                places.push(package.name.to_lowercase().replace(':', "/"));
                places.extend(
                    package
                        .name
                        .to_lowercase()
                        .rsplit(['/', ':'])
                        .next()
                        .map(str::to_owned),
                );
            }
            Location::Code(code) => {
                places.extend(code.symbol.as_ref().map(|symbol| symbol.to_lowercase()));
                lines.extend(code.end_line.map(|line| line.to_string()));
            }
            Location::Network(network) => {
                // Products (our tags) are components to the peer, and hosts sometimes titles.
                let products = found.tags.iter().filter(|tag| tag.contains("cpe:"));
                places.extend(products.flat_map(|tag| tag.split(':').map(str::to_lowercase)));
                names.push(network.host.to_lowercase());
                places.push(network.host.to_lowercase());
            }
            Location::Endpoint(endpoint) => places.push(clean(&endpoint.url)),
            Location::Cloud(cloud) => places.push(cloud.resource.to_lowercase()),
            Location::Asset => {}
        }
        Self {
            names,
            places,
            lines,
            level: found.severity.as_str().to_lowercase(),
        }
    }

    pub fn is(&self, peer: &Peer) -> bool {
        let place =
            peer.places.is_empty() || peer.places.iter().any(|place| self.places.contains(place));
        let line = peer.line.is_empty() || self.lines.is_empty() || self.lines.contains(&peer.line);
        let named = || {
            peer.names.iter().any(|theirs| {
                self.names
                    .iter()
                    .any(|ours| theirs.contains(ours.as_str()) || ours.contains(theirs.as_str()))
            })
        };
        place && line && named()
    }
}

/// The same of one of the peer's.
pub struct Peer {
    names: Vec<String>,
    places: Vec<String>,
    line: String,
    pub level: String,
}

impl Peer {
    pub fn of(row: &Value) -> Self {
        let ids = row["vulnerability_ids"].as_array().into_iter().flatten();
        let names = ids
            .chain([
                &row["vuln_id_from_tool"],
                &row["unique_id_from_tool"],
                &row["title"],
            ])
            .map(lower);
        let places = [
            lower(&row["component_name"]).replace(':', "/"),
            clean(&lower(&row["file_path"])),
        ];
        let line = lower(&row["line"]);
        Self {
            names: names.filter(|name| !name.is_empty()).collect(),
            places: places
                .into_iter()
                .filter(|place| !place.is_empty())
                .collect(),
            line: if line == "0" { String::new() } else { line },
            level: lower(&row["severity"]),
        }
    }
}
