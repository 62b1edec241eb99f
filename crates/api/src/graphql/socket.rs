//! A websocket: who is at its other end is asked again for each operation and each event, since it
//! may be open for longer than a session, a token or a role lasts.

use async_graphql::Data;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use gna_domain::Ctx;
use gna_domain::error::{Error, Result};
use std::any::TypeId;
use std::sync::Arc;

use super::viewer::CurrentSession;
use crate::auth::{Auth, CallOrigin};
use crate::state::AppState;
use crate::streams::Open;

/// What was sent when it was opened.
pub struct Socket {
    state: AppState,
    parts: Parts,
}

impl Socket {
    /// Opened by that request; browsers, which can't send headers with a websocket, name a token in
    /// the first message instead.
    ///
    /// # Errors
    /// Of [`Self::caller`].
    pub async fn open(
        state: AppState,
        mut parts: Parts,
        message: &serde_json::Value,
    ) -> Result<Data> {
        let named = ["authorization", "Authorization"]
            .iter()
            .find_map(|name| message.get(name)?.as_str());
        if let Some(named) = named {
            let mut value = HeaderValue::from_str(named)
                .map_err(|_| Error::unauthenticated("auth.scheme", "the token is malformed"))?;
            value.set_sensitive(true);
            parts.headers.insert(header::AUTHORIZATION, value);
        }
        let socket = Self { state, parts };
        socket.caller().await?;
        let mut data = Data::default();
        data.insert(Arc::new(socket));
        Ok(data)
    }

    pub(super) fn of(data: &Data) -> Option<Arc<Self>> {
        let found = data.get(&TypeId::of::<Arc<Self>>())?;
        found.downcast_ref::<Arc<Self>>().cloned()
    }

    /// Who it is now.
    ///
    /// # Errors
    /// `auth.*` where the token does not hold, or the store's.
    async fn caller(&self) -> Result<Auth> {
        let mut parts = self.parts.clone();
        let found = Auth::from_request_parts(&mut parts, &self.state).await;
        found.map_err(|problem| problem.0)
    }

    /// The rights that the caller has now.
    ///
    /// # Errors
    /// As when it was opened.
    pub(super) async fn ctx(&self) -> Result<Ctx> {
        Ok(self.caller().await?.0.ctx)
    }

    /// Counts one more stream of changes of the caller's.
    ///
    /// # Errors
    /// `changes.too_many`.
    pub(super) fn stream(&self, caller: &Ctx) -> Result<Open> {
        self.state.streams.open(&caller.actor)
    }

    /// What an operation needs to know of its caller; takes from the caller's allowance.
    ///
    /// # Errors
    /// As [`Self::ctx`], and `rate.exceeded`.
    pub(super) async fn operation(&self) -> Result<(Ctx, CurrentSession, CallOrigin)> {
        let caller = self.caller().await?.0;
        let mut parts = self.parts.clone();
        let Ok(origin) = CallOrigin::from_request_parts(&mut parts, &self.state).await;
        let address = origin.0.address.map(|address| address.to_string());
        self.state.rates.take_for(&caller.ctx.actor, address)?;
        Ok((caller.ctx, CurrentSession(caller.session), origin))
    }
}
