//! `gna serve --demo`: an organization with reports of our own making, and a way in.

use gna_domain::Ctx;
use gna_domain::error::{Error, Kind};
use gna_domain::model::{AssetKind, Origin, ReportStatus};
use gna_domain::secret::Secret;
use gna_domain::service::bootstrap::{self, Claim};
use gna_domain::service::report::{self, UploadReport};
use gna_domain::service::token::{self, NewToken};
use gna_domain::service::user::{self, NewPerson};
use gna_domain::service::{group, member};
use serde_json::json;
use std::time::Duration;

use super::token::expand;
use super::{Failure, Out};
use crate::app;
use crate::wiring::Instance;

/// The demo's administrator.
const EMAIL: &str = "demo@gna.example";
const ORGANIZATION: &str = "demo";
const GROUP: &str = "shop";

/// What the printed command asks.
const QUERY: &str = "{ group(organization: \"demo\", slug: \"shop\") { vulnerabilities(first: 5) { totalCount { value } edges { node { state finding { title } asset { name } } } } } }";

/// How long to wait for one sample to be imported.
const PATIENCE: Duration = Duration::from_secs(60);

/// Days that the printed token holds.
const TOKEN_DAYS: i64 = 7;

/// A sample report, written by us about a shop that does not exist.
struct Sample {
    file: &'static str,
    asset: &'static str,
    kind: AssetKind,
    bytes: &'static [u8],
}

macro_rules! sample {
    ($file:literal, $asset:literal, $kind:ident) => {
        Sample {
            file: $file,
            asset: $asset,
            kind: AssetKind::$kind,
            bytes: include_bytes!(concat!("../../demo/", $file)),
        }
    };
}

const SAMPLES: &[Sample] = &[
    sample!("semgrep.json", "shop-api", Repository),
    sample!("trivy.json", "shop-api-image", Image),
    sample!("code.sarif", "shop-web", Repository),
    sample!("gitleaks.json", "shop-web", Repository),
];

/// What is printed for people and programs.
pub(super) struct Ready {
    url: String,
    email: &'static str,
    /// Known only where the demo was just made.
    password: Option<Secret>,
    sign_in_link: String,
    token: Secret,
}

/// Makes the demo where it is not there yet; answers how to get in.
///
/// # Errors
/// A store that belongs to someone else, or the store's own.
pub(super) async fn prepare(instance: &Instance, url: &str) -> Result<Ready, Failure> {
    let operator = instance.operator();
    let (password, sign_in_link) = match bootstrap::claim_link(&operator).await? {
        Some(link) => {
            let password = random(&operator);
            claim(&operator, &link, password.clone()).await?;
            (Some(password), format!("{url}/sign-in"))
        }
        None => {
            let person = find_demo(&operator).await?;
            let link = user::reset_link(&operator, person.id).await?;
            (None, app::password_link(url, &link))
        }
    };
    let owner = user::find(&operator, EMAIL).await?;
    fill(&operator).await?;
    let input = NewToken {
        name: "demo".to_owned(),
        scopes: expand(&[]),
        expires: operator.now().plus_days(TOKEN_DAYS),
    };
    let (token, _) = token::create_for(&operator, owner.id, input).await?;
    Ok(Ready {
        url: url.to_owned(),
        email: EMAIL,
        password,
        sign_in_link,
        token,
    })
}

async fn find_demo(operator: &Ctx) -> Result<gna_domain::model::User, Failure> {
    user::find(operator, EMAIL).await.map_err(|error| match error.kind() {
        Kind::NotFound => Failure::usage(
            "demo.not_empty",
            "this store holds something else than the demo; start without --demo, or with other --data",
        ),
        _ => Failure::from(error),
    })
}

fn random(ctx: &Ctx) -> Secret {
    let bytes = ctx.ports.ids.random();
    let text: String = bytes
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Secret::new(text)
}

async fn claim(operator: &Ctx, link: &Secret, password: Secret) -> Result<(), Failure> {
    let claim = Claim {
        person: NewPerson {
            email: EMAIL.to_owned(),
            name: "Demo Admin".to_owned(),
            password,
        },
        organization: Some("Demo".to_owned()),
        origin: Origin::default(),
    };
    bootstrap::claim(operator, link, claim).await?;
    Ok(())
}

/// The group and what is found in it; once.
async fn fill(operator: &Ctx) -> Result<(), Failure> {
    let place = member::place(operator, ORGANIZATION, None).await?;
    let organization = place.organization.id;
    if group::of_slug(operator, organization, GROUP).await.is_ok() {
        return Ok(());
    }
    let about = "A shop that does not exist, with weaknesses that do";
    let group = group::create(operator, organization, GROUP, "Shop", about).await?;
    for sample in SAMPLES {
        let upload = UploadReport {
            asset: sample.asset.to_owned(),
            asset_kind: Some(sample.kind),
            file_name: sample.file.to_owned(),
            ..UploadReport::default()
        };
        let queued = report::upload(
            operator,
            group.id,
            upload,
            bytes::Bytes::from_static(sample.bytes),
        )
        .await?;
        let report = report::wait(operator, queued.id, PATIENCE).await?;
        if report.status != ReportStatus::Complete {
            let why = report
                .refusal
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            return Err(Error::internal(
                "demo.sample",
                format!("the sample {} could not be imported: {why}", sample.file),
            )
            .into());
        }
    }
    Ok(())
}

/// Prints the way in; in JSON as one line, the first.
///
/// # Errors
/// Standard output is closed.
pub(super) fn tell(ready: &Ready, out: &mut Out) -> Result<(), Failure> {
    let token = ready.token.expose();
    let password = ready.password.as_ref().map(Secret::expose);
    let query = json!({ "query": QUERY });
    let curl = format!(
        "curl -s {}/api -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{query}'",
        ready.url
    );
    if out.is_json() {
        return out.json(&json!({
            "url": ready.url,
            "token": token,
            "sign_in_link": ready.sign_in_link,
            "email": ready.email,
            "password": password,
            "organization": ORGANIZATION,
            "group": GROUP,
            "curl": curl,
        }));
    }
    out.line(format_args!("Gna answers at {}", ready.url))?;
    match password {
        Some(password) => out.line(format_args!(
            "Sign in:   {}\n           as {} with password {password}",
            ready.sign_in_link, ready.email
        ))?,
        None => out.line(format_args!(
            "Sign in:   as {}; set a new password here: {}",
            ready.email, ready.sign_in_link
        ))?,
    }
    out.line(format_args!("Ask it:    {curl}"))?;
    out.line("Stop it:   Ctrl-C")?;
    out.flush()
}
