//! `gna frigg`: takes over the accounts that a back end of Frigg's connected.

use clap::{Args, Subcommand};
use gna_domain::Ctx;
use gna_domain::connect::Owner;
use gna_domain::error::Error;
use gna_domain::id::OrganizationId;
use gna_domain::secret::Secret;
use gna_domain::service::connect::entity;
use gna_domain::service::connect::take_over::{Elsewhere, Taken, take_over};
use gna_domain::service::{scope, user};
use gna_integrations::framework::frigg_export::{Exported, read};
use gna_integrations::framework::vault::legacy::LegacyKeys;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;

use super::local::{StoreArgs, block_on, open};
use super::output::plain;
use super::{Exit, Failure, Global, Out};
use crate::wiring::Instance;

/// Length of Frigg's keys, in bytes.
const KEY_BYTES: usize = 32;

/// Take over what a back end of Frigg's kept
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  mongoexport --uri mongodb://db/frigg --collection Credential --out credentials.jsonl
  AES_KEY_ID=key-2024 AES_KEY=... gna frigg import credentials.jsonl --organization acme
  gna frigg import stripe.jsonl --organization acme --module stripe --test

Needs the keys that Frigg had: AES_KEY_ID and AES_KEY, DEPRECATED_AES_KEY_ID and DEPRECATED_AES_KEY, in
the environment. Secrets are sealed anew at once. An account that is connected here already stays as it
is, so that the same file may be read again. Opens the store itself: stop the server that has it.")]
pub struct FriggArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Connect the accounts of an export of Frigg's credentials
    Import(ImportArgs),
}

#[derive(Args, Debug)]
struct ImportArgs {
    /// What `mongoexport` wrote of the collection of credentials: one document on each line
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Whose they are from now on: short name or id
    #[arg(long, value_name = "ORG")]
    organization: String,
    /// The person in it whose they are [default: the organization's own]
    #[arg(long, value_name = "EMAIL")]
    owner: Option<String>,
    /// Only the accounts of this user of Frigg's
    #[arg(long, value_name = "ID")]
    of: Option<String>,
    /// Module of the accounts whose documents name none that is here
    #[arg(long, value_name = "NAME")]
    module: Option<String>,
    /// A value that the module calls otherwise, such as api_key=api_token
    #[arg(long = "field", value_name = "FRIGG=GNA")]
    fields: Vec<String>,
    /// Ask each app whether the account works
    #[arg(long)]
    test: bool,
}

/// # Errors
/// Exit code 2 for wrong use and for what is not there, 3 where a file or a line of it can't be taken over;
/// what could be stays.
pub fn run(args: &FriggArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let setup = args.store.config(global)?;
    let What::Import(args) = &args.what;
    let fields = fields(&args.fields)?;
    let lines = lines(args, &LegacyKeys::new(keys()?))?;
    block_on(async {
        let instance = open(setup).await?;
        let ctx = instance.operator();
        let organization = scope::organization(&ctx, Some(&args.organization)).await?;
        let owner = match &args.owner {
            Some(email) => Owner::User(user::find(&ctx, email).await?.id),
            None => Owner::Organization,
        };
        let place = Place {
            instance: &instance,
            ctx,
            organization,
            owner,
        };
        let mut ended = Exit::Done;
        for line in lines {
            let done = match line.found {
                Ok(found) => place.take(args, &fields, found).await,
                Err(error) => Err(error.into()),
            };
            match done {
                Ok(done) => done.show(&line.place, out)?,
                Err(failure) => {
                    ended = Exit::Unreadable;
                    refuse(&line.place, &failure, out)?;
                }
            }
        }
        Ok(ended)
    })
}

/// The keys of the environment that Frigg ran in.
fn keys() -> Result<Vec<(String, Secret)>, Failure> {
    let mut keys = Vec::new();
    for name in ["AES_KEY", "DEPRECATED_AES_KEY"] {
        let Ok(key) = std::env::var(name) else {
            continue;
        };
        let id = std::env::var(format!("{name}_ID")).unwrap_or_default();
        if key.len() != KEY_BYTES || id.is_empty() {
            return Err(Failure::usage(
                "legacy.key",
                format!(
                    "{name} has {KEY_BYTES} characters, and {name}_ID is its name, as in Frigg's own environment"
                ),
            ));
        }
        keys.push((id, Secret::new(key)));
    }
    Ok(keys)
}

fn fields(said: &[String]) -> Result<Vec<(&str, &str)>, Failure> {
    said.iter()
        .map(|said| {
            said.split_once('=').ok_or_else(|| {
                Failure::usage(
                    "frigg.field",
                    format!("{said:?} renames nothing; write FRIGG=GNA, like api_key=api_token"),
                )
            })
        })
        .collect()
}

/// A line of a file, and what it says.
struct Line {
    /// `FILE:LINE`.
    place: String,
    found: Result<Exported, Error>,
}

/// All lines that are meant. Accounts of several people are not given to one owner by mistake.
fn lines(args: &ImportArgs, keys: &LegacyKeys) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    for path in &args.files {
        let file = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::unreadable("input.unreadable", format!("{file} can't be read: {error}"))
        })?;
        let numbered = text.lines().enumerate();
        for (number, line) in numbered.filter(|(_, line)| !line.trim().is_empty()) {
            lines.push(Line {
                place: format!("{file}:{}", number + 1),
                found: read(line, keys),
            });
        }
    }
    if let Some(wanted) = &args.of {
        lines.retain(|line| match &line.found {
            Ok(found) => found.user.as_ref() == Some(wanted),
            Err(_) => true,
        });
    }
    let users: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line.found.as_ref().ok()?.user.as_deref())
        .collect();
    if users.len() > 1 {
        let some: Vec<&str> = users.iter().copied().take(10).collect();
        return Err(Failure::usage(
            "frigg.users",
            format!(
                "these are accounts of {} users of Frigg's; take over one after the other with --of and --owner: {}",
                users.len(),
                plain(&some.join(", "))
            ),
        ));
    }
    Ok(lines)
}

/// Where accounts go.
struct Place<'a> {
    instance: &'a Instance,
    ctx: Ctx,
    organization: OrganizationId,
    owner: Owner,
}

/// What became of an account.
struct Done {
    module: String,
    external_id: String,
    taken: Taken,
    /// What the app says against it; none where it was not asked.
    tested: Option<Option<Error>>,
}

impl Place<'_> {
    async fn take(
        &self,
        args: &ImportArgs,
        fields: &[(&str, &str)],
        found: Exported,
    ) -> Result<Done, Failure> {
        let apps = self.instance.apps.as_ref();
        let mut kinds = found.kinds.iter();
        let named = kinds.find(|name| apps.module(name.as_str()).is_some());
        let module = named.or(args.module.as_ref()).cloned().ok_or_else(|| {
            Failure::usage(
                "module.unknown",
                "the document names no module that is here; name it with --module (`gna modules list`)",
            )
        })?;
        let mut values = found.values;
        for (theirs, name) in fields {
            if let Some(value) = values.remove(*theirs) {
                values.insert((*name).to_owned(), value);
            }
        }
        let account = Elsewhere {
            organization: self.organization,
            owner: self.owner,
            module: module.clone(),
            external_id: found.external_id.clone(),
            values,
            access_expires: found.access_expires,
            refresh_expires: found.refresh_expires,
            valid: found.valid,
        };
        let taken = take_over(&self.ctx, apps, &account).await?;
        let tested = match args.test {
            true => Some(entity::verdict(&self.ctx, apps, taken.entity).await?),
            false => None,
        };
        Ok(Done {
            module,
            external_id: found.external_id,
            taken,
            tested,
        })
    }
}

impl Done {
    fn show(&self, place: &str, out: &mut Out) -> Result<(), Failure> {
        let became = match self.taken.is_new {
            true => "made",
            false => "kept",
        };
        let fault = self.tested.as_ref().map(Option::as_ref);
        if out.is_json() {
            return out.json(&json!({
                "place": place,
                "module": self.module,
                "external_id": self.external_id,
                "entity": self.taken.entity.to_string(),
                "became": became,
                "left_out": self.taken.left_out,
                "works": fault.map(|fault| fault.is_none()),
                "fault": fault.flatten().map(Error::message),
            }));
        }
        let works = match fault {
            None => String::new(),
            Some(None) => "; it works".to_owned(),
            Some(Some(fault)) => format!("; it does not work: {}", fault.message()),
        };
        let left_out = match self.taken.left_out.as_slice() {
            [] => String::new(),
            some => format!("; not taken over: {}", some.join(", ")),
        };
        let text = format!(
            "{became}  {} {}  {}{works}{left_out}",
            self.module, self.external_id, self.taken.entity
        );
        out.line(plain(&text))
    }
}

fn refuse(place: &str, failure: &Failure, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        let error = json!({ "code": failure.code, "message": failure.message });
        return out.json(&json!({ "place": place, "error": error }));
    }
    eprintln!("gna: {}: {}", plain(place), plain(&failure.message));
    Ok(())
}
