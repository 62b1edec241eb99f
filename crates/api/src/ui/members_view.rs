//! What the members' page shows, made of what services answered.

use askama::Template;
use gna_domain::ctx::{Ctx, Resource};
use gna_domain::model::{Group, Invitation};
use gna_domain::policy::Role;
use gna_domain::rules::access::may_grant;
use gna_domain::service::member::Member;

use super::page::{Notice, Shell, minute};

/// Where the page is and what is around it.
pub struct Paths {
    pub organization: String,
    /// The page itself.
    pub members: String,
}

impl Paths {
    pub fn new(organization: &str, group: Option<&str>) -> Self {
        let organization = format!("/organizations/{organization}");
        let members = match group {
            Some(group) => format!("{organization}/groups/{group}/members"),
            None => format!("{organization}/members"),
        };
        Self {
            organization: format!("{organization}/members"),
            members,
        }
    }

    fn of_group(&self, group: &Group) -> String {
        let organization = self.organization.trim_end_matches("/members");
        format!("{organization}/groups/{}/members", group.slug)
    }
}

#[derive(Template)]
#[template(path = "members.html")]
pub struct MembersPage {
    pub shell: Shell,
    pub notice: Option<Notice>,
    pub organization: String,
    pub is_group: bool,
    pub manages: bool,
    pub resets: bool,
    pub rows: Vec<Row>,
    pub invitations: Vec<InvitationRow>,
    pub groups: Vec<GroupLink>,
    /// Roles that the viewer may give here.
    pub roles: Vec<&'static str>,
    pub next: Option<String>,
    pub paths: Paths,
}

pub struct Row {
    pub user: String,
    pub name: String,
    pub email: String,
    pub role: &'static str,
    pub disabled: bool,
    pub me: bool,
}

pub struct InvitationRow {
    pub id: String,
    pub email: String,
    pub role: &'static str,
    pub expires: String,
}

pub struct GroupLink {
    pub name: String,
    pub path: String,
}

impl MembersPage {
    pub fn filled(
        self,
        ctx: &Ctx,
        resource: Resource,
        members: Vec<Member>,
        invitations: Vec<Invitation>,
        groups: Vec<Group>,
    ) -> Self {
        let me = ctx.actor.user();
        let rows = members.into_iter().map(|member| Row {
            me: Some(member.user.id) == me,
            user: member.user.id.to_string(),
            disabled: member.user.is_disabled(),
            name: member.user.name,
            email: member.user.email.to_string(),
            role: member.membership.role.as_str(),
        });
        let invitations = invitations.into_iter().map(|invitation| InvitationRow {
            id: invitation.id.to_string(),
            email: invitation.email.map_or_else(
                || "whoever has the link".to_owned(),
                |email| email.to_string(),
            ),
            role: invitation.role.as_str(),
            expires: minute(invitation.expires),
        });
        let groups = groups.into_iter().map(|group| GroupLink {
            path: self.paths.of_group(&group),
            name: group.name,
        });
        let roles = Role::ALL
            .into_iter()
            .filter(|role| may_grant(&ctx.grants, resource, *role).is_ok());
        Self {
            rows: rows.collect(),
            invitations: invitations.collect(),
            groups: groups.collect(),
            roles: roles.map(Role::as_str).collect(),
            ..self
        }
    }
}
