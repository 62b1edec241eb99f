//! `gna schema` and `gna openapi`: the descriptions of the two APIs.

use clap::Args;

use super::{Exit, Failure, Out};

/// Print the GraphQL schema
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna schema > schema.graphql
  gna schema --json | jq -r .schema")]
pub struct SchemaArgs {}

/// Print the OpenAPI description of the REST API
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna openapi > openapi.json
  gna openapi | jq '.paths | keys'")]
pub struct OpenapiArgs {}

/// # Errors
/// Standard output is closed.
pub fn schema(_: &SchemaArgs, out: &mut Out) -> Result<Exit, Failure> {
    let schema = gna_api::graphql::sdl();
    if out.is_json() {
        out.json(&serde_json::json!({ "schema": schema }))?;
    } else {
        out.bytes(schema.as_bytes())?;
    }
    Ok(Exit::Done)
}

/// # Errors
/// Standard output is closed.
pub fn openapi(_: &OpenapiArgs, out: &mut Out) -> Result<Exit, Failure> {
    // JSON either way: it has no other form here.
    out.json(&gna_api::rest::openapi::document())?;
    Ok(Exit::Done)
}
