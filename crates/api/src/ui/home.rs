//! The home page: where one may go.

use askama::Template;
use axum::http::StatusCode;
use gna_domain::policy::Action;
use gna_domain::service::account::{self, MyOrganization};

use super::page::{Answer, Shell, render, require_person};
use crate::auth::PageAuth;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    shell: Shell,
    organizations: Vec<Organization>,
}

struct Organization {
    name: String,
    /// Empty for those who only have groups in it.
    role: &'static str,
    members: Option<String>,
    groups: Vec<Group>,
}

struct Group {
    name: String,
    role: &'static str,
    members: Option<String>,
}

pub async fn show(auth: PageAuth) -> Answer {
    require_person(&auth, "/")?;
    let me = account::me(&auth.caller.ctx).await?;
    let page = Home {
        shell: Shell::new("Home", &auth),
        organizations: me.organizations.into_iter().map(organization).collect(),
    };
    Ok(render(StatusCode::OK, &page))
}

fn organization(mine: MyOrganization) -> Organization {
    let slug = mine.organization.slug;
    let may = |names: &[&str], action: Action| names.contains(&action.name());
    let groups = mine.groups.iter().map(|group| Group {
        name: group.group.name.clone(),
        role: group.role.or(mine.role).map_or("", |role| role.as_str()),
        members: may(&group.permissions, Action::GroupMemberRead)
            .then(|| format!("/organizations/{slug}/groups/{}/members", group.group.slug)),
    });
    Organization {
        name: mine.organization.name.clone(),
        role: mine.role.map_or("", |role| role.as_str()),
        members: may(&mine.permissions, Action::MemberRead)
            .then(|| format!("/organizations/{slug}/members")),
        groups: groups.collect(),
    }
}
