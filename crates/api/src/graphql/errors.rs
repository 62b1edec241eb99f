//! Errors on their way out: every one has `extensions.code`.
//!
//! Resolvers use `?` on the domain's errors; what they were is kept as the source of GraphQL's own
//! error and read here, once, for code, kind and field. What only the operator can act on is
//! logged, and its words stay here.

use async_graphql::{ErrorExtensionValues, Pos, Response, ServerError};
use gna_domain::error::{Error, Kind};

use crate::problem;

/// What a caller is told of a defect of ours.
const MASKED: &str = "something went wrong on our side; it is in the server's log";

/// Gives every error its code.
#[must_use]
pub fn finished(mut response: Response) -> Response {
    for error in &mut response.errors {
        explain(error);
    }
    response
}

fn explain(error: &mut ServerError) {
    let Some(source) = error.source::<Error>().cloned() else {
        if error
            .extensions
            .as_ref()
            .and_then(|known| known.get("code"))
            .is_none()
        {
            let code = code_of(&error.message);
            error
                .extensions
                .get_or_insert_with(ErrorExtensionValues::default)
                .set("code", code);
        }
        return;
    };
    problem::log(&source);
    let values = error
        .extensions
        .get_or_insert_with(ErrorExtensionValues::default);
    values.set("code", source.code());
    values.set("kind", kind_name(source.kind()));
    if let Some(field) = source.field() {
        values.set("field", field);
    }
    if let Some(seconds) = source.retry_after() {
        values.set("retryAfter", seconds);
    }
    source.message().clone_into(&mut error.message);
    if source.kind() == Kind::Internal {
        MASKED.clone_into(&mut error.message);
    }
}

/// An error before there is an operation that it could belong to.
#[must_use]
pub fn told(error: Error) -> ServerError {
    let mut told = async_graphql::Error::new_with_source(error).into_server_error(Pos::default());
    explain(&mut told);
    told
}

/// Codes of what the GraphQL library itself refuses, which it tells apart by its words only.
fn code_of(message: &str) -> &'static str {
    match message {
        m if m.starts_with("Query is nested too deep") => "graphql.too_deep",
        m if m.starts_with("Query is too complex") => "graphql.too_complex",
        m if m.starts_with("The recursion depth") => "graphql.too_deep",
        m if m.contains("directives") && m.contains("exceeds") => "graphql.too_many_directives",
        _ => "graphql.invalid",
    }
}

/// Stable names of the kinds, as clients match them.
#[must_use]
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid => "INVALID",
        Kind::Unauthenticated => "UNAUTHENTICATED",
        Kind::Forbidden => "FORBIDDEN",
        Kind::NotFound => "NOT_FOUND",
        Kind::Conflict => "CONFLICT",
        Kind::Limit => "LIMIT",
        Kind::Upstream => "UPSTREAM",
        Kind::Unavailable => "UNAVAILABLE",
        Kind::Internal => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: Error) -> serde_json::Value {
        serde_json::to_value(told(source)).expect("writes as JSON")
    }

    #[test]
    fn a_domain_error_is_told_with_its_code_kind_and_field() {
        let told = shown(Error::invalid("slug.malformed", "a slug is ...").on_field("slug"));
        assert_eq!(told["message"], "a slug is ...");
        assert_eq!(told["extensions"]["code"], "slug.malformed");
        assert_eq!(told["extensions"]["kind"], "INVALID");
        assert_eq!(told["extensions"]["field"], "slug");
    }

    #[test]
    fn a_defect_of_ours_keeps_its_words_to_itself() {
        let told = shown(Error::internal("store.corrupt", "secret path"));
        assert_eq!(told["message"], MASKED);
        assert_eq!(told["extensions"]["code"], "store.corrupt");
    }
}
