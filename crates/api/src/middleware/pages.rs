//! `Link: <…>; rel="next"` (RFC 8288) on pages of lists: the same request with the next cursor.

use axum::extract::Request;
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::rest::NextPage;

/// The layer.
pub async fn around(request: Request, next: Next) -> Response {
    let asked = request.uri().clone();
    let mut response = next.run(request).await;
    let link = response
        .extensions()
        .get::<NextPage>()
        .and_then(|next| HeaderValue::from_str(&link(&asked, &next.0)).ok());
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// Relative to where it was asked, so that it holds behind any proxy.
fn link(asked: &Uri, after: &str) -> String {
    let kept = asked.query().unwrap_or_default().split('&');
    let mut query: Vec<String> = kept
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("after"))
        .map(str::to_owned)
        .collect();
    query.push(format!("after={}", escaped(after)));
    format!("<{}?{}>; rel=\"next\"", asked.path(), query.join("&"))
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_same_request_after_the_cursor() {
        for (asked, after, next) in [
            ("/a", "x", "</a?after=x>; rel=\"next\""),
            (
                "/a?first=2&group=b%2Fc",
                "x",
                "</a?first=2&group=b%2Fc&after=x>; rel=\"next\"",
            ),
            (
                "/a?after=w&first=2",
                "x>;\r\n",
                "</a?first=2&after=x%3E%3B%0D%0A>; rel=\"next\"",
            ),
        ] {
            let asked: Uri = asked.parse().expect("an address");
            assert_eq!(link(&asked, after), next);
        }
    }
}
