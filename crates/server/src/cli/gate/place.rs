//! Where an offender is, in words.

use gna_domain::model::Location;

/// One line: the package with its version, the file with its line, the address.
pub fn place(location: &Location) -> String {
    let mut parts = Vec::new();
    if let Some(package) = location.package() {
        parts.push(match &package.version {
            Some(version) => format!("{} {version}", package.name),
            None => package.name.clone(),
        });
    }
    if let Some(path) = location.path() {
        parts.push(match location.line() {
            Some(line) => format!("{path}:{line}"),
            None => path.to_owned(),
        });
    }
    match location {
        Location::Endpoint(endpoint) => parts.push(endpoint.url.clone()),
        Location::Network(network) => parts.push(match network.port {
            Some(port) => format!("{}:{port}", network.host),
            None => network.host.clone(),
        }),
        Location::Cloud(cloud) => parts.push(cloud.resource.clone()),
        Location::Code(_) | Location::Package(_) | Location::Asset => {}
    }
    parts.join(", ")
}
