//! Who may give which role to whom, and why the last owner stays.
//!
//! Pure: values in, a decision out. The table of actions itself is in [`crate::policy`]; what is
//! loaded and committed around these decisions is in [`crate::service::member`].

use uuid::Uuid;

use crate::ctx::{Grants, Resource};
use crate::error::{Error, Result};
use crate::id::{GroupId, TypedId, UserId};
use crate::model::{Email, Invitation, OwnerRoll, User};
use crate::policy::{Action, Area, Role, allows};
use crate::time::Timestamp;

/// The action that manages memberships of a resource.
#[must_use]
pub fn managing(resource: Resource) -> Action {
    match resource {
        Resource::Instance => Action::UserManage,
        Resource::Organization(_) => Action::MemberManage,
        Resource::Group(..) => Action::GroupMemberManage,
    }
}

/// Whether a role can be held there at all.
///
/// # Errors
/// `role.misplaced`.
pub fn fits(resource: Resource, role: Role) -> Result<()> {
    let (roles, place): (&[Role], _) = match resource {
        Resource::Instance => (&[Role::InstanceAdmin], "the instance"),
        Resource::Organization(_) => (&Role::OF_ORGANIZATION, "an organization"),
        Resource::Group(..) => (&Role::OF_GROUP, "a group"),
    };
    if roles.contains(&role) {
        return Ok(());
    }
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    Err(Error::invalid(
        "role.misplaced",
        format!(
            "{} can't be held on {place}; its roles are {}",
            role.as_str(),
            names.join(", ")
        ),
    )
    .on_field("role"))
}

/// Nobody grants above their own reach: whatever the role would allow there, the granting side can
/// do itself, token scopes included.
#[must_use]
pub fn reaches(grants: &Grants, resource: Resource, role: Role) -> bool {
    let allowed = |area: Area, on: Resource| {
        Action::ALL
            .iter()
            .filter(|action| action.area() == area && allows(**action, role))
            .all(|action| grants.can(*action, on))
    };
    match resource {
        Resource::Instance => allowed(Area::Instance, resource),
        Resource::Organization(organization) => {
            // An owner acts in every group, also in those where the granting side has no role.
            let any_group = Resource::Group(organization, GroupId::from_uuid(Uuid::nil()));
            allowed(Area::Organization, resource) && allowed(Area::Group, any_group)
        }
        Resource::Group(..) => allowed(Area::Group, resource),
    }
}

/// # Errors
/// `role.misplaced`, or `role.above_own` where the role allows more than the granting side may do.
pub fn may_grant(grants: &Grants, resource: Resource, role: Role) -> Result<()> {
    fits(resource, role)?;
    if reaches(grants, resource, role) {
        Ok(())
    } else {
        Err(Error::forbidden(
            "role.above_own",
            format!(
                "{} allows more than you may do here yourself",
                role.as_str()
            ),
        ))
    }
}

/// Roles of which there must always be someone.
#[must_use]
pub fn is_guarded(role: Role) -> bool {
    matches!(role, Role::Owner | Role::InstanceAdmin)
}

/// The roll after a person's role became `next` (None: gone, or the account is locked); `None` when
/// the roll stays as it is.
///
/// # Errors
/// `member.last_owner` when no one would be left who can act.
pub fn roll_after(roll: &OwnerRoll, user: UserId, next: Option<Role>) -> Result<Option<OwnerRoll>> {
    let holds = next.is_some_and(is_guarded);
    if roll.users.contains(&user) == holds {
        return Ok(None);
    }
    let mut next = roll.clone();
    if holds {
        next.users.insert(user);
    } else {
        next.users.remove(&user);
        if next.users.is_empty() {
            return Err(Error::conflict(
                "member.last_owner",
                "this is the last one who can act as owner or administrator there; give the role \
                 to someone else first",
            ));
        }
    }
    Ok(Some(next))
}

/// The wider of two roles of one place. Roles are declared from the widest to the narrowest.
#[must_use]
pub fn wider(a: Role, b: Role) -> Role {
    a.min(b)
}

/// Whether this person may accept an invitation.
///
/// # Errors
/// `invitation.not_found` once it has expired, `invitation.other_address` when it is for someone else.
pub fn may_accept(invitation: &Invitation, email: &Email, now: Timestamp) -> Result<()> {
    if now >= invitation.expires {
        return Err(no_invitation());
    }
    match &invitation.email {
        Some(wanted) if wanted != email => Err(Error::forbidden(
            "invitation.other_address",
            "this invitation is for another e-mail address; sign in with that account",
        )),
        _ => Ok(()),
    }
}

/// The one answer for an invitation that never was, was used, was withdrawn or has expired.
#[must_use]
pub fn no_invitation() -> Error {
    Error::not_found(
        "invitation.not_found",
        "this invitation has been used or withdrawn, or has expired; ask for a new one",
    )
}

/// # Errors
/// `user.disabled`.
pub fn enabled(user: &User) -> Result<()> {
    if user.is_disabled() {
        Err(Error::conflict(
            "user.disabled",
            "this account is disabled; enable it first",
        ))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::OrganizationId;
    use crate::model::Scope;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn organization() -> OrganizationId {
        OrganizationId::from_uuid(Uuid::from_u128(1))
    }

    fn group() -> GroupId {
        GroupId::from_uuid(Uuid::from_u128(2))
    }

    fn user(number: u8) -> UserId {
        UserId::from_uuid(Uuid::from_u128(u128::from(number)))
    }

    fn holding(role: Role) -> Grants {
        let mut grants = Grants::default();
        match role {
            Role::InstanceAdmin => grants.instance_admin = true,
            Role::Owner | Role::Member => {
                grants.organizations.insert(organization(), role);
            }
            _ => {
                grants.groups.insert(group(), (organization(), role));
            }
        }
        grants
    }

    #[test]
    fn nobody_grants_above_their_own_reach() {
        let org = Resource::Organization(organization());
        let grp = Resource::Group(organization(), group());
        for (giver, place, role, may) in [
            (
                Role::InstanceAdmin,
                Resource::Instance,
                Role::InstanceAdmin,
                true,
            ),
            (Role::InstanceAdmin, org, Role::Owner, false),
            (Role::InstanceAdmin, grp, Role::Reader, false),
            (Role::Owner, org, Role::Owner, true),
            (Role::Owner, org, Role::Member, true),
            (Role::Owner, grp, Role::Manager, true),
            (Role::Owner, Resource::Instance, Role::InstanceAdmin, false),
            (Role::Member, org, Role::Owner, false),
            (Role::Manager, grp, Role::Manager, true),
            (Role::Manager, grp, Role::Ci, true),
            (Role::Manager, org, Role::Member, false),
            (Role::Triager, grp, Role::Manager, false),
            // Reach alone: that managing members needs an action of its own is the policy's part.
            (Role::Triager, grp, Role::Developer, true),
            (Role::Developer, grp, Role::Triager, false),
            (Role::Reader, grp, Role::Ci, false),
            // Roles that have no place there.
            (Role::Owner, org, Role::Reader, false),
            (Role::Owner, grp, Role::Owner, false),
            (Role::InstanceAdmin, Resource::Instance, Role::Owner, false),
        ] {
            assert_eq!(
                may_grant(&holding(giver), place, role).is_ok(),
                may,
                "{giver:?} gives {role:?} on {place:?}"
            );
        }
        assert!(may_grant(&Grants::unlimited(), org, Role::Owner).is_ok());
    }

    #[test]
    fn a_narrow_token_of_an_owner_makes_no_owner() {
        let mut grants = holding(Role::Owner);
        grants.scopes = Some(vec!["member.manage".to_owned(), "member.read".to_owned()]);
        let org = Resource::Organization(organization());
        assert!(grants.can(Action::MemberManage, org));
        let refused = may_grant(&grants, org, Role::Owner).expect_err("above reach");
        assert_eq!(refused.code(), "role.above_own");
    }

    #[test]
    fn an_invitation_for_one_address_is_not_for_another() {
        let at = Timestamp::from_millis;
        let email = |text| Email::new(text).expect("an address");
        let mut invitation = Invitation {
            id: crate::id::InvitationId::from_uuid(Uuid::nil()),
            digest: String::new(),
            scope: Scope::Organization(organization()),
            organization: organization(),
            role: Role::Member,
            email: Some(email("ada@example.com")),
            inviter: None,
            by: String::new(),
            created: at(0),
            expires: at(10),
        };
        assert!(may_accept(&invitation, &email("ADA@example.com"), at(9)).is_ok());
        for (who, now, code) in [
            ("ada@example.com", 10, "invitation.not_found"),
            ("eve@example.com", 9, "invitation.other_address"),
        ] {
            let refused = may_accept(&invitation, &email(who), at(now)).expect_err("refused");
            assert_eq!(refused.code(), code);
        }
        invitation.email = None;
        assert!(may_accept(&invitation, &email("eve@example.com"), at(9)).is_ok());
    }

    proptest! {
        /// Whatever is granted, changed and removed in whatever order: once there is an owner,
        /// there always is one, and the roll names exactly the owners.
        #[test]
        fn there_is_always_an_owner(steps in prop::collection::vec((0u8..5, 0u8..3), 1..60)) {
            let scope = Scope::Organization(organization());
            let mut roles = BTreeMap::from([(user(0), Role::Owner)]);
            let mut roll = OwnerRoll { scope, users: [user(0)].into() };
            for (who, step) in steps {
                let next = [Some(Role::Owner), Some(Role::Member), None][usize::from(step)];
                match roll_after(&roll, user(who), next) {
                    Err(refused) => {
                        prop_assert_eq!(refused.code(), "member.last_owner");
                        continue;
                    }
                    Ok(Some(changed)) => roll = changed,
                    Ok(None) => {}
                }
                match next {
                    Some(role) => roles.insert(user(who), role),
                    None => roles.remove(&user(who)),
                };
                let owners: std::collections::BTreeSet<UserId> = roles
                    .iter()
                    .filter(|(_, role)| **role == Role::Owner)
                    .map(|(user, _)| *user)
                    .collect();
                prop_assert!(!owners.is_empty());
                prop_assert_eq!(&owners, &roll.users);
            }
        }
    }
}
