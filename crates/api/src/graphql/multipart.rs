//! A GraphQL request with files, as clients send one (GraphQL multipart request specification,
//! version 2): the request in `operations`, which file is which variable in `map`, then the files.
//!
//! Only the files may be large: the request and the map have the limit of a request without files,
//! and all parts together that of one report.

use async_graphql::{BatchRequest, UploadValue};
use axum::body::Body;
use bytes::Bytes;
use gna_domain::error::{Error, Result};
use multer::{Constraints, Multipart, SizeLimit};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

use super::http::{MAX_BODY, malformed};

/// Most files of one request.
const MAX_FILES: usize = 5;

/// Where each file belongs: paths such as `variables.file`, by the name of its part.
type Map = BTreeMap<String, Vec<String>>;

/// # Errors
/// `request.too_large`, `graphql.malformed`.
pub(super) async fn read(kind: &str, body: Body, max_upload: u64) -> Result<BatchRequest> {
    let boundary = multer::parse_boundary(kind).map_err(unreadable)?;
    let most = u64::try_from(MAX_BODY).unwrap_or(u64::MAX);
    let sizes = SizeLimit::new()
        .whole_stream(max_upload.saturating_add(2 * most))
        .for_field("operations", most)
        .for_field("map", most);
    let constraints = Constraints::new().size_limit(sizes);
    let mut form = Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let (mut request, mut map, mut files) = (None, None, Vec::new());
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let content_type = field.content_type().map(ToString::to_string);
        let content = field.bytes().await.map_err(unreadable)?;
        match (name.as_str(), file_name) {
            ("operations", _) => request = Some(json(&content)?),
            ("map", _) => map = Some(json(&content)?),
            (_, Some(_)) if files.len() == MAX_FILES => {
                return Err(malformed(format_args!(
                    "at most {MAX_FILES} files can be sent at once"
                )));
            }
            (_, Some(filename)) => files.push((
                name,
                UploadValue {
                    filename,
                    content_type,
                    content,
                },
            )),
            (_, None) => {}
        }
    }
    let request = request.ok_or_else(|| malformed("the part operations is missing"))?;
    let map = map.ok_or_else(|| malformed("the part map is missing"))?;
    put(request, map, files)
}

/// Puts each file where the map says.
fn put(
    mut request: BatchRequest,
    mut map: Map,
    files: Vec<(String, UploadValue)>,
) -> Result<BatchRequest> {
    for (name, file) in files {
        for path in map.remove(&name).unwrap_or_default() {
            let found = match &mut request {
                BatchRequest::Single(request) => Some((request, path.as_str())),
                BatchRequest::Batch(requests) => path.split_once('.').and_then(|(at, path)| {
                    let request = requests.get_mut(at.parse::<usize>().ok()?)?;
                    Some((request, path))
                }),
            };
            if let Some((request, path)) = found {
                let copy = file.try_clone().map_err(malformed)?;
                request.set_upload(path, copy);
            }
        }
    }
    match map.keys().next() {
        Some(missing) => Err(malformed(format_args!("the file {missing:?} is missing"))),
        None => Ok(request),
    }
}

fn json<T: DeserializeOwned>(bytes: &Bytes) -> Result<T> {
    serde_json::from_slice(bytes).map_err(malformed)
}

fn unreadable(error: multer::Error) -> Error {
    match error {
        multer::Error::FieldSizeExceeded { field_name, limit } => Error::limit(
            "request.too_large",
            format!(
                "the part {} has at most {limit} bytes",
                field_name.unwrap_or_default()
            ),
        ),
        multer::Error::StreamSizeExceeded { limit } => Error::limit(
            "request.too_large",
            format!("the upload is larger than {limit} bytes (setting import.max_upload_bytes)"),
        ),
        other => malformed(other),
    }
}
