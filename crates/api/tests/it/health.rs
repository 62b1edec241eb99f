//! What health says while the search index is away.

use async_trait::async_trait;
use gna_api::{ApiConfig, AppState};
use gna_domain::ctx::{Ports, Resource};
use gna_domain::error::{Error, Result};
use gna_domain::policy::Role;
use gna_testkit::{AtIndex, SearchBetween};
use std::sync::Arc;

use crate::rest_actor::Place;

/// An invented way to the index on which nobody is reached.
enum FakeWay {
    Refused,
    Silent,
}

#[async_trait]
impl AtIndex for FakeWay {
    async fn asked(&self) -> Result<()> {
        match self {
            Self::Refused => Err(Error::unavailable("search.unavailable", "it is away")),
            Self::Silent => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn health_answers_without_the_search_index_and_says_that_it_is_away() {
    for way in [FakeWay::Refused, FakeWay::Silent] {
        let mut place = Place::new().await;
        let ports = Ports {
            search: Arc::new(SearchBetween {
                inner: place.world.ports.search.clone(),
                with: Arc::new(way),
            }),
            ..place.world.ports.clone()
        };
        let config = ApiConfig::at("http://127.0.0.1:8080");
        place.app = gna_api::app(AppState::new(ports, place.world.apps.clone(), config));
        let root = place
            .actor("root", Resource::Instance, Role::InstanceAdmin)
            .await;
        let told = root.get("/health/detailed").await;
        assert_eq!(told.status, 503, "{}", told.text);
        let told = told.json();
        assert_eq!(told["search"]["status"], "failing");
        assert_eq!(told["store"]["status"], "ok");
        assert_eq!(told["checks"]["encryption"], "ok");
        assert_eq!(root.get("/health/ready").await.status, 200);
        assert_eq!(root.get("/api/v2/organizations").await.status, 200);
        assert_eq!(root.get("/metrics").await.status, 200);
    }
}
