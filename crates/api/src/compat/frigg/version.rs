//! Which version of Frigg's API answered. The unprefixed one is frozen and says so in every answer, with
//! where to go on; the second one names itself. Names and dates are those that the framework's own back
//! end gives from core 2.0.1 on (its ADR 053).

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{OWN_ROUTES, ROUTES, is_v2};

/// The day from which the first version is deprecated.
pub const DEPRECATED_AT: &str = "2026-11-01";
/// Its midnight in UTC, as RFC 9745 writes dates (RFC 9651, section 3.3.7).
const DEPRECATED: &str = "@1793491200";
/// What tells of all versions.
const META: &str = "</api/meta>; rel=\"deprecation\"";

/// Whether a route is of the version that is frozen. Routes of integration types' own, sign-in and health
/// have no other version.
#[must_use]
pub fn is_v1(route: &str) -> bool {
    route.starts_with("/api/") && !is_v2(route) && route != OWN_ROUTES
}

/// The layer of v1: `Deprecation`, and `Link` to what takes its place (RFC 5829, RFC 9745).
pub async fn first(request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or_else(String::new, |route| route.as_str().to_owned());
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    if is_v1(&route) {
        let headers = response.headers_mut();
        let name = HeaderName::from_static("deprecation");
        headers.insert(name, HeaderValue::from_static(DEPRECATED));
        headers.append(header::LINK, HeaderValue::from_static(META));
        let link = successor(&route, &path).map(|at| format!("<{at}>; rel=\"successor-version\""));
        if let Some(Ok(link)) = link.map(|link| HeaderValue::from_str(&link)) {
            headers.append(header::LINK, link);
        }
    }
    response
}

/// The same address in v2, where there is one.
fn successor(route: &str, path: &str) -> Option<String> {
    let second = |of: &str| Some(format!("/api/v2/{}", of.strip_prefix("/api/")?));
    let there = second(route)?;
    let is_there = ROUTES.iter().any(|known| known.path == there);
    is_there.then(|| second(path)).flatten()
}

/// The layer of v2.
pub async fn second(mut response: Response) -> Response {
    let name = HeaderName::from_static("frigg-api-version");
    let headers = response.headers_mut();
    headers.insert(name, HeaderValue::from_static("2"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_address_is_named_where_there_is_one() {
        for (route, path, there) in [
            (
                "/api/integrations",
                "/api/integrations",
                Some("/api/v2/integrations"),
            ),
            (
                "/api/integrations/{integration}/actions",
                "/api/integrations/int_1/actions",
                Some("/api/v2/integrations/int_1/actions"),
            ),
            ("/api/entity", "/api/entity", None),
            ("/health", "/health", None),
        ] {
            assert_eq!(successor(route, path).as_deref(), there, "{path}");
        }
        for (route, first) in [
            ("/api/entity", true),
            ("/api/v2/entities", false),
            ("/user/login", false),
            (OWN_ROUTES, false),
        ] {
            assert_eq!(is_v1(route), first, "{route}");
        }
    }
}
