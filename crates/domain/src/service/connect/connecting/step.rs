//! One form of several, each with its call, like a code that is sent by mail.

use serde_json::{Map, Value};

use super::super::authorize::{Complete, Completed, finish, no_session, parts};
use super::super::secrets;
use super::Found;
use crate::connect::Module;
use crate::connect::Owner;
use crate::connect::module::MultiStep;
use crate::ctx::Ctx;
use crate::error::Result;
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
    if number >= kind.steps.len() {
        // The module's file has fewer steps than when this began.
        return Err(no_session());
    }
    let (connection, sealed) = parts::read(module, number, &input.data)?;
    found.connection.extend(connection);
    found.sealed.extend(sealed);
    let values = secrets::values(module, &found.connection, &found.sealed, &Map::new())
        .with("kept", Value::Object(found.kept.clone()));
    if let Some(request) = module.step_request(number, &values)? {
        let answer = apps.send(module, request, false).await?;
        found.kept = module.step_kept(number, &answer, values).scope("kept");
    }
    if number + 1 < kind.steps.len() {
        return parts::next_step(ctx, apps, module, (user, found), number + 1).await;
    }
    finish(ctx, apps, module, found).await
}
