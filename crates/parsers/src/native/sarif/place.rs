//! From SARIF's locations to places: base ids resolved, artifacts looked up, regions read.

use gna_domain::model::{CodeLocation, EndpointLocation, Location as Place};

use super::model::{ArtifactLocation, Location, LogicalLocation, Run};
use crate::text;

/// Longest chain of base ids that is followed; the standard forbids loops, files may have them.
const MAX_BASES: usize = 10;

/// Where a location points: a file, or a web address that has no lines. `None` where it names
/// neither file nor function.
pub fn place(location: &Location, run: &Run) -> Option<Place> {
    let physical = &location.physical_location;
    let symbol = symbol(&location.logical_locations, run);
    let Some(path) = path(&physical.artifact_location, run) else {
        // A function without a file: its name is all there is to tell two of them apart.
        return symbol.map(|symbol| {
            Place::Code(CodeLocation {
                path: symbol.clone(),
                symbol: Some(symbol),
                ..CodeLocation::default()
            })
        });
    };
    let region = &physical.region;
    if region.start_line.is_none() && (path.starts_with("http://") || path.starts_with("https://"))
    {
        return Some(Place::Endpoint(EndpointLocation {
            url: path,
            ..EndpointLocation::default()
        }));
    }
    let snippet = region
        .snippet
        .plain()
        .or_else(|| physical.context_region.snippet.plain());
    let line = region.start_line.filter(|line| *line > 0);
    Some(Place::Code(CodeLocation {
        path,
        line,
        end_line: region
            .end_line
            .filter(|end| line.is_some_and(|line| *end >= line)),
        column: region.start_column.filter(|column| *column > 0),
        snippet: snippet
            .map(|snippet| text::cut(snippet, gna_domain::model::SNIPPET_LIMIT).into_owned()),
        symbol,
    }))
}

/// The path of an artifact, relative to the outermost base that is itself relative.
pub fn path(location: &ArtifactLocation, run: &Run) -> Option<String> {
    let known = location
        .index
        .and_then(|index| run.artifacts.get(usize::try_from(index).ok()?))
        .map(|artifact| &artifact.location);
    let location = if location.uri.is_some() {
        location
    } else {
        known?
    };
    let uri = location.uri.as_deref()?.trim();
    if uri.is_empty() {
        return None;
    }
    if uri.starts_with("file:") {
        let relative = run
            .original_uri_base_ids
            .values()
            .filter_map(|base| base.uri.as_deref())
            .map(str::trim)
            .filter(|base| {
                base.starts_with("file:")
                    && base.trim_end_matches('/') != "file:"
                    && base.ends_with('/')
            })
            .filter_map(|base| uri.strip_prefix(base))
            .min_by_key(|rest| rest.len());
        return Some(match relative.filter(|rest| !rest.is_empty()) {
            Some(rest) => text::path(rest, true),
            None => text::path(uri, true),
        });
    }
    if has_scheme(uri) {
        return Some(uri.to_owned());
    }
    let mut path = uri.to_owned();
    let mut base = location.uri_base_id.as_deref();
    for _ in 0..MAX_BASES {
        let Some(found) = base.and_then(|id| run.original_uri_base_ids.get(id)) else {
            break;
        };
        let prefix = found.uri.as_deref().map(str::trim).unwrap_or_default();
        // An absolute base is the root of what was scanned: machines differ in it.
        if has_scheme(prefix) || prefix.starts_with('/') {
            break;
        }
        path.insert_str(0, prefix);
        base = found.uri_base_id.as_deref();
    }
    Some(text::path(&path, true))
}

/// `https:`, `docker:`...; one letter is a drive of Windows.
fn has_scheme(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.len() > 1
            && rest.starts_with("//")
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn symbol(locations: &[LogicalLocation], run: &Run) -> Option<String> {
    let name = |location: &LogicalLocation| {
        location
            .fully_qualified_name
            .clone()
            .or_else(|| location.name.clone())
    };
    locations.iter().find_map(|location| {
        name(location).or_else(|| {
            let index = usize::try_from(location.index?).ok()?;
            run.logical_locations.get(index).and_then(name)
        })
    })
}
