//! Places by slugs on the command line: `ORG` or `ORG/GROUP`.

use serde_json::{Value, json};

use super::Failure;
use super::client::Client;

/// An organization or a group of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    Organization(&'a str),
    Group(&'a str, &'a str),
}

impl<'a> Place<'a> {
    /// As it was typed.
    #[must_use]
    pub fn new(slugs: &'a str) -> Self {
        match slugs.split_once('/') {
            Some((organization, group)) => Self::Group(organization, group),
            None => Self::Organization(slugs),
        }
    }

    fn variables(self) -> Value {
        match self {
            Self::Organization(organization) => json!({ "organization": organization }),
            Self::Group(organization, group) => {
                json!({ "organization": organization, "group": group })
            }
        }
    }

    /// The place with its id and these fields.
    ///
    /// # Errors
    /// Exit code 2 where there is none.
    pub async fn find(self, client: &Client, fields: &str) -> Result<Value, Failure> {
        let (query, path) = match self {
            Self::Organization(_) => (
                format!(
                    "query($organization: String!) {{
                       organization(slug: $organization) {{ id {fields} }} }}"
                ),
                "",
            ),
            Self::Group(..) => (
                format!(
                    "query($organization: String!, $group: String!) {{
                       organization(slug: $organization) {{ group(slug: $group) {{ id {fields} }} }} }}"
                ),
                "/group",
            ),
        };
        let found = client.ask(&query, self.variables()).await;
        let mut found = found.map_err(|failure| self.missing(failure))?;
        Ok(found.pointer_mut(path).map(Value::take).unwrap_or_default())
    }

    /// Its id alone.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn id(self, client: &Client) -> Result<Value, Failure> {
        Ok(self.find(client, "").await?["id"].take())
    }

    /// A list of the place: `members(first: $first, after: $after) { … }`.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn list(
        self,
        client: &Client,
        field: &str,
        node: &str,
    ) -> Result<Vec<Value>, Failure> {
        let list = format!(
            "{field}(first: $first, after: $after) {{
               edges {{ node {{ {node} }} }} pageInfo {{ hasNextPage endCursor }} }}"
        );
        let (query, path) = match self {
            Self::Organization(_) => (
                format!(
                    "query($organization: String!, $first: Int, $after: String) {{
                       organization(slug: $organization) {{ {list} }} }}"
                ),
                format!("/{field}"),
            ),
            Self::Group(..) => (
                format!(
                    "query($organization: String!, $group: String!, $first: Int, $after: String) {{
                       organization(slug: $organization) {{ group(slug: $group) {{ {list} }} }} }}"
                ),
                format!("/group/{field}"),
            ),
        };
        let found = client.nodes(&query, &path, self.variables()).await;
        found.map_err(|failure| self.missing(failure))
    }

    fn missing(self, failure: Failure) -> Failure {
        let slugs = match self {
            Self::Organization(organization) => organization.to_owned(),
            Self::Group(organization, group) => format!("{organization}/{group}"),
        };
        match failure.code.as_str() {
            "not_found" | "slug.malformed" => Failure {
                message: format!(
                    "there is no {slugs:?}; write ORGANIZATION or ORGANIZATION/GROUP by their short names"
                ),
                ..failure
            },
            _ => failure,
        }
    }
}

/// The group that is meant, with its id and these fields.
///
/// # Errors
/// As [`Place::find`], and where an organization is named alone.
pub async fn group(client: &Client, slugs: &str, fields: &str) -> Result<Value, Failure> {
    match Place::new(slugs) {
        Place::Organization(_) => Err(Failure::usage(
            "group.missing",
            format!("{slugs:?} is an organization; name a group as ORGANIZATION/GROUP"),
        )),
        place @ Place::Group(..) => place.find(client, fields).await,
    }
}

/// The account with an address, with its id and these fields.
///
/// # Errors
/// Exit code 2 where there is none.
pub async fn person(client: &Client, email: &str, fields: &str) -> Result<Value, Failure> {
    let query =
        format!("query($email: String!) {{ userByEmail(email: $email) {{ id {fields} }} }}");
    let found = client.ask(&query, json!({ "email": email })).await;
    found.map_err(|failure| match failure.code.as_str() {
        "not_found" => Failure::usage(
            "user.not_found",
            format!("nobody has the address {email:?}; `gna user list` shows who is there"),
        ),
        _ => failure,
    })
}
