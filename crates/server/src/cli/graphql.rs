//! What commands ask of GraphQL: the answer's data, or the failure that was told.

use serde_json::{Value, json};

use super::Failure;
use super::client::Client;

/// Items of a page.
const PAGE: usize = 200;

impl Client {
    /// Runs one operation and takes what its only field answered.
    ///
    /// # Errors
    /// What was told, with exit code 2 for wrong use and 3 for the server's own trouble; and as
    /// [`Client::post`].
    pub async fn ask(&self, query: &str, variables: Value) -> Result<Value, Failure> {
        let body = json!({ "query": query, "variables": variables });
        let mut answer = self.post("/api", body).await?;
        if let Some(error) = answer["errors"].get(0) {
            return Err(failure(error));
        }
        Ok(match answer["data"].take() {
            Value::Object(fields) => fields
                .into_iter()
                .next()
                .map_or(Value::Null, |(_, one)| one),
            other => other,
        })
    }

    /// Every node of a list, whatever its number of pages. The query takes `$first` and `$after`;
    /// `path` leads from its only field to the list (a JSON pointer).
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn nodes(
        &self,
        query: &str,
        path: &str,
        mut variables: Value,
    ) -> Result<Vec<Value>, Failure> {
        let mut nodes = Vec::new();
        variables["first"] = PAGE.into();
        loop {
            let mut answer = self.ask(query, variables.clone()).await?;
            let list = answer
                .pointer_mut(path)
                .map(Value::take)
                .unwrap_or_default();
            let edges = list["edges"].as_array().into_iter().flatten();
            nodes.extend(edges.map(|edge| edge["node"].clone()));
            if list["pageInfo"]["hasNextPage"] != true {
                return Ok(nodes);
            }
            variables["after"] = list["pageInfo"]["endCursor"].clone();
        }
    }
}

fn failure(error: &Value) -> Failure {
    let code = error["extensions"]["code"]
        .as_str()
        .unwrap_or("server.answer");
    let message = error["message"].as_str().unwrap_or_default();
    match error["extensions"]["kind"].as_str() {
        Some("UPSTREAM" | "UNAVAILABLE" | "INTERNAL") => Failure::unreadable(code, message),
        _ => Failure::usage(code, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;

    #[test]
    fn a_refusal_is_wrong_use_and_a_defect_is_not() {
        for (kind, exit) in [
            ("NOT_FOUND", Exit::Usage),
            ("CONFLICT", Exit::Usage),
            ("UNAVAILABLE", Exit::Unreadable),
            ("INTERNAL", Exit::Unreadable),
        ] {
            let told = json!({"message": "no", "extensions": {"code": "a.b", "kind": kind}});
            let failure = failure(&told);
            assert_eq!(
                (failure.exit, failure.code.as_str()),
                (exit, "a.b"),
                "{kind}"
            );
        }
    }
}
