//! Where a vulnerability is, as the API shows it.

use async_graphql::{SimpleObject, Union};
use gna_domain::model::Location as Model;

/// A place that a scanner can point at.
#[derive(Union)]
pub enum Location {
    Code(CodeLocation),
    Package(PackageLocation),
    Endpoint(EndpointLocation),
    Network(NetworkLocation),
    Cloud(CloudLocation),
    Asset(WholeAsset),
}

/// A place in a file.
#[derive(SimpleObject)]
pub struct CodeLocation {
    /// Relative to the root of what was scanned.
    pub path: String,
    /// First line, counted from 1.
    pub line: Option<u32>,
    /// Last line.
    pub end_line: Option<u32>,
    /// First column, counted from 1.
    pub column: Option<u32>,
    /// The lines themselves; never kept for secrets.
    pub snippet: Option<String>,
    /// Function, class or resource that holds the place.
    pub symbol: Option<String>,
}

/// A software package.
#[derive(SimpleObject)]
pub struct PackageLocation {
    /// Its name.
    pub name: String,
    /// The version that was found.
    pub version: Option<String>,
    /// Package URL.
    pub purl: Option<String>,
    /// Ecosystem: `npm`, `pypi`, `deb`...
    pub ecosystem: Option<String>,
    /// First version, or versions, without the weakness.
    pub fixed_version: Option<String>,
    /// Manifest, lock file, archive or folder it was found in.
    pub path: Option<String>,
    /// Line of that file, counted from 1.
    pub line: Option<u32>,
    /// Digest of the image layer that brings it.
    pub layer: Option<String>,
    /// Container image or artifact.
    pub image: Option<String>,
}

/// A web address.
#[derive(SimpleObject)]
pub struct EndpointLocation {
    /// The address.
    pub url: String,
    /// HTTP method.
    pub method: Option<String>,
    /// Parameter, header or cookie.
    pub parameter: Option<String>,
}

/// A host, or a port of it.
#[derive(SimpleObject)]
pub struct NetworkLocation {
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: Option<u16>,
    /// `tcp`, `udp`...
    pub protocol: Option<String>,
    /// What listens there.
    pub service: Option<String>,
}

/// A resource of a cloud account or a cluster.
#[derive(SimpleObject)]
pub struct CloudLocation {
    /// The provider's own id.
    pub resource: String,
    /// The provider.
    pub provider: Option<String>,
    /// The account, subscription or project.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// What kind of resource.
    pub resource_type: Option<String>,
}

/// The asset as a whole: the report names no place.
#[derive(SimpleObject)]
pub struct WholeAsset {
    /// Always true.
    pub whole: bool,
}

impl From<&Model> for Location {
    fn from(location: &Model) -> Self {
        match location.clone() {
            Model::Code(code) => Self::Code(CodeLocation {
                path: code.path,
                line: code.line,
                end_line: code.end_line,
                column: code.column,
                snippet: code.snippet,
                symbol: code.symbol,
            }),
            Model::Package(package) => Self::Package(PackageLocation {
                name: package.name,
                version: package.version,
                purl: package.purl,
                ecosystem: package.ecosystem,
                fixed_version: package.fixed_version,
                path: package.path,
                line: package.line,
                layer: package.layer,
                image: package.image,
            }),
            Model::Endpoint(endpoint) => Self::Endpoint(EndpointLocation {
                url: endpoint.url,
                method: endpoint.method,
                parameter: endpoint.parameter,
            }),
            Model::Network(network) => Self::Network(NetworkLocation {
                host: network.host,
                port: network.port,
                protocol: network.protocol,
                service: network.service,
            }),
            Model::Cloud(cloud) => Self::Cloud(CloudLocation {
                resource: cloud.resource,
                provider: cloud.provider,
                account: cloud.account,
                region: cloud.region,
                resource_type: cloud.resource_type,
            }),
            Model::Asset => Self::Asset(WholeAsset { whole: true }),
        }
    }
}

/// The place in one line, for lists: `src/cart.js:12`, `lodash 4.17.20 (package-lock.json)`.
#[must_use]
pub fn one_line(location: &Model) -> String {
    match location {
        Model::Code(code) => match code.line {
            Some(line) => format!("{}:{line}", code.path),
            None => code.path.clone(),
        },
        Model::Package(package) => {
            let mut text = package.name.clone();
            if let Some(version) = &package.version {
                text.push(' ');
                text.push_str(version);
            }
            if let Some(path) = &package.path {
                text.push_str(" (");
                text.push_str(path);
                text.push(')');
            }
            text
        }
        Model::Endpoint(endpoint) => {
            let method = endpoint.method.as_deref().unwrap_or_default();
            let parameter = endpoint.parameter.as_ref().map(|name| format!(" [{name}]"));
            let text = format!("{method} {}{}", endpoint.url, parameter.unwrap_or_default());
            text.trim_start().to_owned()
        }
        Model::Network(network) => {
            let port = network.port.map(|port| format!(":{port}"));
            format!("{}{}", network.host, port.unwrap_or_default())
        }
        Model::Cloud(cloud) => cloud.resource.clone(),
        Model::Asset => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gna_domain::model::{CodeLocation, PackageLocation};

    #[test]
    fn a_place_is_told_in_one_line() {
        let code = CodeLocation {
            path: "a.js".into(),
            line: Some(3),
            ..Default::default()
        };
        let package = PackageLocation {
            name: "left-pad".into(),
            version: Some("1.0".into()),
            path: Some("package-lock.json".into()),
            ..Default::default()
        };
        assert_eq!(one_line(&Model::Code(code)), "a.js:3");
        assert_eq!(
            one_line(&Model::Package(package)),
            "left-pad 1.0 (package-lock.json)"
        );
        assert_eq!(one_line(&Model::Asset), "");
    }
}
