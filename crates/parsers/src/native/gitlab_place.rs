//! The `location` of GitLab's reports: one loose object for all kinds of report; read by
//! [`super::gitlab`]. Its kind is told by its fields, since the report's type may stand last.

use gna_domain::model::{CloudLocation, CodeLocation, EndpointLocation, Location, PackageLocation};
use serde::Deserialize;

use crate::{lenient, text};

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Place {
    // Code and packages.
    #[serde(deserialize_with = "lenient::opt_string")]
    file: Option<String>,
    #[serde(deserialize_with = "lenient::opt_u32")]
    start_line: Option<u32>,
    #[serde(deserialize_with = "lenient::opt_u32")]
    end_line: Option<u32>,
    #[serde(deserialize_with = "lenient::opt_string")]
    class: Option<String>,
    /// Of a class, or of HTTP.
    #[serde(deserialize_with = "lenient::opt_string")]
    method: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    dependency: Dependency,
    // Images.
    #[serde(deserialize_with = "lenient::opt_string")]
    operating_system: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    image: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    kubernetes_resource: Option<Resource>,
    // Web.
    #[serde(deserialize_with = "lenient::opt_string")]
    hostname: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    path: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    param: Option<String>,
    // Fuzzing.
    #[serde(deserialize_with = "lenient::opt_string")]
    crash_state: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Dependency {
    #[serde(deserialize_with = "lenient::or_default")]
    package: Package,
    #[serde(deserialize_with = "lenient::opt_string")]
    version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Package {
    #[serde(deserialize_with = "lenient::opt_string")]
    name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource {
    #[serde(deserialize_with = "lenient::string")]
    namespace: String,
    #[serde(deserialize_with = "lenient::string")]
    kind: String,
    #[serde(deserialize_with = "lenient::string")]
    name: String,
    #[serde(deserialize_with = "lenient::opt_string")]
    container_name: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    cluster_id: Option<String>,
}

impl Place {
    /// `requested` is the address of the request, for web places without a host.
    pub fn location(self, requested: Option<String>) -> Location {
        let Self {
            file,
            start_line,
            end_line,
            class,
            method,
            dependency,
            operating_system,
            image,
            ..
        } = self;
        let file = file.map(|file| text::path(&file, false));
        if let Some(name) = dependency.package.name {
            let ecosystem = match (&operating_system, &file) {
                (Some(system), _) if !name.contains([':', '/']) => text::ecosystem(system),
                (_, Some(file)) => of_manifest(file),
                _ => None,
            };
            let container = self
                .kubernetes_resource
                .and_then(|resource| resource.container_name);
            return Location::Package(PackageLocation {
                // Gemnasium writes `group/artifact`.
                name: if ecosystem == Some("maven") {
                    name.replacen('/', ":", 1)
                } else {
                    name
                },
                version: dependency.version,
                ecosystem: ecosystem.map(str::to_owned),
                path: file,
                image: image.or(container),
                ..PackageLocation::default()
            });
        }
        if self.hostname.is_some() || self.path.is_some() || self.param.is_some() {
            let host = self.hostname.unwrap_or_default();
            let path = self.path.unwrap_or_default();
            let joined = match (host.is_empty(), path.starts_with('/')) {
                (true, _) => requested.unwrap_or(path),
                (false, false) if !path.is_empty() => {
                    format!("{}/{path}", host.trim_end_matches('/'))
                }
                _ => format!("{}{path}", host.trim_end_matches('/')),
            };
            return Location::Endpoint(EndpointLocation {
                url: joined,
                method,
                parameter: self.param,
            });
        }
        if let Some(path) = file {
            let symbol = match (class, method) {
                (Some(class), Some(method)) => Some(format!("{class}.{method}")),
                (class, method) => class.or(method),
            };
            return Location::Code(CodeLocation {
                path,
                line: start_line,
                end_line,
                symbol,
                ..CodeLocation::default()
            });
        }
        if let Some(resource) = self.kubernetes_resource {
            return Location::Cloud(CloudLocation {
                resource: format!("{}/{}/{}", resource.namespace, resource.kind, resource.name),
                provider: Some("kubernetes".to_owned()),
                account: resource.cluster_id,
                region: None,
                resource_type: Some(resource.kind),
            });
        }
        // A fuzzer names the function on the top of the stack.
        match self
            .crash_state
            .as_deref()
            .and_then(|state| text::filled(state.lines().next()))
        {
            Some(function) => Location::Code(CodeLocation {
                path: function.to_owned(),
                symbol: Some(function.to_owned()),
                ..CodeLocation::default()
            }),
            None => Location::Asset,
        }
    }
}

/// The purl type of the packages that a manifest or lock file lists, by the files that
/// Gemnasium knows.
fn of_manifest(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    Some(match name {
        "go.sum" | "go.mod" => "golang",
        "package-lock.json"
        | "npm-shrinkwrap.json"
        | "yarn.lock"
        | "pnpm-lock.yaml"
        | "package.json" => "npm",
        "Gemfile.lock" | "gems.locked" => "gem",
        "Pipfile" | "Pipfile.lock" | "poetry.lock" | "setup.py" | "pipdeptree.json" | "uv.lock" => {
            "pypi"
        }
        "pom.xml"
        | "build.gradle"
        | "build.gradle.kts"
        | "build.sbt"
        | "gradle.lockfile"
        | "maven.graph.json"
        | "gradle-dependencies.json" => "maven",
        "composer.lock" | "composer.json" => "composer",
        "packages.lock.json" | "packages.config" => "nuget",
        "Cargo.lock" => "cargo",
        "conan.lock" => "conan",
        "Podfile.lock" => "cocoapods",
        "Package.resolved" => "swift",
        "pubspec.lock" => "pub",
        name if name.starts_with("requirements") && name.ends_with(".txt") => "pypi",
        name if name.ends_with(".csproj") || name.ends_with(".vbproj") => "nuget",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Place;
    use crate::native::testing::place;
    use gna_domain::model::Location;

    #[test]
    fn the_kind_is_told_by_the_fields() {
        for (json, kind, expected) in [
            (
                r#"{"file": "./a.rb", "start_line": 3, "class": "Cart", "method": "pay"}"#,
                "code",
                "a.rb:3",
            ),
            (
                r#"{"hostname": "https://shop.example", "method": "GET", "param": "q", "path": "/search"}"#,
                "endpoint",
                "GET https://shop.example/search",
            ),
            (
                r#"{"hostname": "https://shop.example/", "path": "search"}"#,
                "endpoint",
                "https://shop.example/search",
            ),
            (
                r#"{"hostname": "", "path": "/search", "method": "POST"}"#,
                "endpoint",
                "POST https://shop.example/requested",
            ),
            (
                r#"{"file": "Gemfile.lock", "dependency": {"package": {"name": "rack"}, "version": "2.0"}}"#,
                "package",
                "rack@2.0 (Gemfile.lock)",
            ),
            (
                r#"{"file": "docker-compose.yml", "start_line": 9, "dependency": {"package": {}}}"#,
                "code",
                "docker-compose.yml:9",
            ),
            (
                r#"{"kubernetes_resource": {"namespace": "web", "kind": "Pod", "name": "shop"}}"#,
                "cloud",
                "web/Pod/shop",
            ),
            (
                r#"{"crash_type": "Index", "crash_state": "fuzz.Parse.func6\nfuzz.Parse\n"}"#,
                "code",
                "fuzz.Parse.func6",
            ),
            ("{}", "asset", ""),
        ] {
            let location = serde_json::from_str::<Place>(json)
                .unwrap()
                .location(Some("https://shop.example/requested".into()));
            assert_eq!(
                (location.kind(), place(&location).as_str()),
                (kind, expected),
                "{json}"
            );
        }
        let location =
            serde_json::from_str::<Place>(r#"{"file": "a", "class": "Cart", "method": "pay"}"#)
                .unwrap()
                .location(None);
        assert!(
            matches!(location, Location::Code(code) if code.symbol.as_deref() == Some("Cart.pay"))
        );
    }
}
