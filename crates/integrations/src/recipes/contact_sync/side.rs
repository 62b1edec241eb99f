//! One of the two CRMs: its contacts in common words.

use gna_domain::connect::module::PageState;
use gna_domain::error::{Error, Kind, Result};
use gna_domain::port::recipes::Desk;
use gna_domain::time::Timestamp;
use serde_json::{Map, Value, json};

use super::merge::Fields;

/// The fields that contacts have in common.
const FIELDS: &[&str] = &["email", "first_name", "last_name", "company"];

/// A contact as it is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    pub id: String,
    pub fields: Fields,
}

impl Contact {
    /// What two contacts are matched by: the address in lower case.
    pub fn email(&self) -> Option<String> {
        let email = self.fields.get("email").trim().to_lowercase();
        email.contains('@').then_some(email)
    }
}

/// Contacts that changed.
pub struct Changed {
    pub contacts: Vec<Contact>,
    /// Where the list was too long to be read at once: where the rest begins.
    pub next: Option<PageState>,
}

pub struct Side<'d, 'a> {
    desk: &'d Desk<'a>,
    pub slot: &'static str,
    /// The CRM has one field for the whole name.
    has_whole_name: bool,
}

fn text(item: &Map<String, Value>, key: &str) -> Option<String> {
    match item.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn whole_name(fields: &Fields) -> String {
    let parts = [fields.get("first_name"), fields.get("last_name")];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

impl<'d, 'a> Side<'d, 'a> {
    /// # Errors
    /// `integration.account_missing`.
    pub fn at(desk: &'d Desk<'a>, slot: &'static str) -> Result<Self> {
        desk.account(slot)?;
        Ok(Self {
            desk,
            slot,
            has_whole_name: desk.takes(slot, "update_contact", "name"),
        })
    }

    /// The fields that this CRM can be told.
    pub fn writable(&self) -> impl Iterator<Item = &'static str> {
        FIELDS.iter().copied().filter(|field| {
            self.desk.takes(self.slot, "update_contact", field)
                || (self.has_whole_name && field.ends_with("_name"))
        })
    }

    fn contact(item: &Map<String, Value>) -> Option<Contact> {
        let value = |field: &&str| {
            let value = text(item, field)?.trim().to_owned();
            (!value.is_empty()).then(|| ((*field).to_owned(), value))
        };
        Some(Contact {
            id: text(item, "id")?,
            fields: Fields(FIELDS.iter().filter_map(value).collect()),
        })
    }

    /// # Errors
    /// The app's.
    pub async fn changed_since(
        &self,
        since: Timestamp,
        from: Option<PageState>,
    ) -> Result<Changed> {
        let input = json!({ "since": since.to_string() });
        let desk = self.desk;
        let listed = desk
            .list_from(self.slot, "list_contacts", input, from)
            .await?;
        Ok(Changed {
            contacts: listed.items.iter().filter_map(Self::contact).collect(),
            next: listed.next,
        })
    }

    /// `None` where it is gone.
    ///
    /// # Errors
    /// The app's.
    pub async fn get(&self, id: &str) -> Result<Option<Contact>> {
        let input = json!({ "contact": id });
        match self.desk.call(self.slot, "get_contact", input).await {
            Ok(found) => Ok(Self::contact(&found)),
            Err(error) if error.code() == "app.not_found" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// The app's.
    pub async fn create(&self, fields: &Fields) -> Result<String> {
        let email = fields.get("email");
        let mut input = Map::new();
        for (field, value) in &fields.0 {
            input.insert(field.clone(), value.as_str().into());
        }
        // CRMs want a name; the address is one.
        let name = whole_name(fields);
        let name = if name.is_empty() { email } else { &name };
        input.insert("name".to_owned(), name.into());
        if fields.get("last_name").is_empty() {
            input.insert("last_name".to_owned(), name.into());
        }
        let needs_last_name = self.desk.needs(self.slot, "create_contact", "last_name");
        if !needs_last_name && fields.get("last_name").is_empty() {
            input.remove("last_name");
        }
        let input = self.desk.fitting(self.slot, "create_contact", input.into());
        let made = self.desk.call(self.slot, "create_contact", input).await?;
        text(&made, "id").ok_or_else(|| {
            Error::new(
                Kind::Upstream,
                "app.answer",
                "the CRM made a contact and did not say which",
            )
        })
    }

    /// Changes what is other than it should be.
    ///
    /// # Errors
    /// The app's.
    pub async fn update(
        &self,
        contact: &Contact,
        should: &Fields,
        fields: &[String],
    ) -> Result<()> {
        let mut input = Map::new();
        for (field, value) in contact.fields.changed_to(should, fields) {
            input.insert(field.to_owned(), value.into());
        }
        if input.is_empty() {
            return Ok(());
        }
        if self.has_whole_name && input.keys().any(|field| field.ends_with("_name")) {
            input.insert("name".to_owned(), whole_name(should).into());
        }
        input.insert("contact".to_owned(), contact.id.as_str().into());
        let input = self.desk.fitting(self.slot, "update_contact", input.into());
        self.desk
            .call(self.slot, "update_contact", input)
            .await
            .map(|_| ())
    }
}
