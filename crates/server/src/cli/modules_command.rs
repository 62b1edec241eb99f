//! `gna modules`: the external apps that this installation can be connected with.

use clap::{Args, Subcommand};
use gna_domain::connect::Module;
use gna_domain::connect::module::AuthKind;
use gna_domain::service::connect::module::needs_registration;
use gna_integrations::modules::{Catalogue, Loaded, load_over, shipped_text};
use serde_json::json;
use std::path::PathBuf;

use super::output::plain;
use super::{Exit, Failure, Global, Out};
use crate::config::{Config, Overrides};
use crate::modules;

/// List, show and check modules: definitions of external apps
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna modules                          all that this installation knows
  gna modules show github              how GitHub is connected and what can be done with it
  gna modules check ./acme.toml        what is wrong with a file, with line, key and remedy
  gna modules list --json | jq -r '.modules[].name'")]
pub struct ModulesArgs {
    #[command(subcommand)]
    command: Option<ModulesCommand>,
}

#[derive(Debug, Subcommand)]
enum ModulesCommand {
    /// All modules, in the order of names
    List,
    /// One module
    Show {
        /// Its name, as `gna modules list` prints it
        name: String,
    },
    /// Read files without using them
    Check {
        /// Module files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// # Errors
/// Exit code 2 for a module that is wrong or not there, 3 for a file that can't be read.
pub fn run(args: &ModulesArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    if let Some(ModulesCommand::Check { files }) = &args.command {
        return check(files, out);
    }
    let config = global.load(Overrides::default())?;
    let catalogue = modules::catalogue(&config, &global.additions)
        .map_err(|error| Failure::usage("module.invalid", error))?;
    match &args.command {
        Some(ModulesCommand::Show { name }) => show(&config, &catalogue, name, out),
        _ => list(&config, &catalogue, out),
    }
}

fn list(config: &Config, catalogue: &Catalogue, out: &mut Out) -> Result<Exit, Failure> {
    if out.is_json() {
        let all = catalogue.all();
        let modules: Vec<_> = all.map(|loaded| summary(config, loaded)).collect();
        out.json(&json!({ "modules": modules }))?;
        return Ok(Exit::Done);
    }
    let width = catalogue
        .all()
        .map(|loaded| loaded.module.name.as_str().len())
        .max()
        .unwrap_or(0);
    for loaded in catalogue.all() {
        let module = &loaded.module;
        out.line(format_args!(
            "{:<width$}  {}",
            module.name,
            plain(&module.display.description)
        ))?;
    }
    Ok(Exit::Done)
}

/// Whether accounts can be connected, or the operator has to register the server first.
fn is_ready(config: &Config, module: &Module) -> bool {
    !needs_registration(module) || config.modules.clients.contains_key(module.name.as_str())
}

fn summary(config: &Config, loaded: &Loaded) -> serde_json::Value {
    let module = &loaded.module;
    json!({
        "ready": is_ready(config, module),
        "name": module.name,
        "label": module.display.label,
        "description": module.display.description,
        "category": module.display.category,
        "auth": module.auth.kind(),
        "operations": module.operations.keys().collect::<Vec<_>>(),
        "file": loaded.file,
        "shipped": loaded.shipped,
    })
}

fn show(
    config: &Config,
    catalogue: &Catalogue,
    name: &str,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let loaded = catalogue.by_name(name).ok_or_else(|| {
        Failure::usage(
            "module.not_found",
            format!(
                "there is no module {:?}; `gna modules list` names them",
                plain(name)
            ),
        )
    })?;
    let module = &loaded.module;
    let is_redirected = module.auth.kind() == AuthKind::Oauth2Code;
    let redirect =
        is_redirected.then(|| format!("{}/redirect/{}", config.public_url(), module.name));
    if out.is_json() {
        out.json(&json!({
            "module": module, "credential": module.credential_fields(), "form": module.form(0), "file": loaded.file,
            "ready": is_ready(config, module), "redirect_uri": redirect,
        }))?;
        return Ok(Exit::Done);
    }
    out.line(format_args!(
        "{}  {}",
        module.name,
        plain(&module.display.label)
    ))?;
    out.line(plain(&module.display.description))?;
    out.line(format_args!("signs in by   {}", module.auth.kind().name()))?;
    if needs_registration(module) {
        let says = if is_ready(config, module) {
            "yes".to_owned()
        } else {
            format!(
                "no; set modules.{0}.client_id and modules.{0}.client_secret",
                module.name
            )
        };
        out.line(format_args!("registered    {says}"))?;
    }
    if let Some(redirect) = redirect {
        out.line(format_args!("redirects to  {}", plain(&redirect)))?;
    }
    for (title, names) in [
        ("asks for", form_names(module)),
        ("stores", credential_names(module)),
    ] {
        out.line(format_args!(
            "{title:<13} {}",
            if names.is_empty() {
                "nothing".to_owned()
            } else {
                names.join(", ")
            }
        ))?;
    }
    out.line(format_args!(
        "webhooks      {}",
        if module.webhook.is_some() {
            "checked"
        } else {
            "none"
        }
    ))?;
    out.line(format_args!("defined in    {}", plain(&loaded.file)))?;
    for (name, operation) in &module.operations {
        let inputs: Vec<String> = operation
            .input
            .iter()
            .map(|(name, input)| format!("{name}{}", if input.optional { "?" } else { "" }))
            .collect();
        out.line(format_args!(
            "  {name}({})  {}",
            inputs.join(", "),
            plain(&operation.description)
        ))?;
    }
    Ok(Exit::Done)
}

fn form_names(module: &Module) -> Vec<String> {
    let steps = (0..module.auth.steps()).flat_map(|step| module.auth.fields(step));
    module
        .connection
        .iter()
        .chain(steps)
        .map(|field| field.name.clone())
        .collect()
}

fn credential_names(module: &Module) -> Vec<String> {
    let fields = module.credential_fields();
    fields
        .into_iter()
        .map(|field| {
            format!(
                "{}{}",
                field.name,
                if field.secret { " (encrypted)" } else { "" }
            )
        })
        .collect()
}

fn check(files: &[PathBuf], out: &mut Out) -> Result<Exit, Failure> {
    let mut worst = Exit::Done;
    let mut results = Vec::new();
    for path in files {
        let file = path.display().to_string();
        let (exit, result) = match std::fs::read_to_string(path) {
            Err(error) => (
                Exit::Unreadable,
                json!({"file": file, "ok": false, "message": format!("{file}: can't be read: {error}")}),
            ),
            Ok(text) => match load_over(&file, &text, shipped_text) {
                Ok(module) => (
                    Exit::Done,
                    json!({"file": file, "ok": true, "name": module.name}),
                ),
                Err(error) => (
                    Exit::Usage,
                    json!({"file": file, "ok": false, "line": error.line, "key": error.key, "message": error.to_string()}),
                ),
            },
        };
        if !out.is_json() {
            match result.get("message").and_then(|message| message.as_str()) {
                Some(message) => out.line(plain(message))?,
                None => out.line(format_args!("{}: good", plain(&file)))?,
            }
        }
        results.push(result);
        worst = worst.max(exit);
    }
    if out.is_json() {
        out.json(&json!({ "files": results }))?;
    }
    Ok(worst)
}
