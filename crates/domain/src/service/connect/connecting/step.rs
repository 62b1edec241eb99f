//! One form of several, each with its call, like a code that is sent by mail.

use serde_json::Value;

use super::super::authorize::{Complete, Completed, finish, parts};
use super::super::{access, secrets};
use super::Found;
use crate::connect::Module;
use crate::connect::Owner;
use crate::connect::module::MultiStep;
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::port::apps::Apps;

/// Takes the next step; the first one has no session yet.
///
/// # Errors
/// As [`super::super::authorize::complete`].
pub async fn take(
    ctx: &Ctx,
    apps: &dyn Apps,
    module: &Module,
    kind: &MultiStep,
    (user, owner): (UserId, Owner),
    input: Complete,
) -> Result<Completed> {
    let (number, mut found) = if input.state.is_some() {
        parts::session(ctx, apps, module, user, &input).await?
    } else {
        let new = Found::new(
            input.organization,
            owner,
            input.entity,
            Default::default(),
            Default::default(),
        );
        (0, new)
    };
    access::person(ctx)?;
    let Some(step) = kind.steps.get(number) else {
        return Err(Error::internal(
            "authorization.step",
            "there is no such step",
        ));
    };
    let (connection, sealed) = parts::read(module, number, &input.data)?;
    found.connection.extend(connection);
    found.sealed.extend(sealed);
    if let Some(call) = &step.call {
        let values = secrets::values(
            module,
            &found.connection,
            &found.sealed,
            &Default::default(),
        )
        .with("kept", Value::Object(found.kept.clone()));
        let request = module.request("step", call, &values)?;
        let answer = apps.send(module, request, false).await?;
        for (name, take) in &step.keep {
            if let Some(value) = take.from(&answer.body, &values) {
                found.kept.insert(name.clone(), value);
            }
        }
    }
    if number + 1 < kind.steps.len() {
        return parts::next_step(ctx, apps, module, (user, found), number + 1).await;
    }
    finish(ctx, apps, module, found).await
}
