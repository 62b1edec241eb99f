//! Who was connected: the identity calls one after the other, then the account they describe.

use serde_json::{Map, Value};

use super::call::refused;
use super::definition::Module;
use crate::connect::answer::Answer;
use crate::connect::filter;
use crate::connect::request::Request;
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

    /// The account, when all identity calls are answered.
    ///
    /// # Errors
    /// `app.answer`: the app did not say who it is.
    pub fn account(&self, values: &Values) -> Result<Account> {
        let text = |what: &str, template: &crate::connect::Template| {
            let text = template
                .text(values)
                .map_err(|error| refused(&format!("{}.identity", self.name), &error));
            let text = text
                .ok()
                .map(|text| short(&text))
                .filter(|text| !text.is_empty());
            text.ok_or_else(|| {
                let label = &self.display.label;
                Error::new(Kind::Upstream, "app.answer", format!("{label} did not say the {what} of the account; check what the credential may read"))
            })
        };
        Ok(Account {
            external_id: text("id", &self.identity.external_id)?,
            display_name: text("name", &self.identity.display_name)?,
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
            .filter(|(_, value)| filter::text(value).is_ok())
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
