//! The location of the generic form, made into the domain's own.

use gna_domain::model::{
    CloudLocation, CodeLocation, EndpointLocation, Location, NetworkLocation, PackageLocation,
    SNIPPET_LIMIT,
};

use super::generic::GenericLocation;
use crate::text;

/// Tells the kind and takes over the fields that belong to it; `secret` leaves out the lines.
///
/// # Errors
/// A sentence that names the field that the kind lacks.
pub fn location(form: Option<&GenericLocation>, secret: bool) -> Result<Location, String> {
    let Some(form) = form else {
        return Ok(Location::Asset);
    };
    let kind = match form.kind.as_deref() {
        Some(kind) => kind,
        None if form.resource.is_some() => "cloud",
        None if form.url.is_some() => "endpoint",
        None if form.host.is_some() => "network",
        None if form.name.is_some() || form.purl.is_some() => "package",
        None if form.path.is_some() => "code",
        None => "asset",
    };
    let lacks = |field: &str| format!("its location is of the kind {kind:?} but has no {field:?}");
    Ok(match kind {
        "code" => Location::Code(code(form, secret).ok_or_else(|| lacks("path"))?),
        "package" => Location::Package(package(form).ok_or_else(|| lacks("name"))?),
        "endpoint" => Location::Endpoint(EndpointLocation {
            url: trimmed(&form.url).ok_or_else(|| lacks("url"))?,
            method: trimmed(&form.method).map(|method| method.to_ascii_uppercase()),
            parameter: trimmed(&form.parameter),
        }),
        "network" => Location::Network(NetworkLocation {
            host: trimmed(&form.host).ok_or_else(|| lacks("host"))?,
            // Port 0 is how several scanners write "the host as a whole".
            port: form
                .port
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port != 0),
            protocol: trimmed(&form.protocol).map(|protocol| protocol.to_ascii_lowercase()),
            service: trimmed(&form.service),
        }),
        "cloud" => Location::Cloud(CloudLocation {
            resource: trimmed(&form.resource).ok_or_else(|| lacks("resource"))?,
            provider: trimmed(&form.provider),
            account: trimmed(&form.account),
            region: trimmed(&form.region),
            resource_type: trimmed(&form.resource_type),
        }),
        "asset" => Location::Asset,
        other => {
            let other = text::cut(other, 40).into_owned();
            return Err(format!(
                "its location is of the unknown kind {other:?}; write code, package, endpoint, network, cloud or asset"
            ));
        }
    })
}

fn code(form: &GenericLocation, secret: bool) -> Option<CodeLocation> {
    let from_one = |number: Option<u32>| number.filter(|number| *number > 0);
    Some(CodeLocation {
        path: path(form)?,
        line: from_one(form.line),
        end_line: from_one(form.end_line)
            .filter(|end| from_one(form.line).is_some_and(|line| *end >= line)),
        column: from_one(form.column),
        snippet: form
            .snippet
            .as_deref()
            .filter(|snippet| !secret && !snippet.trim().is_empty())
            .map(|snippet| text::cut(snippet.trim_end(), SNIPPET_LIMIT).into_owned()),
        symbol: trimmed(&form.symbol),
    })
}

fn package(form: &GenericLocation) -> Option<PackageLocation> {
    let purl = trimmed(&form.purl);
    let name = trimmed(&form.name).or_else(|| purl.as_deref().and_then(name_of_purl))?;
    let fixed: Vec<&str> = form
        .fixed_version
        .iter()
        .map(|version| version.trim())
        .filter(|version| !version.is_empty())
        .collect();
    Some(PackageLocation {
        name,
        version: trimmed(&form.version),
        purl,
        ecosystem: trimmed(&form.ecosystem).map(|ecosystem| ecosystem.to_ascii_lowercase()),
        fixed_version: (!fixed.is_empty()).then(|| fixed.join(", ")),
        path: path(form),
        line: form.line.filter(|line| *line > 0),
        layer: trimmed(&form.layer),
        image: trimmed(&form.image),
    })
}

/// `group:artifact` for Maven, `@scope/name` for npm, the whole path for the others.
fn name_of_purl(purl: &str) -> Option<String> {
    let purl = purl.parse::<packageurl::PackageUrl<'_>>().ok()?;
    Some(match (purl.ty(), purl.namespace()) {
        (_, None) | ("deb" | "rpm" | "apk", _) => purl.name().to_owned(),
        ("maven", Some(group)) => format!("{group}:{}", purl.name()),
        (_, Some(namespace)) => format!("{namespace}/{}", purl.name()),
    })
}

fn path(form: &GenericLocation) -> Option<String> {
    form.path
        .as_deref()
        .map(|path| text::path(path, false))
        .filter(|path| !path.is_empty())
}

fn trimmed(text: &Option<String>) -> Option<String> {
    text.as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}
