//! The table as a document: `docs/ROLES.md` is this text, and a test compares the two.

use std::fmt::Write;

use super::{Action, Area, Role, allows};

/// Who may do what, as Markdown: one table per area, one row per action, one column per role.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(
        "# Roles\n\n\
         Made from the table in `crates/domain/src/policy/table.rs`; a test compares the two. After \
         a change there, `UPDATE_DOCS=1 cargo test -p gna-domain roles` writes it anew.\n\n\
         A role is held on the instance, on an organization, or on a group. An owner of an \
         organization acts in all of its groups without a role there; a member has no group until \
         they are given one. Nobody gives a role that allows more than they may do themselves, and \
         the last owner stays. API tokens are scoped by the names below: a token does what its \
         scopes AND its holder's role allow.\n",
    );
    for (area, title) in [
        (Area::Instance, "On the instance"),
        (Area::Organization, "On an organization"),
        (Area::Group, "On a group"),
    ] {
        push_area(&mut text, area, title);
    }
    text
}

fn push_area(text: &mut String, area: Area, title: &str) {
    let actions = || Action::ALL.iter().filter(|action| action.area() == area);
    let roles: Vec<Role> = Role::ALL
        .into_iter()
        .filter(|role| actions().any(|action| allows(*action, *role)))
        .collect();
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    let rule = vec!["---"; roles.len() + 1].join(" | ");
    // Writing to a string can't fail.
    let _ = write!(
        text,
        "\n## {title}\n\n| action | {} |\n| {rule} |\n",
        names.join(" | ")
    );
    for action in actions() {
        let cells: Vec<&str> = roles
            .iter()
            .map(|role| if allows(*action, *role) { "yes" } else { "-" })
            .collect();
        let _ = writeln!(text, "| `{}` | {} |", action.name(), cells.join(" | "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_document_on_roles_is_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ROLES.md");
        let made = document();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &made).expect("writes docs/ROLES.md");
        }
        let kept = std::fs::read_to_string(&path).expect("reads docs/ROLES.md");
        assert!(
            kept == made,
            "docs/ROLES.md is not the table: run UPDATE_DOCS=1 cargo test -p gna-domain roles"
        );
    }

    #[test]
    fn every_action_has_a_name_of_its_own_and_someone_who_may_do_it() {
        for (at, action) in Action::ALL.iter().enumerate() {
            assert!(
                Role::ALL.iter().any(|role| allows(*action, *role)),
                "{action:?}"
            );
            assert!(
                Action::ALL[..at]
                    .iter()
                    .all(|other| other.name() != action.name())
            );
        }
    }

    #[test]
    fn a_role_does_only_what_its_place_is_about() {
        for action in Action::ALL {
            for role in Role::ALL.into_iter().filter(|role| allows(*action, *role)) {
                let fits = match action.area() {
                    Area::Instance => role == Role::InstanceAdmin,
                    Area::Organization => Role::OF_ORGANIZATION.contains(&role),
                    Area::Group => role == Role::Owner || Role::OF_GROUP.contains(&role),
                };
                assert!(fits, "{role:?} does {}", action.name());
            }
        }
    }
}
