//! A fake of a tracker with OAuth2: it gives tokens for codes, checks PKCE, rotates refresh tokens.

use bytes::Bytes;
use gna_domain::port::egress::{EgressError, Failure, OutRequest, OutResponse};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the token endpoint does next instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    LosesAnswer,
    Says(u16, &'static str),
    OmitsRefreshToken,
}

struct State {
    mood: Mood,
    /// Code and what it is for: account and challenge.
    codes: BTreeMap<String, (String, String)>,
    /// Refresh token and its account.
    refresh: BTreeMap<String, String>,
    /// Access token and its account.
    access: BTreeMap<String, String>,
    keys: BTreeMap<String, String>,
    made: u32,
    expires_in: Option<u32>,
    refreshes: u32,
    revoked: Vec<String>,
}

pub struct Provider(Mutex<State>);

fn answer(status: u16, body: &Value) -> Result<OutResponse, EgressError> {
    Ok(OutResponse {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Bytes::from(body.to_string()),
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let (hex, after) = rest.split_at(2);
            rest = after;
            let hex = std::str::from_utf8(hex).expect("ASCII");
            bytes.push(u8::from_str_radix(hex, 16).expect("hexadecimal"));
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

impl Provider {
    pub fn new() -> Self {
        let state = State {
            mood: Mood::Well,
            codes: BTreeMap::new(),
            refresh: BTreeMap::new(),
            access: BTreeMap::new(),
            keys: BTreeMap::from([("key-hunter2".to_owned(), "keyed-1".to_owned())]),
            made: 0,
            expires_in: None,
            refreshes: 0,
            revoked: Vec::new(),
        };
        Self(Mutex::new(state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user signs in at the address as that account; answers the code.
    pub fn agree(&self, url: &str, account: &str) -> String {
        let (place, query) = url.split_once('?').expect("a query");
        assert_eq!(place, "https://tracker.example/authorize");
        let query = pairs(query);
        assert_eq!(
            query["redirect_uri"],
            "https://gna.example/redirect/tracker"
        );
        assert_eq!(
            (query["response_type"].as_str(), query["client_id"].as_str()),
            ("code", "gna")
        );
        assert_eq!(query["code_challenge_method"], "S256");
        let mut state = self.state();
        state.made += 1;
        let code = format!("code-{}", state.made);
        let challenge = query["code_challenge"].clone();
        state
            .codes
            .insert(code.clone(), (account.to_owned(), challenge));
        code
    }

    pub fn be(&self, mood: Mood) {
        self.state().mood = mood;
    }

    pub fn say_expires_in(&self, seconds: Option<u32>) {
        self.state().expires_in = seconds;
    }

    /// All access tokens are spent.
    pub fn spend(&self) {
        self.state().access.clear();
    }

    /// The user takes the permission back in the app.
    pub fn withdraw(&self) {
        let mut state = self.state();
        state.access.clear();
        state.refresh.clear();
        state.keys.clear();
    }

    pub fn allow_key(&self, key: &str, account: &str) {
        self.state().keys.insert(key.to_owned(), account.to_owned());
    }

    pub fn refreshes(&self) -> u32 {
        self.state().refreshes
    }

    pub fn revoked(&self) -> Vec<String> {
        self.state().revoked.clone()
    }

    pub fn answer(&self, request: &OutRequest) -> Result<OutResponse, EgressError> {
        let body = request
            .body
            .as_ref()
            .map(|body| String::from_utf8_lossy(&body.bytes).into_owned())
            .unwrap_or_default();
        let path = request
            .url
            .split_once(".example")
            .map_or("", |(_, path)| path);
        let mut state = self.state();
        match path {
            "/token" => state.token(&pairs(&body)),
            "/revoke" => {
                let token = pairs(&body)["token"].clone();
                state.revoked.push(token);
                answer(200, &json!({}))
            }
            "/api/me" => state.me(request),
            "/api/projects" => answer(200, &json!([{"id": 7, "name": "Seven"}])),
            other => answer(404, &json!({ "message": format!("no {other}") })),
        }
    }
}

impl State {
    fn token(&mut self, form: &BTreeMap<String, String>) -> Result<OutResponse, EgressError> {
        assert_eq!(form["client_secret"], "client-hunter2");
        if let Mood::Says(status, error) = self.mood {
            return answer(status, &json!({ "error": error }));
        }
        let is_refresh = form["grant_type"] == "refresh_token";
        let account = if is_refresh {
            self.refreshes += 1;
            self.refresh.remove(&form["refresh_token"])
        } else {
            let code = self.codes.remove(&form["code"]);
            code.filter(|(_, challenge)| {
                use gna_domain::connect::oauth2::challenge as of;
                of(&gna_domain::secret::Secret::new(
                    form["code_verifier"].as_str(),
                ))
                .ok()
                .as_ref()
                    == Some(challenge)
            })
            .map(|(account, _)| account)
        };
        let Some(account) = account else {
            return answer(400, &json!({ "error": "invalid_grant" }));
        };
        self.made += 1;
        let (access, refresh) = (
            format!("access-hunter2-{}", self.made),
            format!("refresh-hunter2-{}", self.made),
        );
        self.access.insert(access.clone(), account.clone());
        let mut body = json!({ "access_token": access, "token_type": "Bearer" });
        if self.mood == Mood::OmitsRefreshToken {
            let kept = form["refresh_token"].clone();
            self.refresh.insert(kept, account);
        } else {
            self.refresh.insert(refresh.clone(), account);
            body["refresh_token"] = json!(refresh);
        }
        if let Some(seconds) = self.expires_in {
            body["expires_in"] = json!(seconds);
        }
        if self.mood == Mood::LosesAnswer {
            return Err(EgressError::unknown(Failure::Timeout, "no answer in time"));
        }
        answer(200, &body)
    }

    fn me(&self, request: &OutRequest) -> Result<OutResponse, EgressError> {
        let bearer = request
            .headers
            .iter()
            .find(|header| header.name == "Authorization")
            .map(|header| {
                header
                    .value
                    .expose()
                    .trim_start_matches("Bearer ")
                    .to_owned()
            })
            .unwrap_or_default();
        let account = self.access.get(&bearer).or_else(|| self.keys.get(&bearer));
        match account {
            Some(account) => answer(
                200,
                &json!({"id": account, "login": format!("{account}@tracker"), "site": "eu"}),
            ),
            None => answer(401, &json!({ "message": "Bad credentials" })),
        }
    }
}
