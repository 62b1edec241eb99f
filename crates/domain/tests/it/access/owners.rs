//! The last owner stays, whatever happens at once.

use super::*;

#[tokio::test]
async fn of_two_owners_who_remove_each_other_at_once_one_stays() {
    for stores in Stores::ALL {
        let start = start_on(stores).await;
        let bob = start.join("bob", start.acme(), Role::Owner).await;
        let (ada, bobs) = (start.ada().await, start.ctx(&bob).await);
        let (first, second) = tokio::join!(
            member::remove(&ada, start.acme(), bob.user.id),
            member::remove(&bobs, start.acme(), ada_id(&start)),
        );
        assert!(
            first.is_ok() != second.is_ok(),
            "{stores:?}: {first:?} {second:?}"
        );
        let owners = member::owners(&start.world.system(), start.acme())
            .await
            .expect("reads");
        assert_eq!(owners.users.len(), 1);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(usize, Role),
    Remove(usize),
    Disable(usize),
    Enable(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..3usize;
    prop_oneof![
        (who.clone(), any::<bool>()).prop_map(|(who, owner)| Step::Set(
            who,
            if owner { Role::Owner } else { Role::Member }
        )),
        who.clone().prop_map(Step::Remove),
        who.clone().prop_map(Step::Disable),
        who.prop_map(Step::Enable),
    ]
}

async fn apply(ctx: &Ctx, scope: Scope, people: &[UserId], step: &Step) -> Result<()> {
    match step {
        Step::Set(who, role) => member::set_role(ctx, scope, people[*who], *role)
            .await
            .map(|_| ()),
        Step::Remove(who) => member::remove(ctx, scope, people[*who]).await,
        Step::Disable(who) => user::disable(ctx, people[*who]).await.map(|_| ()),
        Step::Enable(who) => user::enable(ctx, people[*who]).await.map(|_| ()),
    }
}

/// Those who hold the owner's role and can sign in, by reading every membership.
async fn acting_owners(
    world: &World,
    organization: OrganizationId,
    people: &[UserId],
) -> Vec<UserId> {
    let store = world.ports.store.as_ref();
    let mut owners = Vec::new();
    for id in people {
        let user = repo::require::<User>(store, *id).await.expect("is there");
        let held =
            repo::all_children::<gna_domain::model::Membership>(store, &id.to_string()).await;
        let owns = held.expect("reads").iter().any(|held| {
            held.scope == Scope::Organization(organization) && held.role == Role::Owner
        });
        if owns && !user.is_disabled() {
            owners.push(*id);
        }
    }
    owners.sort_unstable();
    owners
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Pairs of changes at once, in any order: there is always an owner who can act, and the roll
    /// names exactly those.
    #[test]
    fn the_roll_names_the_owners_who_can_act_and_is_never_empty(
        steps in prop::collection::vec((step(), step()), 1..16)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let world = World::new().await;
            let system = world.system();
            let acme = world.organization("acme").await;
            let scope = Scope::Organization(acme.id);
            let mut people = Vec::new();
            for name in ["ada", "bob", "cyd"] {
                let address = format!("{name}@example.com");
                people.push(user::create(&system, &address, name).await.expect("makes").0.id);
            }
            member::set_role(&system, scope, people[0], Role::Owner).await.expect("gives");
            for (one, other) in &steps {
                let answers = tokio::join!(
                    apply(&system, scope, &people, one),
                    apply(&system, scope, &people, other),
                );
                for answer in [answers.0, answers.1] {
                    if let Err(error) = answer {
                        // The last: what one gave, the other took away before it was read back.
                        let expected = ["member.last_owner", "user.disabled", "not_found"];
                        assert!(expected.contains(&error.code()), "{error:?}");
                    }
                }
                let owners = acting_owners(&world, acme.id, &people).await;
                assert!(!owners.is_empty());
                let roll = member::owners(&system, scope).await.expect("reads");
                assert_eq!(roll.users.into_iter().collect::<Vec<_>>(), owners);
            }
        });
    }
}
