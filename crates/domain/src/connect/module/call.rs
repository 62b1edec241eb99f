//! Calls of an app as templates, and how a request is made of one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::auth::{Auth, UserPassword};
use super::definition::{Module, Transport};
use crate::connect::request::{Body, Method, Request, mail_server, origin, with_query};
use crate::connect::template::{Template, Tree, Unfilled};
use crate::connect::values::Values;
use crate::error::{Error, Result};

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Call {
    #[serde(default)]
    pub method: Method,
    /// Name of an address in `[urls]`.
    #[serde(default = "api")]
    pub base: String,
    /// After the base; values are encoded.
    #[serde(default)]
    pub path: Option<Template>,
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    /// Over those of `[request]`.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    #[serde(default)]
    pub body: Option<BodyTemplate>,
    /// The credential is not sent, as for calls that are made before there is one.
    #[serde(default)]
    pub open: bool,
}

fn api() -> String {
    "api".to_owned()
}

/// What is sent with a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BodyTemplate {
    /// JSON whose texts are templates; members whose only value is absent are left out.
    Json(Tree),
    Form(BTreeMap<String, Template>),
    Graphql(GraphQl),
    Text(Template),
}

/// A GraphQL request over HTTP. The query is sent as it stands: its braces are no placeholders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphQl {
    pub query: String,
    #[serde(default)]
    pub variables: Option<Tree>,
}

impl Module {
    /// The request of a call. `what` names it in logs.
    ///
    /// # Errors
    /// `module.input` with the name of the value that is missing or does not fit, never the value.
    pub fn request(&self, what: &str, call: &Call, values: &Values) -> Result<Request> {
        let unfilled = |error: Unfilled| refused(&format!("{}.{what}", self.name), &error);
        let Some(base) = self.urls.get(&call.base) else {
            return Err(Error::invalid(
                "module.input",
                format!("{}: there is no address {:?}", self.name, call.base),
            ));
        };
        let mut url = base.base(values).map_err(unfilled)?;
        if let Some(path) = &call.path {
            url.push_str(&path.path(values).map_err(unfilled)?);
        }
        let leads_somewhere = match self.transport {
            Transport::Http => origin(&url).is_some(),
            Transport::Smtp => mail_server(&url).is_some(),
        };
        if !leads_somewhere {
            return Err(Error::invalid(
                "module.input",
                format!(
                    "{}.{what}: the address of {:?} is not one of a server",
                    self.name, call.base
                ),
            ));
        }
        let mut pairs = filled(&self.request.query, values).map_err(unfilled)?;
        let own = filled(&call.query, values).map_err(unfilled)?;
        pairs.retain(|(name, _)| !own.iter().any(|(other, _)| other == name));
        pairs.extend(own);
        let mut headers = filled(&self.request.headers, values).map_err(unfilled)?;
        replace(
            &mut headers,
            filled(&call.headers, values).map_err(unfilled)?,
        );
        if !call.open {
            let (more, query) = self.credentials(values).map_err(unfilled)?;
            replace(&mut headers, more);
            pairs.extend(query);
        }
        let body = match &call.body {
            None => Body::None,
            Some(body) => body.fill(values).map_err(unfilled)?,
        };
        if let Some(kind) = body.content_type()
            && !headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            headers.push(("Content-Type".to_owned(), kind.to_owned()));
        }
        if let Some((name, _)) = headers
            .iter()
            .find(|(_, value)| value.chars().any(char::is_control))
        {
            return Err(Error::invalid(
                "module.input",
                format!(
                    "{}.{what}: the header {name} would hold a control character",
                    self.name
                ),
            ));
        }
        Ok(Request {
            label: format!("{}.{what}", self.name),
            method: call.method,
            url: with_query(&url, &pairs),
            headers,
            body,
        })
    }

    /// Headers and query that let a request in.
    fn credentials(&self, values: &Values) -> Result<(Pairs, Pairs), Unfilled> {
        let send = self.auth.send();
        if let Some(send) = send.filter(|send| !send.is_empty()) {
            let mut headers = filled(&send.headers, values)?;
            if let Some(pair) = &send.basic {
                headers.push(basic(pair, values)?);
            }
            return Ok((headers, filled(&send.query, values)?));
        }
        let headers = match &self.auth {
            // A key that is sent nowhere is part of the address.
            Auth::None(_) | Auth::ApiKey(_) => Vec::new(),
            Auth::Basic(kind) => {
                let pair = UserPassword {
                    username: kind.username.clone(),
                    password: kind.password.clone(),
                };
                vec![basic(&pair, values)?]
            }
            _ => {
                let token = values
                    .text("credential", "access_token")
                    .or_else(|| values.text("jwt", "token"));
                let Some(token) = token else {
                    return Err(Unfilled {
                        slot: "credential.access_token".to_owned(),
                        why: "it is missing".to_owned(),
                    });
                };
                vec![("Authorization".to_owned(), format!("Bearer {token}"))]
            }
        };
        Ok((headers, Vec::new()))
    }
}

type Pairs = Vec<(String, String)>;

impl BodyTemplate {
    fn fill(&self, values: &Values) -> Result<Body, Unfilled> {
        Ok(match self {
            Self::Json(tree) => Body::Json(tree.value(values)?.unwrap_or_else(|| json!({}))),
            Self::Form(pairs) => Body::Form(filled(pairs, values)?),
            Self::Text(text) => Body::Text(text.text(values)?),
            Self::Graphql(graphql) => {
                let variables = graphql
                    .variables
                    .as_ref()
                    .map(|tree| tree.value(values))
                    .transpose()?
                    .flatten();
                let mut body = json!({"query": graphql.query});
                if let (Some(variables), Value::Object(body)) = (variables, &mut body) {
                    body.insert("variables".to_owned(), variables);
                }
                Body::Json(body)
            }
        })
    }
}

/// Templates of a query, of headers or of a form; absent optional ones are left out.
pub(crate) fn filled(
    templates: &BTreeMap<String, Template>,
    values: &Values,
) -> Result<Pairs, Unfilled> {
    let mut pairs = Vec::with_capacity(templates.len());
    for (name, template) in templates {
        if let Some(text) = template.optional_text(values)? {
            pairs.push((name.clone(), text));
        }
    }
    Ok(pairs)
}

fn replace(headers: &mut Pairs, over: Pairs) {
    headers.retain(|(name, _)| {
        !over
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
    });
    headers.extend(over);
}

fn basic(pair: &UserPassword, values: &Values) -> Result<(String, String), Unfilled> {
    let text = format!(
        "{}:{}",
        pair.username.text(values)?,
        pair.password.text(values)?
    );
    Ok((
        "Authorization".to_owned(),
        format!("Basic {}", STANDARD.encode(text)),
    ))
}

pub(crate) fn refused(what: &str, error: &Unfilled) -> Error {
    let field = error
        .slot
        .strip_prefix("input.")
        .unwrap_or(&error.slot)
        .to_owned();
    Error::invalid("module.input", format!("{what}: {error}")).on_field(field)
}
