//! Who was connected: the identity calls one after the other, then the account they describe.

use serde_json::{Map, Value};

use super::definition::Module;
use crate::connect::answer::Answer;
use crate::connect::request::Request;
use crate::connect::template::Template;
use crate::connect::values::Values;
use crate::error::{Error, Kind, Result};

/// Longest external id or name, in characters.
const LONGEST: usize = 300;

/// A connected account as the app describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The same each time the same account is connected.
    pub external_id: String,
    pub display_name: String,
}

impl Module {
    /// The identity call with that number, from 0; nothing after the last one.
    ///
    /// # Errors
    /// `module.input`.
    pub fn identity_request(&self, number: usize, values: &Values) -> Result<Option<Request>> {
        let Some(call) = self.identity.calls.get(number) else {
            return Ok(None);
        };
        self.request("identity", &call.call, values).map(Some)
    }

    /// The values with what that call's answer gives in the scope `kept`.
    #[must_use]
    pub fn identity_kept(&self, number: usize, answer: &Answer, values: Values) -> Values {
        let keep = self.identity.calls.get(number).map(|call| &call.keep);
        keep.into_iter()
            .flatten()
            .fold(values, |values, (name, take)| {
                match take.from(&answer.body, &values) {
                    Some(value) => values.with_one("kept", name, value),
                    None => values,
                }
            })
    }

    /// The account, when all identity calls are answered. One without a name is called by its id.
    ///
    /// # Errors
    /// `authorization.identity`: the app did not say who it is.
    pub fn account(&self, values: &Values) -> Result<Account> {
        let text = |template: &Template| {
            let text = template.text(values).unwrap_or_default();
            Some(short(&text)).filter(|text| !text.is_empty())
        };
        let external_id = text(&self.identity.external_id).ok_or_else(|| {
            let label = &self.display.label;
            Error::new(
                Kind::Upstream,
                "authorization.identity",
                format!(
                    "{label} did not say the id of the account; check the module's identity call and its scopes"
                ),
            )
        })?;
        Ok(Account {
            display_name: text(&self.identity.display_name).unwrap_or_else(|| external_id.clone()),
            external_id,
        })
    }

    /// What of the kept values is stored with the entity.
    #[must_use]
    pub fn entity_properties(&self, values: &Values) -> Map<String, Value> {
        self.kept(values, self.persist.entity.iter())
    }

    /// What of the kept values is stored with the credential besides tokens and form fields.
    #[must_use]
    pub fn credential_properties(&self, values: &Values) -> Map<String, Value> {
        self.kept(
            values,
            self.persist.credential.iter().map(|extra| &extra.name),
        )
    }

    fn kept<'n>(
        &self,
        values: &Values,
        names: impl Iterator<Item = &'n String>,
    ) -> Map<String, Value> {
        names
            .filter_map(|name| {
                Some((
                    name.clone(),
                    values.get(&["kept".to_owned(), name.clone()])?.clone(),
                ))
            })
            .collect()
    }
}

fn short(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect::<String>()
        .trim()
        .to_owned()
}
