//! Where a vulnerability is: one enum for every kind of place a scanner can point at.

use serde::{Deserialize, Serialize};

/// Where one instance was seen. Which fields take part in identity is decided in
/// [`crate::rules::identity`], not here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Location {
    Code(CodeLocation),
    Package(PackageLocation),
    Endpoint(EndpointLocation),
    Network(NetworkLocation),
    Cloud(CloudLocation),
    /// The report names no place: the asset as a whole.
    Asset,
}

/// A place in a file: source code, configuration, infrastructure as code, a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CodeLocation {
    /// Relative to the root of what was scanned, with `/` between folders.
    pub path: String,
    /// First line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u32>,
    /// First column, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The lines themselves, at most [`SNIPPET_LIMIT`] bytes. Never kept for secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
    /// Function, class or resource that holds the place, as the tool names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
}

/// Longest snippet that is kept, in bytes.
pub const SNIPPET_LIMIT: usize = 2_000;

/// A software package: a dependency, an OS package, a component of an SBOM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PackageLocation {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Package URL (purl specification 1.0), with or without version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    /// Ecosystem where there is no purl: `npm`, `pypi`, `maven`, `deb`... (purl type names).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecosystem: Option<String>,
    /// First version, or versions, that no longer have the weakness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_version: Option<String>,
    /// Manifest, lock file, archive or folder the package was found in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Line of that file which declares the package, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Digest of the image layer that brings the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Container image or artifact, where one report covers several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// A web address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EndpointLocation {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
}

/// A host, and a port of it where one is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NetworkLocation {
    /// Name or address.
    pub host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `tcp`, `udp`...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// A resource of a cloud account or a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CloudLocation {
    /// The provider's own id: ARN, resource path, `namespace/kind/name`.
    pub resource: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
}

impl Location {
    /// Changes each text that names the place; a snippet shows it and names nothing.
    pub fn for_each_name(&mut self, mut change: impl FnMut(&mut String)) {
        let mut each = |texts: &mut [&mut Option<String>]| {
            texts
                .iter_mut()
                .filter_map(|text| text.as_mut())
                .for_each(&mut change);
        };
        match self {
            Self::Code(code) => {
                each(&mut [&mut code.symbol]);
                change(&mut code.path);
            }
            Self::Package(package) => {
                each(&mut [
                    &mut package.version,
                    &mut package.purl,
                    &mut package.ecosystem,
                    &mut package.fixed_version,
                    &mut package.path,
                    &mut package.layer,
                    &mut package.image,
                ]);
                change(&mut package.name);
            }
            Self::Endpoint(endpoint) => {
                each(&mut [&mut endpoint.method, &mut endpoint.parameter]);
                change(&mut endpoint.url);
            }
            Self::Network(network) => {
                each(&mut [&mut network.protocol, &mut network.service]);
                change(&mut network.host);
            }
            Self::Cloud(cloud) => {
                each(&mut [
                    &mut cloud.provider,
                    &mut cloud.account,
                    &mut cloud.region,
                    &mut cloud.resource_type,
                ]);
                change(&mut cloud.resource);
            }
            Self::Asset => {}
        }
    }

    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Code(code) => Some(&code.path),
            Self::Package(package) => package.path.as_deref(),
            _ => None,
        }
    }

    #[must_use]
    pub fn line(&self) -> Option<u32> {
        match self {
            Self::Code(code) => code.line,
            Self::Package(package) => package.line,
            _ => None,
        }
    }

    #[must_use]
    pub fn package(&self) -> Option<&PackageLocation> {
        match self {
            Self::Package(package) => Some(package),
            _ => None,
        }
    }

    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Code(_) => "code",
            Self::Package(_) => "package",
            Self::Endpoint(_) => "endpoint",
            Self::Network(_) => "network",
            Self::Cloud(_) => "cloud",
            Self::Asset => "asset",
        }
    }
}
