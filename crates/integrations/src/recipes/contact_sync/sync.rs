//! One look at both sides.

use gna_domain::connect::integration::Level;
use gna_domain::connect::module::PageState;
use gna_domain::error::{Error, Kind, Result};
use gna_domain::port::recipes::Desk;
use gna_domain::rules::integration::is_permanent;
use gna_domain::secret::Secret;
use gna_domain::time::Timestamp;
use serde_json::{Value, json};

use super::merge::{Fields, Winner, merged};
use super::side::{Changed, Contact, Side};
use crate::recipes::changes::Look;

/// How much earlier than the last look the next one begins, in milliseconds: ten minutes. CRMs have
/// clocks and indexes of their own.
const OVERLAP_MS: i64 = 600_000;
/// How often a list is gone on with, of 200 pages each time, to find one contact in it.
const READINGS_MAX: usize = 20;
/// Title of messages about single contacts. They name ids, not people.
const CONTACT: &str = "Contact";

pub(super) struct Sync<'d, 'a> {
    desk: &'d Desk<'a>,
    first: Side<'d, 'a>,
    second: Side<'d, 'a>,
    /// What both can be told.
    fields: Vec<String>,
    winner: Winner,
}

/// Source id of the mapping from a contact to its other.
fn link(side: &Side<'_, '_>, id: &str) -> String {
    format!("{}:{id}", side.slot)
}

/// Source id of the mapping from an address to a contact. Addresses are private: a digest does.
fn known(side: &Side<'_, '_>, email: &str) -> String {
    format!("{}@{}", side.slot, Secret::new(email).digest())
}

impl<'d, 'a> Sync<'d, 'a> {
    /// # Errors
    /// `integration.account_missing`.
    pub fn at(desk: &'d Desk<'a>) -> Result<Self> {
        let (first, second) = (Side::at(desk, "first")?, Side::at(desk, "second")?);
        let theirs: Vec<&str> = second.writable().collect();
        let fields = first
            .writable()
            .filter(|field| theirs.contains(field))
            .map(str::to_owned)
            .collect();
        let winner = match desk.text("winner") {
            Some("second") => Winner::Second,
            _ => Winner::First,
        };
        Ok(Self {
            desk,
            first,
            second,
            fields,
            winner,
        })
    }

    /// Brings together what changed on either side.
    ///
    /// # Errors
    /// The apps', or the store's; the next look begins where this one did.
    pub async fn look(&self) -> Result<()> {
        let (first_look, first) = self.read(&self.first).await?;
        let (second_look, second) = self.read(&self.second).await?;
        for (side, other, changed) in [
            (&self.first, &self.second, &first),
            (&self.second, &self.first, &second),
        ] {
            for contact in &changed.contacts {
                match self.bring(side, other, contact).await {
                    Err(error) if is_permanent(&error) => {
                        let text = format!("{} {}: {}", side.slot, contact.id, error.message());
                        self.desk.note(Level::Error, CONTACT, &text).await?;
                    }
                    done => done?,
                }
            }
        }
        self.passed(&self.first, &first_look, first.next).await?;
        self.passed(&self.second, &second_look, second.next).await
    }

    /// What changed on a side, with all addresses noted so that the other side finds them.
    async fn read(&self, side: &Side<'_, '_>) -> Result<(Look, Changed)> {
        let cursor = self.desk.mapping(side.slot).await?;
        let data = cursor.as_ref().map(|cursor| &cursor.data);
        // At the first look everything is new.
        let first = Timestamp::from_millis(0);
        let mut look = Look::after(data, first, OVERLAP_MS, self.desk.ctx.now());
        let read = side.changed_since(look.since, look.page.clone()).await;
        let changed = match read {
            Err(error) if look.page.is_some() && is_permanent(&error) => {
                look = look.anew();
                side.changed_since(look.since, None).await?
            }
            read => read?,
        };
        for contact in &changed.contacts {
            let Some(email) = contact.email() else {
                continue;
            };
            let key = known(side, &email);
            let noted = self.desk.mapping(&key).await?;
            let is_noted = noted
                .as_ref()
                .is_some_and(|noted| noted.external.as_ref() == Some(&contact.id));
            if !is_noted {
                let id = Some(contact.id.clone());
                self.desk
                    .remember(noted.as_ref(), &key, id, Value::Null)
                    .await?;
            }
        }
        Ok((look, changed))
    }

    async fn passed(
        &self,
        side: &Side<'_, '_>,
        look: &Look,
        next: Option<PageState>,
    ) -> Result<()> {
        let cursor = self.desk.mapping(side.slot).await?;
        self.desk
            .remember(cursor.as_ref(), side.slot, None, look.read_to(next))
            .await
            .map(|_| ())
    }

    /// Brings a contact and its other together, making that where there is none.
    async fn bring(
        &self,
        side: &Side<'_, '_>,
        other: &Side<'_, '_>,
        contact: &Contact,
    ) -> Result<()> {
        let key = link(side, &contact.id);
        let linked = self.desk.mapping(&key).await?;
        let there = linked.as_ref().and_then(|linked| linked.external.clone());
        let there = match (there, contact.email()) {
            (Some(there), _) => there,
            // Without an address it is nobody that could be found.
            (None, None) => return Ok(()),
            (None, Some(email)) => match self.other(other, &email).await? {
                Some(there) => there,
                None => {
                    match &linked {
                        // Written down before it is made: what is found of it after a crash is it.
                        None => {
                            self.desk.remember(None, &key, None, Value::Null).await?;
                        }
                        Some(begun) => {
                            if let Some(made) = self.made(other, &email, begun.updated).await? {
                                return self.agree(side, contact, &made).await;
                            }
                        }
                    }
                    let fields = self.common(&contact.fields);
                    other.create(&fields).await?
                }
            },
        };
        match other.get(&there).await? {
            Some(found) => self.agree(side, contact, &found).await,
            // Removed there: it stays here, and nobody makes it again.
            None => Ok(()),
        }
    }

    async fn other(&self, other: &Side<'_, '_>, email: &str) -> Result<Option<String>> {
        let noted = self.desk.mapping(&known(other, email)).await?;
        Ok(noted.and_then(|noted| noted.external.clone()))
    }

    /// A contact that was made there since then and not written down.
    ///
    /// # Errors
    /// `app.too_much` where more changed meanwhile than can be read: it may be among the rest, and
    /// would be there twice; the app's.
    async fn made(
        &self,
        other: &Side<'_, '_>,
        email: &str,
        begun: Timestamp,
    ) -> Result<Option<Contact>> {
        let since = begun.plus_millis(-OVERLAP_MS);
        let mut from = None;
        for _ in 0..READINGS_MAX {
            let changed = other.changed_since(since, from).await?;
            let mut contacts = changed.contacts.into_iter();
            let found = contacts.find(|contact| contact.email().as_deref() == Some(email));
            if found.is_some() || changed.next.is_none() {
                return Ok(found);
            }
            from = changed.next;
        }
        Err(Error::new(
            Kind::Limit,
            "app.too_much",
            format!(
                "so much changed in {} that a contact which may have been made there can't be found; make it there by hand",
                other.slot
            ),
        ))
    }

    fn common(&self, fields: &Fields) -> Fields {
        let all = fields.0.iter();
        let common = all.filter(|(field, _)| self.fields.contains(field));
        Fields(
            common
                .map(|(field, value)| (field.clone(), value.clone()))
                .collect(),
        )
    }

    /// Gives both the same values and remembers them.
    async fn agree(&self, side: &Side<'_, '_>, contact: &Contact, found: &Contact) -> Result<()> {
        let is_first = side.slot == self.first.slot;
        let (one, two) = if is_first {
            (contact, found)
        } else {
            (found, contact)
        };
        // The contact was read with the list; its other may have been brought along since.
        let one_now = match is_first {
            true => self.first.get(&one.id).await?,
            false => Some(one.clone()),
        };
        let two_now = match is_first {
            true => Some(two.clone()),
            false => self.second.get(&two.id).await?,
        };
        let (Some(one), Some(two)) = (one_now, two_now) else {
            return Ok(());
        };
        let (first_key, second_key) = (link(&self.first, &one.id), link(&self.second, &two.id));
        let first_link = self.desk.mapping(&first_key).await?;
        let agreed: Option<Fields> = first_link
            .as_ref()
            .and_then(|linked| serde_json::from_value(linked.data.clone()).ok());
        let both = merged(
            agreed.as_ref(),
            &one.fields,
            &two.fields,
            &self.fields,
            self.winner,
        );
        self.first.update(&one, &both, &self.fields).await?;
        self.second.update(&two, &both, &self.fields).await?;
        let second_link = self.desk.mapping(&second_key).await?;
        if second_link
            .as_ref()
            .is_none_or(|linked| linked.external.as_ref() != Some(&one.id))
        {
            let to = Some(one.id.clone());
            self.desk
                .remember(second_link.as_ref(), &second_key, to, Value::Null)
                .await?;
        }
        let is_known = first_link.as_ref().is_some_and(|linked| {
            linked.external.as_ref() == Some(&two.id) && agreed.as_ref() == Some(&both)
        });
        if !is_known {
            let to = Some(two.id.clone());
            self.desk
                .remember(first_link.as_ref(), &first_key, to, json!(both))
                .await?;
        }
        Ok(())
    }
}
