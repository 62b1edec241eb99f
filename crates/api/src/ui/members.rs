//! Members of an organization or a group: list, invite, change role, remove, reset link.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use gna_domain::error::{Error, Result};
use gna_domain::model::{Email, Scope};
use gna_domain::page::{Cursor, PageRequest};
use gna_domain::policy::Action;
use gna_domain::rules::access::managing;
use gna_domain::service::member::{self, Place};
use gna_domain::service::{account, invitation, user};
use gna_domain::{Ctx, Resource};
use serde::Deserialize;

use super::account::unknown_form;
use super::form::Submitted;
use super::members_view::{MembersPage, Paths};
use super::page::{Answer, Notice, Shell, mendable, render, require_person, see, status_of};
use crate::auth::PageAuth;
use crate::state::AppState;

/// Rows of a page.
const ROWS: usize = 100;

/// Which place a path names.
#[derive(Deserialize)]
pub struct Where {
    organization: String,
    #[serde(default)]
    group: Option<String>,
}

#[derive(Deserialize)]
pub struct Wish {
    #[serde(default)]
    done: String,
    #[serde(default)]
    after: Option<String>,
}

pub async fn show(auth: PageAuth, Path(place): Path<Where>, Query(wish): Query<Wish>) -> Answer {
    let notice = match wish.done.as_str() {
        "role" => Some(Notice::good("The role is changed.")),
        "remove" => Some(Notice::good("The member is removed.")),
        "revoke" => Some(Notice::good("The invitation is withdrawn.")),
        _ => None,
    };
    let after = wish.after.filter(|after| !after.is_empty()).map(Cursor);
    page(&auth, &place, after, notice, None).await
}

fn paths(place: &Where) -> Paths {
    Paths::new(&place.organization, place.group.as_deref())
}

async fn page(
    auth: &PageAuth,
    place: &Where,
    after: Option<Cursor>,
    notice: Option<Notice>,
    error: Option<&Error>,
) -> Answer {
    let paths = paths(place);
    require_person(auth, &paths.members)?;
    let ctx = &auth.caller.ctx;
    let found = member::place(ctx, &place.organization, place.group.as_deref()).await?;
    let response = view(auth, ctx, found, paths, after, notice).await?;
    Ok(render(status_of(error), &response))
}

async fn view(
    auth: &PageAuth,
    ctx: &Ctx,
    place: Place,
    paths: Paths,
    after: Option<Cursor>,
    notice: Option<Notice>,
) -> Result<MembersPage> {
    let resource = place.resource();
    let scope = Scope::from(resource);
    let request = PageRequest { first: ROWS, after };
    let members = member::list(ctx, scope, request).await?;
    let manages = ctx.can(managing(resource), resource);
    let invitations = if manages {
        invitation::list(ctx, scope, PageRequest::first(ROWS))
            .await?
            .items
    } else {
        Vec::new()
    };
    let groups = account::me(ctx).await?.organizations.into_iter();
    let groups = groups
        .filter(|mine| mine.organization.id == place.organization.id && place.group.is_none())
        .flat_map(|mine| mine.groups)
        .filter(|group| group.permissions.contains(&Action::GroupMemberRead.name()))
        .map(|group| group.group)
        .collect();
    let title = place
        .group
        .as_ref()
        .map_or(&place.organization.name, |group| &group.name);
    let page = MembersPage {
        shell: Shell::new(format!("Members of {title}"), auth),
        notice,
        organization: place.organization.name.clone(),
        is_group: place.group.is_some(),
        manages,
        resets: ctx.can(Action::UserManage, Resource::Instance),
        rows: Vec::new(),
        invitations: Vec::new(),
        groups: Vec::new(),
        roles: Vec::new(),
        next: members.next.as_ref().map(|cursor| cursor.0.clone()),
        paths,
    };
    Ok(page.filled(ctx, resource, members.items, invitations, groups))
}

/// `/organizations/acme/members/role` and the like.
#[derive(Deserialize)]
pub struct Doing {
    organization: String,
    #[serde(default)]
    group: Option<String>,
    action: String,
}

/// What the forms of the page do; nothing else is done.
pub const ACTIONS: [&str; 5] = ["invite", "role", "remove", "revoke", "reset"];

pub async fn submit(
    State(state): State<AppState>,
    Path(doing): Path<Doing>,
    sent: Submitted,
) -> Answer {
    let place = Where {
        organization: doing.organization,
        group: doing.group,
    };
    let paths = paths(&place);
    require_person(&sent.auth, &paths.members)?;
    let ctx = sent.ctx();
    let found = member::place(ctx, &place.organization, place.group.as_deref()).await?;
    let scope = Scope::from(found.resource());
    let done = match doing.action.as_str() {
        unknown if !ACTIONS.contains(&unknown) => return Err(unknown_form()),
        "invite" => invite(&state, &sent, scope).await.map(Some),
        "role" => set_role(&sent, scope).await.map(|()| None),
        "remove" => remove(&sent, scope).await.map(|()| None),
        "revoke" => revoke(&sent).await.map(|()| None),
        "reset" => reset(&state, &sent).await.map(Some),
        _ => return Err(unknown_form()),
    };
    match done {
        Ok(None) => Ok(after(
            &sent,
            &format!("{}?done={}", paths.members, doing.action),
        )),
        Ok(Some(notice)) => page(&sent.auth, &place, None, Some(notice), None).await,
        Err(error) => {
            let error = mendable(error)?;
            page(
                &sent.auth,
                &place,
                None,
                Some(Notice::bad(&error)),
                Some(&error),
            )
            .await
        }
    }
}

/// Back to the list; who has just left can't see it any more.
fn after(sent: &Submitted, members: &str) -> Response {
    let me = sent.ctx().actor.user().map(|user| user.to_string());
    let left = members.ends_with("done=remove") && me.as_deref() == Some(sent.fields.text("user"));
    see(if left { "/" } else { members })
}

async fn invite(state: &AppState, sent: &Submitted, scope: Scope) -> Result<Notice> {
    let email = sent.fields.given("email").map(Email::new).transpose()?;
    let role = sent.fields.parse("role")?;
    let (secret, made) = invitation::create(sent.ctx(), scope, role, email).await?;
    let whom = made
        .email
        .map_or_else(|| "whoever has it".to_owned(), |email| email.to_string());
    Ok(Notice::secret(
        format!("Send this link to {whom}. It works once, for 7 days, and is not shown again."),
        state
            .config
            .link(&format!("/invitations/{}", secret.expose())),
    ))
}

async fn set_role(sent: &Submitted, scope: Scope) -> Result<()> {
    let (user, role) = (sent.fields.parse("user")?, sent.fields.parse("role")?);
    member::set_role(sent.ctx(), scope, user, role)
        .await
        .map(|_| ())
}

async fn remove(sent: &Submitted, scope: Scope) -> Result<()> {
    member::remove(sent.ctx(), scope, sent.fields.parse("user")?).await
}

async fn revoke(sent: &Submitted) -> Result<()> {
    invitation::revoke(sent.ctx(), sent.fields.parse("invitation")?).await
}

/// A link to set a new password; shown by the members' and the users' page.
pub async fn reset(state: &AppState, sent: &Submitted) -> Result<Notice> {
    let id = sent.fields.parse("user")?;
    let secret = user::reset_link(sent.ctx(), id).await?;
    let user = user::get(sent.ctx(), id).await?;
    Ok(Notice::secret(
        format!(
            "Send this link to {}. It sets a new password, works once, for 24 hours, and is not \
             shown again.",
            user.email
        ),
        state.config.link(&format!("/reset/{}", secret.expose())),
    ))
}
